"""Moments as people write them."""

from __future__ import annotations

import time

import click
import pytest

from ioc.commands.moments import MOMENT

NOW_US = 1_772_413_200_000_000


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("now", NOW_US),
        ("-90s", NOW_US - 90_000_000),
        ("-15m", NOW_US - 900_000_000),
        ("-2h", NOW_US - 7_200_000_000),
        ("-1d", NOW_US - 86_400_000_000),
        ("2026-03-02T08:00+07:00", NOW_US),
        ("2026-03-02T01:00:00.5Z", NOW_US + 500_000),
    ],
)
def test_a_moment(monkeypatch: pytest.MonkeyPatch, text: str, us: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW_US * 1000)
    assert MOMENT.convert(text, None, None) == us


@pytest.mark.parametrize("text", ["2026-03-02T08:00", "yesterday", "-15", "15m", ""])
def test_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no moment; write"):
        MOMENT.convert(text, None, None)
