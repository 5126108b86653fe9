"""Cut, merged, counted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given

from streams.replay.editing import Summary, cut, kind, merge
from streams.replay.recording import Entry
from tests.unit.streams.replay.examples import observation, reading, recordings, tick, verbatim

ALL: list[Entry] = [tick(0), observation(0), reading(4), verbatim(6), tick(10), observation(10, "cam-2"), reading(14)]


def test_cut_by_time_takes_the_beginning_and_leaves_the_end() -> None:
    assert list(cut(ALL)) == ALL
    assert list(cut(ALL, from_us=tick(0).logged_us, to_us=tick(10).logged_us)) == ALL[:4]
    assert list(cut(ALL, from_us=tick(6).logged_us)) == ALL[3:]


def test_cut_by_device_and_kind() -> None:
    assert list(cut(ALL, devices=["cam-2"])) == [tick(0), tick(10), observation(10, "cam-2")]
    assert list(cut(ALL, devices=["k"], kinds=["verbatim"])) == [verbatim(6)]
    assert [kind(entry) for entry in cut(ALL, kinds=["traffic", "camera"])] == [
        "camera",
        "traffic",
        "camera",
        "traffic",
    ]


@given(recordings(), recordings())
def test_merged_has_everything_once_and_in_order(first: list[Entry], second: list[Entry]) -> None:
    found = list(merge([first, second]))
    assert all(a.logged_us <= b.logged_us for a, b in pairwise(found))
    data = [entry for entry in first + second if kind(entry) != "tick"]
    assert sorted(map(repr, data)) == sorted(repr(entry) for entry in found if kind(entry) != "tick")
    assert [entry for entry in found if kind(entry) == "tick"] == [tick(at) for at in range(0, 300, 30)]


def test_of_entries_logged_together_those_of_the_first_come_first() -> None:
    assert list(merge([[reading(0)], [verbatim(1), tick(1)], [tick(1)]])) == [reading(0), verbatim(1), tick(1)]


def test_a_summary_counts() -> None:
    summary = Summary()
    for entry in ALL:
        summary.include(entry)
    assert (summary.entries, summary.from_us, summary.to_us) == (7, tick(0).logged_us, reading(14).logged_us)
    assert summary.kinds == {"tick": 2, "camera": 2, "traffic": 2, "verbatim": 1}
    assert summary.topics == {"observations.camera": 2, "observations.traffic": 3}
    assert summary.devices == {"cam-1": 1, "cam-2": 1, "ql5": 2, "k": 1}
