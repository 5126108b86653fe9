"""Makes of a recording what a bad network makes of it: shuffled, doubled, late, split. Pure and seeded.

Decides arrival only: no event is invented or lost, no measured value changes. Each function takes entries and returns
a list sorted by arrival, the same for the same seed. Ticks and verbatim entries keep their time of arrival: a tick is
the clock by which lateness is judged.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sized
from typing import TypeVar, cast

from msgspec.structs import replace

from streams.replay.recording import Entry, Record
from streams.schema.events import CameraObservation, Tick, TrafficReading
from streams.schema.instants import microseconds

T = TypeVar("T")


def shuffle_within(entries: Iterable[Entry], lateness_s: float, seed: int) -> list[Entry]:
    """Arrival reordered at random within the lateness bound.

    Each event arrives at a random moment from when it was received until ``lateness_s`` after it was observed, so no
    event and no tick before it is of a time later than its ``observed_at`` + ``lateness_s``. An event that had
    already arrived later than that stays where it was.
    """
    chance = random.Random(seed)
    bound_us = round(lateness_s * 1e6)

    def moved(entry: Entry) -> Entry:
        observation = _observation(entry)
        if observation is None:
            return entry
        latest = microseconds(observation.observed_at) + bound_us
        if entry.logged_us > latest:
            return entry
        earliest = min(max(microseconds(observation.received_at), microseconds(observation.observed_at)), latest)
        return _arriving(entry, chance.randint(earliest, latest))

    return _sorted(moved(entry) for entry in entries)


def duplicate(entries: Iterable[Entry], share: float, seed: int, *, within_s: float = 30.0) -> list[Entry]:
    """A share of the events arrives a second time, the copy up to ``within_s`` after the first."""
    chance = random.Random(seed)
    out: list[Entry] = []
    for entry in entries:
        out.append(entry)
        if _observation(entry) is not None and chance.random() < share:
            out.append(_arriving(entry, entry.logged_us + chance.randint(0, round(within_s * 1e6))))
    return _sorted(out)


def delay_some(
    entries: Iterable[Entry], share: float, seed: int, *, at_least_s: float, at_most_s: float
) -> list[Entry]:
    """A share of the events arrives only ``at_least_s`` to ``at_most_s`` after it was observed.

    Between lateness and lateness + grace it is a correction, above it is beyond grace; allow for the window's length
    (a window stays open until its own end + lateness) and for the interval of the ticks. An event that had already
    arrived later than the moment drawn stays where it was. ``received_at`` stays: a gateway held it in time.
    """
    chance = random.Random(seed)

    def moved(entry: Entry) -> Entry:
        observation = _observation(entry)
        if observation is None or chance.random() >= share:
            return entry
        delay_us = chance.randint(round(at_least_s * 1e6), round(at_most_s * 1e6))
        return _arriving(entry, max(entry.logged_us, microseconds(observation.observed_at) + delay_us))

    return _sorted(moved(entry) for entry in entries)


def split_rows(entries: Iterable[Entry], share: float, seed: int) -> list[Entry]:
    """A share of the batches arrives in two messages, each with a random part of the rows (at least one).

    Both arrive when the whole would have, in random order. An event of one row stays whole.
    """
    chance = random.Random(seed)
    out: list[Entry] = []
    for entry in entries:
        observation = _observation(entry)
        rows = _row_count(observation)
        if observation is None or rows < 2 or chance.random() >= share:
            out.append(entry)
            continue
        first = sorted(chance.sample(range(rows), chance.randint(1, rows - 1)))
        rest = sorted(set(range(rows)).difference(first))
        parts = [Record(entry.logged_us, _with_rows(observation, part)) for part in (first, rest)]
        chance.shuffle(parts)
        out += parts
    return _sorted(out)


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.logged_us)


def _observation(entry: Entry) -> CameraObservation | TrafficReading | None:
    if isinstance(entry, Record) and not isinstance(entry.event, Tick):
        return entry.event
    return None


def _arriving(entry: Entry, at_us: int) -> Entry:
    """The same entry at another moment; what it says, and so its payload, is unchanged."""
    record = cast(Record, entry)
    return Record(at_us, record.event, record.payload)


def _row_count(observation: CameraObservation | TrafficReading | None) -> int:
    """How many rows can be told apart; 1 where columns differ in length, so that no row is what it says."""
    if isinstance(observation, TrafficReading):
        columns: list[Sized] = [observation.lane, observation.count, observation.occupancy_pct, observation.speed_kmh]
        columns += [observation.flow_veh_h, *observation.class_counts.values()]
        rows = len(observation.station)
        return rows if all(len(column) in (0, rows) for column in columns) else 1
    return 0 if observation is None else len(observation.zones)


def _with_rows(observation: CameraObservation | TrafficReading, rows: list[int]) -> CameraObservation | TrafficReading:
    """Those rows only. Of a camera's zones; its line crossings go with the part that has the first zone."""
    if isinstance(observation, CameraObservation):
        crossings = observation.crossings if 0 in rows else []
        return replace(observation, zones=_taken(observation.zones, rows), crossings=crossings)
    return replace(
        observation,
        station=_taken(observation.station, rows),
        lane=_taken(observation.lane, rows),
        count=_taken(observation.count, rows),
        occupancy_pct=_taken(observation.occupancy_pct, rows),
        speed_kmh=_taken(observation.speed_kmh, rows),
        flow_veh_h=_taken(observation.flow_veh_h, rows),
        class_counts={name: _taken(column, rows) for name, column in observation.class_counts.items()},
    )


def _taken(column: list[T], rows: list[int]) -> list[T]:
    """Those rows of a column; a column that is left out stays left out."""
    return [column[row] for row in rows] if column else []
