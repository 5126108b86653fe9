"""A partition as a worker runs it: redelivery, order, duplicates, refusals. The tables are what the sink would hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.agents.sources import camera_kind, corridor_kind
from streams.core.partition import CLOCK, Batch, Partition, Record
from streams.schema import codec
from streams.schema.events import CameraObservation, Event, Health, LineCrossing, Tick, TrafficReading, ZoneCount
from streams.schema.instants import instant
from streams.schema.tables import Rows
from tests.unit.streams.core.sites import SITE

S = 1_000_000
EPOCH_S = 1_700_000_040
CAMERAS = camera_kind(SITE)
CORRIDORS = corridor_kind(SITE, store_readings=True)
NOW_US = (EPOCH_S + 100_000) * S


def observation(second: int, people: int, health: Health = "ok") -> CameraObservation:
    at = instant((EPOCH_S + second) * S)
    return CameraObservation(
        camera="cam",
        observed_at=at,
        received_at=at + timedelta(milliseconds=200),
        frame_interval_s=1.0,
        zones=[ZoneCount("waiting", people), ZoneCount("staff", people % 4)],
        crossings=[LineCrossing("door", people % 3, people % 2)],
        health=health,
    )


def reading(second: int, count: int, lanes: int = 6) -> TrafficReading:
    at = instant((EPOCH_S + second) * S)
    places = [("s1", 1), ("s1", 2), ("s2", 1), ("s3", 1), ("s3", 2), ("s3", 3)][:lanes]
    return TrafficReading(
        corridor="road",
        observed_at=at,
        received_at=at,
        interval_s=30.0,
        station=[station for station, _ in places],
        lane=[lane for _, lane in places],
        count=[count] * lanes,
        occupancy_pct=[float(count)] * lanes,
        speed_kmh=[60.0 if count else None] * lanes,
    )


def tick(second: int) -> Tick:
    return Tick(ticked_at=instant((EPOCH_S + second) * S))


def records(events: Iterable[Event], first: int = 0) -> list[Record]:
    keys = {CameraObservation: b"cam", TrafficReading: b"road"}
    return [
        Record(first + number, keys.get(type(event)), codec.encode(event), NOW_US)
        for number, event in enumerate(events)
    ]


def store(table: dict[Any, Any], batch: Batch) -> None:
    """What the sink does: upsert by natural key, guarded by revision."""
    for rows in batch.rows:
        columns = {name: list(values) for name, values in rows.columns.items()}
        for number in range(len(rows)):
            row = {name: column[number] for name, column in columns.items()}
            key = (rows.table.name, *(row[name] for name in rows.table.key))
            held = table.get(key)
            if held is None or (rows.table.revised and row["revision"] > held["revision"]):
                table[key] = row


def as_text(table: dict[Any, Any]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in table.values())


def run(kind: Any, given_records: list[Record], batch_sizes: Iterable[int] = ()) -> dict[Any, Any]:
    partition = Partition("t", 0, kind, {})
    table: dict[Any, Any] = {}
    rest = list(given_records)
    for size in [*batch_sizes, len(rest)]:
        store(table, partition.process(rest[:size]))
        rest = rest[size:]
    return table


def test_occupancy_rows_of_one_minute() -> None:
    table = run(CAMERAS, records([*(observation(second, 10) for second in range(1, 61)), observation(200, 0)]))
    row = table["zone_occupancy_1m", "cam", "waiting", EPOCH_S * S]
    assert (row["people_mean"], row["people_max"], row["samples"], row["coverage"]) == (10.0, 10, 60, 1.0)
    assert (row["density_per_m2"], row["level_of_service"], row["revision"]) == (0.5, "A", 1)
    assert table["line_crossing_1m", "cam", "door", EPOCH_S * S]["entered"] == 60


def test_counts_of_a_camera_that_cannot_see_are_left_out() -> None:
    events = [observation(s, 99 if 5 <= s <= 10 else 2, "covered" if 5 <= s <= 10 else "ok") for s in range(1, 11)]
    table = run(CAMERAS, records([*events, observation(200, 0)]))
    row = table["zone_occupancy_10s", "cam", "waiting", EPOCH_S * S]
    assert (row["people_max"], row["samples"], row["coverage"]) == (2, 4, 0.4)
    changes = [(row["previous"], row["health"]) for key, row in table.items() if key[0] == "camera_health"]
    assert changes == [("ok", "covered")]


def test_a_silent_source_is_told_by_ticks_and_its_window_closes() -> None:
    table = run(CAMERAS, records([observation(5, 3), *(tick(second) for second in range(6, 200))]))
    assert ("zone_occupancy_1m", "cam", "waiting", EPOCH_S * S) in table
    alarms = [row["condition"] for key, row in table.items() if key[0] == "alarm_event"]
    assert alarms == ["source-silent"]


def test_crowding_raises_after_its_delay_and_returns() -> None:
    crowd = [observation(second, 90 if second <= 100 else 1) for second in range(1, 301)]
    table = run(CAMERAS, records(crowd))
    told = sorted(
        (row["changed_at"] // S - EPOCH_S, row["state"]) for key, row in table.items() if key[0] == "alarm_event"
    )
    assert told == [(30, "unacknowledged"), (120, "returned-unacknowledged")]


def test_congestion_is_told_for_its_station() -> None:
    slow = [msgspec.structs.replace(reading(30 * n, 9), speed_kmh=[20.0] * 6) for n in range(1, 20)]
    table = run(CORRIDORS, records(slow))
    places = {row["place"] for key, row in table.items() if key[0] == "alarm_event"}
    assert places == {"s1", "s2", "s3"}


camera_events = st.lists(
    st.builds(observation, st.integers(1, 240), st.integers(0, 120), st.sampled_from(["ok", "ok", "covered"])),
    min_size=1,
    max_size=40,
    unique_by=lambda event: event.observed_at,
)
road_events = st.lists(
    st.builds(reading, st.integers(1, 20).map(lambda n: 30 * n), st.integers(0, 50), st.integers(1, 6)),
    min_size=1,
    max_size=20,
    unique_by=lambda event: event.observed_at,
)


crashes = st.lists(st.tuples(st.integers(1, 10), st.integers(0, 3)), max_size=6)


def moment(event: Any) -> datetime:
    return event.ticked_at if isinstance(event, Tick) else event.observed_at


def late_within_bound(data: st.DataObject, events: list[Any]) -> list[tuple[datetime, Any]]:
    """When each arrives: delayed by less than the lateness of 60 s, some sent twice."""
    delays = data.draw(st.lists(st.integers(0, 59), min_size=len(events), max_size=len(events)))
    arrivals = [(moment(event) + timedelta(seconds=delay), event) for event, delay in zip(events, delays, strict=True)]
    return arrivals + data.draw(st.lists(st.sampled_from(arrivals), max_size=5))


def ticked(arrivals: list[tuple[datetime, Any]], ticks: list[Tick]) -> list[Event]:
    """In order of arrival, ticks among them, each after what arrived before it."""
    log = [*arrivals, *((moment(tick), tick) for tick in ticks)]
    return [event for _, event in sorted(log, key=lambda arrival: (arrival[0], isinstance(arrival[1], Tick)))]


@settings(max_examples=150)
@given(st.one_of(camera_events, road_events), st.data())
def test_order_within_lateness_duplicates_and_batching_change_no_row(events: list[Any], data: st.DataObject) -> None:
    kind = CAMERAS if isinstance(events[0], CameraObservation) else CORRIDORS
    ordered = sorted(events, key=lambda event: event.observed_at)
    disturbed = late_within_bound(data, ordered)
    sizes = data.draw(st.lists(st.integers(1, 5), max_size=10))
    ticks = [tick(second) for second in [*range(data.draw(st.integers(0, 30)), 900, 30), 2000]]
    expected = run(kind, records(ticked([(moment(event), event) for event in ordered], ticks)))
    assert as_text(run(kind, records(ticked(disturbed, ticks)), sizes)) == as_text(expected)


@settings(max_examples=150)
@given(st.one_of(camera_events, road_events), st.data())
def test_a_crash_anywhere_and_redelivery_change_no_row(events: list[Any], data: st.DataObject) -> None:
    """Any arrival order, ticks among it. A worker dies after writing the rows, with some of the batch's states kept."""
    kind = CAMERAS if isinstance(events[0], CameraObservation) else CORRIDORS
    arrivals: list[Event] = list(events)
    for second in data.draw(st.lists(st.integers(1, 600), max_size=6) | st.just(list(range(20, 600, 20)))):
        arrivals.insert(data.draw(st.integers(0, len(arrivals))), tick(second))
    arrivals.append(tick(3000))
    log = records(arrivals)
    expected = run(kind, log)

    table: dict[Any, Any] = {}
    kept: dict[str, bytes] = {}
    acknowledged = 0
    for length, survived in [*data.draw(crashes), (len(log), 99)]:
        partition = Partition("t", 0, kind, kept)
        end = min(acknowledged + length, len(log))
        batch = partition.process(log[acknowledged:end])
        store(table, batch)
        kept |= dict(list(batch.states.items())[:survived])
        if survived >= len(batch.states):
            acknowledged = end
    store(table, Partition("t", 0, kind, kept).process(log[acknowledged:]))
    assert as_text(table) == as_text(expected)


def test_the_partitions_own_state_is_kept_last() -> None:
    batch = Partition("t", 0, CAMERAS, {}).process(records([observation(1, 1), tick(2)]))
    assert list(batch.states) == ["cam", CLOCK]


def test_refusals_name_the_reason_and_the_path_and_the_good_rows_go_on() -> None:
    bad = msgspec.structs.replace(reading(60, 5), station=["s1", "s1", "s2", "s3", "nowhere", "s3"])
    absurd = msgspec.structs.replace(reading(90, 5), occupancy_pct=[5.0, 130.0, 5.0, 5.0, 5.0, 5.0])
    batch = Partition("t", 0, CORRIDORS, {}).process(records([reading(30, 5), bad, absurd, tick(1000)]))
    letters = [(letter.offset, letter.reason, letter.path, letter.rows) for letter in batch.dead_letters]
    assert letters == [(1, "unknown-place", "$.station[4]", 1), (2, "implausible-value", "$.count[1]", 1)]
    readings = [rows for rows in batch.rows if rows.table.name == "traffic_reading"]
    assert sum(map(len, readings)) == 6 + 5 + 5


def letter_of(kind: Any, value: bytes | None, key: bytes | None = b"cam") -> str:
    batch = Partition("t", 0, kind, {}).process([Record(0, key, value, NOW_US)])
    (letter,) = batch.dead_letters
    (row,) = batch.rows
    assert isinstance(row, Rows)
    return letter.reason


def test_every_kind_of_bad_message_is_a_dead_letter_with_its_reason() -> None:
    good = observation(10, 3)
    wire = codec.encode(good)
    replaced = msgspec.structs.replace
    assert letter_of(CAMERAS, None) == "empty"
    assert letter_of(CAMERAS, b"") == "empty"
    assert letter_of(CAMERAS, b"\xff\xfe") == "not-json"
    assert letter_of(CAMERAS, wire.replace(b'"people":3', b'"people":NaN')) == "not-json"
    assert letter_of(CAMERAS, wire.replace(b'"people":3', b'"people":1e999')) == "wrong-shape"
    assert letter_of(CAMERAS, wire.replace(b'"people":3', b'"people":"3"')) == "wrong-shape"
    assert letter_of(CAMERAS, wire.replace(b"camera-observation.v1", b"camera-observation.v9")) == "unknown-kind"
    assert letter_of(CAMERAS, codec.encode(reading(30, 1))) == "unknown-kind"
    assert letter_of(CAMERAS, b" " * (codec.MAX_EVENT_BYTES + 1)) == "too-large"
    assert letter_of(CAMERAS, codec.encode(replaced(good, camera="other")), b"other") == "unknown-source"
    assert letter_of(CAMERAS, wire, b"other") == "wrong-key"
    assert letter_of(CAMERAS, wire, None) == "wrong-key"
    assert letter_of(CAMERAS, codec.encode(replaced(good, observed_at=instant(0)))) == "implausible-time"
    assert (
        letter_of(CAMERAS, codec.encode(replaced(good, observed_at=instant(7_258_118_400 * S)))) == "implausible-time"
    )
    assert letter_of(CAMERAS, codec.encode(Tick(instant(7_258_118_400 * S)))) == "implausible-time"
    assert letter_of(CORRIDORS, codec.encode(replaced(reading(30, 1), lane=[1])), b"road") == "columns-differ"
    assert letter_of(CORRIDORS, codec.encode(replaced(reading(30, 1), count=[1])), b"road") == "columns-differ"


def test_beyond_grace_is_kept_aside_and_counted() -> None:
    batch = Partition("t", 0, CORRIDORS, {}).process(records([reading(3000, 5), reading(30, 5)]))
    (letter,) = batch.dead_letters
    assert (letter.reason, letter.rows) == ("beyond-grace", 6)


def test_a_late_reading_corrects_its_row_and_is_recorded() -> None:
    log = [reading(30, 5), reading(60, 5, lanes=2), reading(300, 5), reading(60, 7)]
    table = run(CORRIDORS, records(log))
    lanes = {key[1:3]: row for key, row in table.items() if key[0] == "traffic_lane_1m" and key[3] == EPOCH_S * S}
    assert [lanes["s1", 1]["revision"], lanes["s2", 1]["revision"]] == [1, 2]
    assert lanes["s2", 1]["vehicles"] == 12
    (correction,) = (row for key, row in table.items() if key[0] == "correction")
    assert (correction["source"], correction["rows"], correction["revision"]) == ("road", 4, 2)
