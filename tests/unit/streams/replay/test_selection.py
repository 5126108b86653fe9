"""Which entries are played."""

from __future__ import annotations

import pytest

from streams.replay.selection import Selection, device_of, kind_of
from streams.schema.errors import ConfigurationInvalid
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

ENTRIES = [
    reading(0, corridor="le-hong-phong"),
    observation(1, "cam-hong-bang-01"),
    observation(2, "cam-hong-bang-02"),
    verbatim(3, key="le-hong-phong"),
    tick(4),
]


def chosen(**choice: object) -> list[int]:
    selection = Selection(**choice)  # type: ignore[arg-type]
    return [number for number, entry in enumerate(ENTRIES) if entry in selection]


def test_without_a_choice_everything_is_played() -> None:
    assert chosen() == [0, 1, 2, 3, 4]
    assert [kind_of(entry) for entry in ENTRIES] == ["traffic", "camera", "camera", "traffic", "tick"]
    assert device_of(ENTRIES[4]) == ""


def test_the_clock_goes_with_every_choice_unless_it_is_left_out_by_name() -> None:
    assert chosen(kinds=["camera"]) == [1, 2, 4]
    assert chosen(kinds=["traffic"], with_ticks=False) == [0, 3]
    assert chosen(kinds=["tick"]) == [4]
    assert chosen(with_ticks=False) == [0, 1, 2, 3]
    with pytest.raises(ConfigurationInvalid, match="at once"):
        Selection(kinds=["tick"], with_ticks=False)


def test_a_device_is_a_camera_a_corridor_or_the_key_of_what_is_sent_as_it_stands() -> None:
    assert chosen(devices=["le-hong-phong"]) == [0, 3, 4]
    assert chosen(devices=["le-hong-phong", "cam-hong-bang-02"]) == [0, 2, 3, 4]
    assert chosen(devices=["le-hong-phong"], kinds=["camera"]) == [4]


def test_an_unknown_device_is_refused_with_the_near_names() -> None:
    Selection(devices=["le-hong-phong", "cam-hong-bang-01"]).check_devices(iter(ENTRIES))
    with pytest.raises(ConfigurationInvalid, match="no 'cam-hong-bang'; near it are cam-hong-bang-0"):
        Selection(devices=["le-hong-phong", "cam-hong-bang"]).check_devices(ENTRIES)
    with pytest.raises(ConfigurationInvalid, match="there are 3, such as cam-hong-bang-01"):
        Selection(devices=["zzz"]).check_devices(ENTRIES)


def test_what_is_found_early_is_not_looked_for_to_the_end() -> None:
    entries = iter(ENTRIES)
    Selection(devices=["cam-hong-bang-01"]).check_devices(entries)
    assert len(list(entries)) == 2
