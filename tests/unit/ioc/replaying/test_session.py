"""What is asked of a replay is checked before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ioc.replaying.session import Request, Span, check_devices, span_of, told
from streams.replay.player import PlayResult
from streams.replay.recording import Recording, RecordingInfo
from streams.replay.selection import Selection
from streams.schema.errors import ConfigurationInvalid
from tests.unit.streams.replay.examples import reading, tick

BEGIN, S = tick(0).logged_us, 1_000_000
RECORDING = Recording.of([tick(0), reading(1), tick(600)])
REQUEST = Request(Path(), RECORDING, Selection())


def test_a_span_is_in_recorded_time() -> None:
    assert span_of(REQUEST) == Span(BEGIN, None, None)
    span = span_of(replace(REQUEST, from_="+1m", until="2026-03-02T01:05:00Z"))
    assert span == Span(BEGIN, BEGIN + 60 * S, BEGIN + 300 * S)


def test_an_offset_counts_from_the_first_entry_where_a_format_does_not_tell() -> None:
    untold = Recording(RecordingInfo("a", "b", "c"), lambda: iter([tick(30), tick(90)]))
    assert span_of(replace(REQUEST, recording=untold, from_="10s")).from_us == BEGIN + 40 * S
    empty = Recording(RecordingInfo("a", "b", "c"), lambda: iter([]))
    assert span_of(replace(REQUEST, recording=empty)) == Span(0, None, None)


@pytest.mark.parametrize(
    ("from_", "until", "told"),
    [
        ("+5m", "+5m", "--until: 2026-03-02T01:05:00Z is not after --from"),
        ("+11m", "", "--from: 2026-03-02T01:11:00Z is after the recording's end 2026-03-02T01:10:00Z"),
        ("", "2026-03-02T01:00:00Z", "--until: .* is not after the recording's beginning"),
        ("soon", "", "--from: 'soon' is neither of: an ISO time"),
    ],
)
def test_a_span_in_which_nothing_lies_is_refused(from_: str, until: str, told: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=told):
        span_of(replace(REQUEST, from_=from_, until=until))


def test_a_device_is_looked_for_in_a_small_recording_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "recording"
    file.write_bytes(b"12345678")
    request = replace(REQUEST, file=file, selection=Selection(devices=["ql6"]))
    with pytest.raises(ConfigurationInvalid, match="near it are ql5"):
        check_devices(request)
    monkeypatch.setattr("ioc.replaying.session.READ_FIRST_BYTES", 7)
    check_devices(request)


def test_the_last_line_is_in_the_language_asked_for() -> None:
    result = PlayResult(2, 1, 5, 6, 100, 1.25, 1, stopped=True, shift_us=0)
    assert told(result, "en") == "2 events, 6 readings, 1 ticks in 1.2 s, all acknowledged, stopped early"
    assert told(replace(result, stopped=False), "vi") == (
        "2 sự kiện, 6 số đo, 1 nhịp trong 1.2 s, đã xác nhận hết / all acknowledged"
    )
