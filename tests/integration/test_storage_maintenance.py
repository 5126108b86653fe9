"""Rollups and retention on the Apache edition, and the views of alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import psycopg
import pytest

from streams.schema import events
from streams.schema.errors import RetryLater
from streams.schema.settings import Settings
from streams.schema.tables import ALARM_EVENT, TRAFFIC_STATION_1M, ZONE_OCCUPANCY_1M, Rows
from streams.storage.maintenance import maintain_once
from streams.storage.migrate import migrate
from streams.storage.sink import Sink
from tests.integration.storage_runs import connect, isolated, on_another_database, query
from tests.unit.streams.storage.made_rows import as_lists

pytestmark = pytest.mark.integration
MINUTE_US = 60_000_000
HOUR = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOUR_US = int(HOUR.timestamp()) * 1_000_000


@pytest.fixture
def settings(admin_database_url: str) -> Iterator[Settings]:
    with isolated(admin_database_url) as made:
        yield made


def zone(minute: int, people: float, coverage: float, revision: int = 1) -> Rows:
    start = HOUR_US + minute * MINUTE_US
    most, samples = int(people) + 1, int(60 * coverage)
    line = ("cam", "wait", start, revision, people, most, people / 10, "A", samples, coverage)
    return as_lists(ZONE_OCCUPANCY_1M, [line])


def station(minute: int, vehicles: int, speed_kmh: float | None) -> Rows:
    start, flow = HOUR_US + minute * MINUTE_US, vehicles * 60.0
    nulls = (None,) * 3
    line = ("st", start, "qn", 1, vehicles, flow, speed_kmh, 10.0, None, None, 4, 1.0, *nulls, 2)
    return as_lists(TRAFFIC_STATION_1M, [line])


def write(settings: Settings, *rows: Rows) -> None:
    async def write_all() -> None:
        async with Sink(settings.database_url, settings.namespace) as sink:
            await sink.write(rows)

    asyncio.run(write_all())


def zone_hours(settings: Settings) -> list[tuple[object, ...]]:
    return query(
        settings,
        "SELECT hour_start, people_mean, people_max, samples, coverage * 60 FROM v_zone_occupancy_1h ORDER BY 1",
    )


def test_people_are_weighted_by_the_time_they_were_watched(settings: Settings) -> None:
    write(settings, zone(0, 10.0, 1.0), zone(59, 40.0, 0.5), zone(60, 7.0, 1.0))
    assert maintain_once(settings).hours == 2
    later = HOUR + timedelta(hours=1)
    assert zone_hours(settings) == [(HOUR, 20.0, 41, 90, 1.5), (later, 7.0, 8, 60, 1.0)]


def test_the_speed_of_an_hour_is_the_space_mean_speed(settings: Settings) -> None:
    write(settings, station(0, 30, 60.0), station(1, 10, 10.0), station(2, 5, None))
    maintain_once(settings)
    ((vehicles, speed_kmh, flow, readings),) = query(
        settings, "SELECT vehicles, speed_kmh, flow_veh_h, readings FROM v_traffic_station_1h"
    )
    assert (vehicles, speed_kmh, readings) == (45, pytest.approx(40 / (30 / 60 + 10 / 10)), 12)
    assert flow == pytest.approx((1800 + 600 + 300) / 3)


def test_a_correction_reaches_the_rollup_and_nothing_is_computed_twice(settings: Settings) -> None:
    write(settings, zone(0, 10.0, 1.0))
    assert [maintain_once(settings).hours, maintain_once(settings).hours] == [1, 0]
    write(settings, zone(0, 30.0, 1.0, revision=2))
    assert maintain_once(settings).hours == 1
    assert zone_hours(settings) == [(HOUR, 30.0, 31, 60, 1.0)]


def test_rows_committed_while_an_hour_is_refreshed_are_not_missed(settings: Settings) -> None:
    write(settings, zone(0, 10.0, 1.0))
    with connect(settings.database_url, settings) as other, other.transaction():
        other.execute(
            "INSERT INTO zone_occupancy_1m VALUES ('cam', 'wait', %s, 1, 30, 9, 1, 'A', 60, 1)",
            [HOUR.replace(minute=1)],
        )
        other.execute("INSERT INTO rollup_pending (source, hour_start) VALUES ('zone_occupancy_1m', %s)", [HOUR])
        assert maintain_once(settings).hours == 1
        assert zone_hours(settings)[0][1] == 10.0
    assert maintain_once(settings).hours == 1
    assert zone_hours(settings)[0][1] == 20.0


def test_a_writer_is_not_held_up_by_a_refresh(settings: Settings) -> None:
    write(settings, zone(0, 10.0, 1.0))
    with connect(settings.database_url, settings) as other, other.transaction():
        other.execute("SELECT refresh_rollups()")
        write(settings, zone(1, 30.0, 1.0))
    assert maintain_once(settings).hours == 1


def test_an_isolated_run_keeps_rows_of_years_ago(settings: Settings) -> None:
    write(settings, zone(0, 10.0, 1.0))
    assert maintain_once(settings, HOUR + timedelta(days=5000)).dropped == {}
    assert query(settings, "SELECT count(*) FROM zone_occupancy_1m") == [(1,)]


def test_the_live_namespace_drops_what_is_past_its_retention_and_keeps_the_rollup(settings: Settings) -> None:
    with on_another_database(replace(settings, namespace="ioc")) as live:
        migrate(live)
        write(live, zone(0, 10.0, 1.0))
        write(live, zone(60 * 24 * 20, 10.0, 1.0))
        assert maintain_once(live, HOUR + timedelta(days=399)).dropped == {}
        assert maintain_once(live, HOUR + timedelta(days=410)).dropped == {"zone_occupancy_1m": 1}
        assert query(live, "SELECT count(*) FROM zone_occupancy_1m") == [(1,)]
        assert len(zone_hours(live)) == 2


def test_only_the_writer_may_maintain(settings: Settings) -> None:
    with connect(settings.database_url, settings) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT drop_chunks('zone_occupancy_1m'::regclass, older_than => now())")
        assert connection.execute("SELECT drop_old_chunks('zone_occupancy_1m', now())").fetchone() == (0,)


def test_a_server_that_is_away_is_waited_for(settings: Settings) -> None:
    with pytest.raises(RetryLater):
        maintain_once(replace(settings, database_url="postgresql://ioc_writer@127.0.0.1:1/ioc"))


def test_open_alarms_are_those_whose_last_transition_leaves_them_open(settings: Settings) -> None:
    transitions = [
        ("a1", 0, "unacknowledged"),
        ("a1", 5, "acknowledged"),
        ("a2", 0, "unacknowledged"),
        ("a2", 9, "normal"),
        ("a3", 3, "normal"),
        ("a3", 3, "acknowledged"),
        ("a4", 1, "unacknowledged"),
        ("a4", 2, "returned-unacknowledged"),
        ("a5", 7, "shelved"),
    ]
    about = ("cam", "Sở Nội vụ", "zone-overcrowded", "high", HOUR_US, "Đông", "Crowded")
    lines = [(alarm, HOUR_US + minute * MINUTE_US, state, *about) for alarm, minute, state in transitions]
    write(settings, as_lists(ALARM_EVENT, lines))
    found = query(settings, "SELECT alarm, state, state_vi, condition_en, priority_vi FROM v_alarm_open ORDER BY alarm")
    assert found == [
        ("a1", "acknowledged", "Đã tiếp nhận", "Zone overcrowded", "Cao"),
        ("a5", "shelved", "Tạm gác", "Zone overcrowded", "Cao"),
    ]


def test_each_word_of_the_vocabulary_has_both_labels(settings: Settings) -> None:
    wanted = {
        ("health", events.Health), ("condition", events.AlarmCondition), ("state", events.AlarmState),
        ("priority", events.Priority), ("reason", events.Reason),
    }  # fmt: skip
    labelled = {
        (kind, value)
        for kind, value in query(settings, "SELECT kind, value FROM label WHERE label_vi <> '' AND label_en <> ''")
    }
    assert {(kind, word) for kind, words in wanted for word in get_args(words)} <= labelled
    assert {("level_of_service", grade) for grade in "ABCDEF"} <= labelled
