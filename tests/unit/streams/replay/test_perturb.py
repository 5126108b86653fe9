"""Bad networks, as properties: nothing lost, nothing invented, arrival within what was asked for."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.replay.perturb import delay_some, duplicate, shuffle_within, split_rows
from streams.replay.recording import Entry, Record, Verbatim
from streams.schema.codec import encode
from streams.schema.events import CameraObservation, Tick, TrafficReading
from streams.schema.instants import microseconds
from tests.unit.streams.replay.examples import observation, reading, recordings, tick

SEEDS = st.integers(0, 2**32)
SHARES = st.floats(0, 1)
LATENESS_S = st.floats(0, 200)


def data(entries: list[Entry]) -> list[Record]:
    return [entry for entry in entries if isinstance(entry, Record) and not isinstance(entry.event, Tick)]


def contents(entries: list[Entry]) -> Counter[bytes]:
    return Counter(e.payload if isinstance(e, Verbatim) else encode(e.event) for e in entries)


def clock(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry not in data(entries)]


def is_sorted(entries: list[Entry]) -> bool:
    return all(a.logged_us <= b.logged_us for a, b in pairwise(entries))


def time_of(entry: Entry) -> int:
    """When it happened: what a tick or an observation says."""
    if isinstance(entry, Verbatim):
        return 0
    event = entry.event
    return microseconds(event.ticked_at if isinstance(event, Tick) else event.observed_at)


@given(recordings(), LATENESS_S, SEEDS)
def test_shuffled_within_lateness(entries: list[Entry], lateness_s: float, seed: int) -> None:
    bound = round(lateness_s * 1e6)
    out = shuffle_within(entries, lateness_s, seed)
    assert contents(out) == contents(entries)
    assert clock(out) == clock(entries)
    assert is_sorted(out)
    for place, entry in enumerate(out):
        if entry not in data(out) or entry.logged_us > time_of(entry) + bound:
            continue
        for earlier in out[:place]:
            assert time_of(earlier) <= time_of(entry) + bound or earlier in hopeless(entries, bound)


def hopeless(entries: list[Entry], bound: int) -> list[Record]:
    """Those that had arrived later than the bound allows before anything was shuffled."""
    return [entry for entry in data(entries) if entry.logged_us > time_of(entry) + bound]


@given(recordings(), LATENESS_S, SEEDS)
def test_shuffling_makes_nothing_late(entries: list[Entry], lateness_s: float, seed: int) -> None:
    bound = round(lateness_s * 1e6)
    out = shuffle_within(entries, lateness_s, seed)
    assert len(hopeless(out, bound)) == len(hopeless(entries, bound))
    assert all(
        entry.logged_us >= min(time_of(entry) + bound, microseconds(entry.event.received_at))  # type: ignore[union-attr]
        for entry in data(out)
    )


def test_shuffling_does_shuffle() -> None:
    entries: list[Entry] = [reading(30 * number) for number in range(100)]
    out = shuffle_within(entries, 120, 1)
    assert sum(a != b for a, b in zip(data(entries), data(out), strict=True)) > 50
    order = [time_of(entry) for entry in out]
    assert order != sorted(order)


@given(recordings(), SHARES, SEEDS, st.floats(0, 60))
def test_duplicates_are_copies(entries: list[Entry], share: float, seed: int, within_s: float) -> None:
    out = duplicate(entries, share, seed, within_s=within_s)
    assert is_sorted(out)
    assert clock(out) == clock(entries)
    added = contents(out) - contents(entries)
    assert contents(entries) <= contents(out)
    assert added <= contents(list(data(entries)))
    first = {encode(entry.event): entry.logged_us for entry in reversed(data(entries))}
    last = {encode(entry.event): entry.logged_us for entry in data(out)}
    latest = {encode(entry.event): entry.logged_us for entry in data(entries)}
    for content, at in last.items():
        assert first[content] <= at <= latest[content] + within_s * 1e6 + 1


def test_shares_are_kept_roughly() -> None:
    entries: list[Entry] = [reading(number) for number in range(2_000)]
    assert 60 < len(duplicate(entries, 0.05, 1)) - 2_000 < 140
    assert len(duplicate(entries, 0, 1)) == 2_000
    assert len(duplicate(entries, 1, 1)) == 4_000
    late = delay_some(entries, 0.1, 1, at_least_s=100, at_most_s=200)
    assert 140 < sum(entry.logged_us - time_of(entry) >= 100e6 for entry in late) < 260
    assert 900 < len(split_rows(entries, 0.5, 1)) - 2_000 < 1_100


@given(recordings(), SHARES, SEEDS, st.floats(0, 100), st.floats(0, 100))
def test_delayed_ones_arrive_when_asked(entries: list[Entry], share: float, seed: int, low: float, more: float) -> None:
    out = delay_some(entries, share, seed, at_least_s=low, at_most_s=low + more)
    assert is_sorted(out)
    assert contents(out) == contents(entries)
    assert clock(out) == clock(entries)
    before = Counter((encode(entry.event), entry.logged_us) for entry in data(entries))
    for content in Counter((encode(entry.event), entry.logged_us) for entry in data(out)) - before:
        event = next(entry for entry in data(out) if (encode(entry.event), entry.logged_us) == content)
        assert low * 1e6 - 1 <= event.logged_us - time_of(event) <= (low + more) * 1e6 + 1


@given(recordings(), SHARES, SEEDS)
def test_split_batches_hold_the_same_rows(entries: list[Entry], share: float, seed: int) -> None:
    out = split_rows(entries, share, seed)
    assert is_sorted(out)
    assert clock(out) == clock(entries)
    assert rows(out) == rows(entries)
    assert all(entry.event.station for entry in data(out) if isinstance(entry.event, TrafficReading))


def rows(entries: list[Entry]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for entry in data(entries):
        event = entry.event
        if isinstance(event, TrafficReading):
            classes = event.class_counts.get("moto", [])
            assert len(event.lane) == len(event.count) == len(event.speed_kmh) == len(event.station) == len(classes)
            assert event.occupancy_pct == []
            columns = zip(event.station, event.lane, event.count, event.speed_kmh, classes, strict=True)
            found.update((entry.logged_us, event.corridor, event.observed_at, *row) for row in columns)
        elif isinstance(event, CameraObservation):
            found.update((entry.logged_us, event.camera, zone.zone, zone.people) for zone in event.zones)
            found.update((entry.logged_us, event.camera, line.line, line.entered) for line in event.crossings)
    return found


def test_a_changed_event_drops_its_payload() -> None:
    record = Record(reading(0).logged_us, reading(0).event, encode(reading(0).event))
    assert [part.payload for part in split_rows([record], 1, 1)] == [None, None]
    assert shuffle_within([record], 60, 1)[0].payload == record.payload


def test_a_reading_whose_columns_differ_stays_whole() -> None:
    whole = reading(30)
    entry = Record(whole.logged_us, replace(whole.event, count=[1]))
    assert split_rows([entry], 1, 1) == [entry]


@given(recordings(), SEEDS)
def test_the_same_seed_gives_the_same(entries: list[Entry], seed: int) -> None:
    for _ in range(2):
        assert shuffle_within(entries, 60, seed) == shuffle_within(entries, 60, seed)
        assert split_rows(entries, 0.5, seed) == split_rows(entries, 0.5, seed)


def test_they_compose() -> None:
    entries: list[Entry] = [*(reading(30 * number) for number in range(50)), observation(7), tick(0), tick(1600)]
    out = shuffle_within(duplicate(split_rows(entries, 0.5, 1), 0.05, 2, within_s=5), 60, 3)
    assert not hopeless(out, 60_000_000)
    assert out[0] == tick(0) and out[-1] == tick(1600)
