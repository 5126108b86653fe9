"""What a person sees of a replay."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from streams.replay.player import Progress
from streams.replay.progress import ReplayProgress
from streams.replay.recording import RecordingInfo
from tests.unit.streams.replay.examples import tick

INFO = RecordingInfo("Ngày [thử]", "A [test] day", "test", 1, tick(0).logged_us, tick(3600).logged_us, 10)


def at(seconds: float, passes: int = 1, **more: Any) -> Progress:
    played_us = round(150e6 * seconds)
    given = {"events": round(300 * seconds), "rows": round(60_000 * seconds), "played_us": played_us, **more}
    return Progress(bytes=1_000_000, seconds=seconds, logged_us=tick(900).logged_us, passes=passes, **given)


def shown(plain: bool | None, terminal: bool, info: RecordingInfo = INFO, language: str = "vi") -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160)
    with ReplayProgress(info, console=console, plain=plain, language=language) as progress:
        for seconds in (1.0, 4.0, 6.0, 7.0):
            progress(at(seconds))
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    lines = shown(None, terminal=False).splitlines()
    assert lines[0] == "Ngày [thử]"
    assert lines[1] == "nhanh nhất  2026-03-02 01:15:00Z  25 %  300 sự kiện/s (60,000 số đo/s), thực tế ×150  còn 18 s"
    assert lines[2:] == ["nhanh nhất  2026-03-02 01:15:00Z  25 %  300 sự kiện/s (60,000 số đo/s), thực tế ×150"]


def test_english() -> None:
    lines = shown(True, terminal=True, language="en").splitlines()
    assert lines[0] == "A [test] day"
    assert lines[1] == "max  2026-03-02 01:15:00Z  25 %  300 events/s (60,000 readings/s), in effect ×150  left 18 s"


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


def test_the_rate_is_that_of_late_and_in_the_end_that_of_the_whole() -> None:
    out = io.StringIO()
    with ReplayProgress(INFO, console=Console(file=out, width=160), language="en") as progress:
        for seconds, events in ((0.0, 0), (5.0, 5_000), (8.0, 5_030), (10.0, 5_050)):
            progress(at(seconds, events=events, speed=60.0))
    lines = out.getvalue().splitlines()
    assert "×60  " in lines[1] and "1,000 events/s" in lines[1]
    assert "10 events/s" in lines[2]
    assert "505 events/s" in lines[-1]


def test_a_pause_is_told_once_and_each_step() -> None:
    out = io.StringIO()
    with ReplayProgress(INFO, console=Console(file=out, width=160), language="vi") as progress:
        for seconds, paused, events in ((1, False, 1), (2, True, 1), (60, True, 1), (61, True, 2), (62, False, 2)):
            progress(at(seconds, paused=paused, events=events, speed=0.5))
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["tạm dừng (×0.5)", "tạm dừng (×0.5)", "×0.5", "×0.5"]


def test_who_steps_sees_what_was_sent() -> None:
    line = ReplayProgress(INFO, plain=True, language="vi").line(at(1.0, paused=True, entry=("traffic", "ql5")))
    assert "vừa phát: giao thông ql5  01:15:00.000Z" in line


@pytest.mark.parametrize(("language", "word"), [("vi", "tua 60 s"), ("en", "seek 60 s")])
def test_the_keys_stand_below_the_bar_where_there_are_any(language: str, word: str) -> None:
    for keys in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=120)
        with ReplayProgress(INFO, console=console, language=language, keys=keys) as progress:
            progress(at(1.0))
        assert (word in out.getvalue()) is keys
