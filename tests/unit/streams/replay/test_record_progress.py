from __future__ import annotations

import io

from rich.console import Console

from streams.replay.record_progress import RecordProgress
from streams.replay.recorder import Recorded
from streams.replay.recording import RecordingInfo
from tests.unit.streams.replay.examples import tick

INFO = RecordingInfo("Ghi", "Recording", "test")


def recorded(expected: int | None, logged_us: int = tick(900).logged_us) -> Recorded:
    return Recorded(2_000, 400_000, 3_000_000, 8.0, logged_us, 10, 0, 250, expected, 0)


def test_a_recorder_counts_messages_and_tells_bytes() -> None:
    out = io.StringIO()
    with RecordProgress(INFO, console=Console(file=out, width=160), language="en") as progress:
        progress(recorded(1_000))
        progress.away("host: [refused]")
        progress.away(None)
    lines = out.getvalue().splitlines()
    assert lines[1] == "2026-03-02 01:15:00Z  25 %  250 events/s (50,000 readings/s)  3.0 MB  left 24 s"
    assert lines[2:4] == ["Kafka is away, waiting: host: [refused]", "Kafka is back"]


def test_a_live_recorder_has_no_end() -> None:
    progress = RecordProgress(INFO, plain=True)
    assert progress.line(recorded(None)) == "2026-03-02 01:15:00Z  250 sự kiện/s (50,000 số đo/s)  3.0 MB"
    assert progress.line(recorded(None, 0)).startswith("-  ")
    out = io.StringIO()
    with RecordProgress(INFO, console=Console(file=out, force_terminal=True, width=160), plain=False) as bar:
        bar(recorded(None))
        bar(recorded(1_000))
    assert "25 %" in out.getvalue() and "3.0 MB" in out.getvalue()
