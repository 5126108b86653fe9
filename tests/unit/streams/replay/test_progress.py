"""What a person sees of a replay."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streams.replay.player import Progress
from streams.replay.progress import RecordProgress, ReplayProgress
from streams.replay.recorder import Recorded
from streams.replay.recording import RecordingInfo
from tests.unit.streams.replay.examples import tick

INFO = RecordingInfo("Ngày [thử]", "A [test] day", "test", 1, tick(0).logged_us, tick(3600).logged_us, 10)


def at(seconds: float, passes: int = 1) -> Progress:
    return Progress(2_000, 400_000, 1_000_000, seconds, tick(900).logged_us, passes)


def shown(plain: bool | None, terminal: bool, info: RecordingInfo = INFO, language: str = "vi") -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160)
    with ReplayProgress(info, console=console, plain=plain, language=language) as progress:
        for seconds in (1.0, 6.0, 7.0):
            progress(at(seconds))
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    lines = shown(None, terminal=False).splitlines()
    assert lines[0] == "Ngày [thử]"
    assert lines[1] == "2026-03-02 01:15:00Z  25 %  333 sự kiện/s (66,667 số đo/s)  còn 18 s"
    assert len(lines) == 3


def test_english() -> None:
    lines = shown(True, terminal=True, language="en").splitlines()
    assert lines[0] == "A [test] day"
    assert lines[1] == "2026-03-02 01:15:00Z  25 %  333 events/s (66,667 readings/s)  left 18 s"


def test_a_bar_on_a_terminal() -> None:
    out = shown(None, terminal=True)
    assert "Ngày [thử]" in out
    assert "25 %" in out
    assert "sự kiện/s" in out


@pytest.mark.parametrize("plain", [True, False])
def test_a_recording_that_does_not_tell_its_length(plain: bool) -> None:
    out = shown(plain, terminal=not plain, info=RecordingInfo("a", "b", "c"))
    assert "2026-03-02 01:15:00Z" in out


def test_a_loop_tells_its_pass() -> None:
    assert "(pass 3)" in ReplayProgress(INFO, plain=True, language="en").line(at(1, passes=3))


def recorded(expected: int | None, logged_us: int = tick(900).logged_us) -> Recorded:
    return Recorded(2_000, 400_000, 3_000_000, 8.0, logged_us, 1, 10, 0, 250, expected, 0)


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
