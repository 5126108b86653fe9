"""What is counted, as Prometheus text. No label names a gateway or a token: the page is readable without one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Metrics:
    """Counters since the process started."""

    responses: Counter[int] = field(default_factory=Counter)
    """Answers to posted readings, by status."""
    events: int = 0
    rows: int = 0
    body_bytes: int = 0

    def text(self, *, under_way: int, held_bytes: int) -> str:
        """The exposition format, version 0.0.4."""
        lines = [
            "# HELP ioc_ingest_responses_total Answers to posted readings, by status.",
            "# TYPE ioc_ingest_responses_total counter",
            *(f'ioc_ingest_responses_total{{status="{s}"}} {n}' for s, n in sorted(self.responses.items())),
        ]
        for name, kind, help_text, value in (
            ("events_total", "counter", "Readings acknowledged by Kafka.", self.events),
            ("rows_total", "counter", "Rows of those readings.", self.rows),
            ("body_bytes_total", "counter", "Bytes of accepted bodies, after decompression.", self.body_bytes),
            ("requests_under_way", "gauge", "Requests admitted and not answered yet.", under_way),
            ("held_bytes", "gauge", "Bytes of bodies of the requests under way.", held_bytes),
        ):
            metric = f"ioc_ingest_{name}"
            lines += [f"# HELP {metric} {help_text}", f"# TYPE {metric} {kind}", f"{metric} {value}"]
        return "\n".join(lines) + "\n"
