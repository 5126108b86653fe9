"""Everything the demo shows at one moment. Drawn by ioc.demo.screen and ioc.demo.plain; filled by ioc.demo.run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ioc.demo.figures import DatabaseFigures
from ioc.demo.supervisor import Kept


@dataclass
class Step:
    """One thing done at the start or the end. name: of a text in ioc.demo.labels."""

    name: str
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    note: str = ""

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began


@dataclass
class DemoState:
    """phase: starting until data flow, stopping once the end has begun. ``data_at`` to ``played_to``: data flow."""

    title_vi: str = ""
    title_en: str = ""
    hint_vi: str = ""
    hint_en: str = ""
    """When the first alarm is to be expected."""
    phase: Literal["starting", "running", "stopping"] = "starting"
    began: float = field(default_factory=time.monotonic)
    data_at: float | None = None
    played_to: float | None = None
    first_row_s: float | None = None
    steps: list[Step] = field(default_factory=list)
    events: int = 0
    readings: int = 0
    events_per_s: float = 0.0
    readings_per_s: float = 0.0
    rows_per_s: float = 0.0
    lag: int | None = None
    database: DatabaseFigures = field(default_factory=lambda: DatabaseFigures(datetime.now(UTC)))
    database_away: str = ""
    kafka_away: str = ""
    disk_free_bytes: int | None = None
    services: list[Kept] = field(default_factory=list)
    player_pid: int = 0
    psql: Path | None = None
    ingest_url: str = ""
    logs: Path | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Shows the step and how long it takes."""
        step = Step(name)
        self.steps.append(step)
        yield step
        step.ended = time.monotonic()

    @property
    def running_s(self) -> float:
        """Seconds that data have flown."""
        return 0.0 if self.data_at is None else (self.played_to or time.monotonic()) - self.data_at

    def outcome(self) -> dict[str, Any]:
        """The summary for scripts: one line of JSON."""
        return {
            "events_in": self.events,
            "readings_in": self.readings,
            "rows": self.database.stored,
            "rows_by_table": self.database.rows,
            "dead_letters": self.database.dead_letters,
            "lag": self.lag,
            "alarms": self.database.alarms_raised,
            "open_alarms": len(self.database.open_alarms),
            "seconds_to_first_row": None if self.first_row_s is None else round(self.first_row_s, 2),
            "start_s": None if self.data_at is None else round(self.data_at - self.began, 2),
            "seconds": round(self.running_s, 2),
            "restarts": sum(kept.restarts for kept in self.services),
        }
