"""No well-formed event, however odd, stops a worker: it is used or refused, and what follows can be stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.partition import Partition, Record
from streams.schema import codec
from streams.schema.events import Event, InputEvent
from streams.storage.copy_binary import blocks, columns_of
from tests.unit.streams.core.test_partition import CAMERAS, CORRIDORS, NOW_US, observation, reading, tick

odd_int = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.integers(-1, 200))
odd_float = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 120))
odd_text = st.text(max_size=10)
place = st.sampled_from([("s1", 1), ("s1", 2), ("s2", 1), ("s3", 3), ("s3", 9), ("elsewhere", 1)])
shift_s = st.floats(-1e6, 1e6) | st.floats(-60, 60)


@st.composite
def odd_readings(draw: st.DrawFn) -> Event:
    rows = draw(st.integers(1, 8))
    places = draw(st.lists(place | st.tuples(odd_text, st.integers(-5, 5)), min_size=rows, max_size=rows))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        length = draw(st.sampled_from([rows, rows, rows, 0, rows + 1]))
        return draw(st.lists(values, min_size=length, max_size=length))

    base: Any = reading(draw(st.integers(1, 2000)), 1)
    return msgspec.structs.replace(  # type: ignore[no-any-return]
        base,
        observed_at=base.observed_at + timedelta(seconds=draw(shift_s)),
        interval_s=draw(st.floats(1, 900)),
        station=[station for station, _ in places],
        lane=[lane for _, lane in places],
        count=column(odd_int),
        occupancy_pct=column(odd_float),
        speed_kmh=column(odd_float),
        flow_veh_h=column(odd_float),
        class_counts={"moto": column(odd_int)},
    )


@st.composite
def odd_observations(draw: st.DrawFn) -> Event:
    base: Any = observation(draw(st.integers(1, 2000)), draw(st.integers(0, 100_000)))
    return msgspec.structs.replace(  # type: ignore[no-any-return]
        base,
        observed_at=base.observed_at + timedelta(seconds=draw(shift_s)),
        frame_interval_s=draw(st.floats(0.01, 60)),
        zones=draw(st.sampled_from([[], base.zones, base.zones * 2])),
        health=draw(st.sampled_from(["ok", "frozen", "clock-drift"])),
    )


@settings(max_examples=150)
@given(st.lists(odd_readings(), max_size=8) | st.lists(odd_observations(), max_size=8), st.lists(st.integers(0, 4000)))
def test_odd_events_are_used_or_refused_and_the_rows_can_be_stored(events: list[Any], ticks: list[int]) -> None:
    kind = CORRIDORS if events and hasattr(events[0], "corridor") else CAMERAS
    log: list[Event] = [*events, *(tick(second) for second in ticks), tick(100_000)]
    key = b"road" if kind is CORRIDORS else b"cam"
    records = [Record(number, key, codec.encode(event), NOW_US) for number, event in enumerate(log)]
    partition = Partition("t", 0, kind, {})
    for record in records:
        batch = partition.process([record])
        for rows in batch.rows:
            assert b"".join(blocks(columns_of(rows.table, [rows])))
        Partition("t", 0, kind, batch.states)


def test_every_input_kind_is_covered() -> None:
    assert {kind.__name__ for kind in InputEvent.__args__} == {"CameraObservation", "TrafficReading", "Tick"}
