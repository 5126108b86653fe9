"""Moments, command lines and keys, as a person gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.commands import KEYS, KeyReader, parse_command, parse_moment, parse_speed
from streams.replay.transport import Pause, Quit, Resume, ScaleSpeed, Seek, SeekBy, SetSpeed, Step, TogglePause
from streams.schema.instants import microseconds
from tests.unit.streams.replay.examples import START

BEGIN = microseconds(START)
S = 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+5m", 300),
        ("90s", 90),
        ("+1h30m", 5400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("2026-03-02T01:05:00Z", 300),
        ("2026-03-02T01:05:00", 300),
        ("2026-03-02 08:05:00+07:00", 300),
        ("20260302T010500Z", 300),
    ],
)
def test_a_moment_is_a_time_or_an_offset(text: str, seconds: float) -> None:
    assert parse_moment(text, BEGIN) == BEGIN + seconds * S


@pytest.mark.parametrize("text", ["", "+", "5", "+5", "5 m", "-5m", "yesterday", "01:05", "5m3h"])
def test_what_is_no_moment_is_told_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"an ISO time .* or an offset"):
        parse_moment(text, BEGIN)


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf", ""])
def test_a_speed_is_above_0_or_max(text: str) -> None:
    assert (parse_speed("2.5"), parse_speed("max")) == (2.5, None)
    with pytest.raises(ValueError, match="neither a factor above 0"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("pause\n", Pause()),
        ("resume", Resume()),
        ("step", Step()),
        (" step  12 ", Step(12)),
        ("speed 60", SetSpeed(60.0)),
        ("speed max", SetSpeed(None)),
        ("seek +5m", Seek(BEGIN + 300 * S)),
        ("seek 2026-03-02T01:05:00Z", Seek(BEGIN + 300 * S)),
        ("quit", Quit()),
    ],
)
def test_a_line_is_a_command(line: str, command: object) -> None:
    assert parse_command(line, BEGIN) == command


@pytest.mark.parametrize(
    "line", ["", "play", "step 0", "step -1", "step x", "step ²", "speed", "speed 0", "seek", "seek x"]
)
def test_a_line_that_is_none_is_told_what_there_is(line: str) -> None:
    with pytest.raises(ValueError, match=r"there are: pause|factor above 0|ISO time"):
        parse_command(line, BEGIN)


def test_keys() -> None:
    pressed = KeyReader().feed(b" s\r+=-m\x1b[C\x1b[Dq")
    assert pressed == [
        TogglePause(), Step(), Step(), ScaleSpeed(2), ScaleSpeed(2), ScaleSpeed(0.5), SetSpeed(None),
        SeekBy(60 * S), SeekBy(-60 * S), Quit(),
    ]  # fmt: skip


def test_a_key_that_comes_in_pieces_is_one_and_one_that_means_nothing_is_none() -> None:
    reader = KeyReader()
    assert reader.feed(b"x\x1b[A\xff?") == []
    assert reader.feed(b"\x1b") == [] and reader.feed(b"[") == []
    assert reader.feed(b"C") == [SeekBy(60 * S)]
    assert reader.feed(b"\x1b") == []
    assert reader.feed(b"q") == [Quit()]


@given(st.lists(st.sampled_from(sorted(KEYS)), max_size=10), st.lists(st.integers(1, 4)))
def test_keys_are_the_same_however_their_bytes_are_cut(pressed: list[str], cuts: list[int]) -> None:
    data = "".join(pressed).encode()
    reader, found = KeyReader(), []
    for size in [*cuts, len(data)]:
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == [KEYS[key] for key in pressed]
