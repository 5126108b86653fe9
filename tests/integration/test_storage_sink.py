"""The sink on a real server: what is stored after any calls, and after calls that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.schema.errors import RetryLater
from streams.schema.settings import Settings
from streams.schema.tables import (
    ALARM_EVENT,
    CAMERA_HEALTH,
    TABLES,
    TRAFFIC_LANE_1M,
    ZONE_OCCUPANCY_1M,
    Rows,
    Table,
)
from streams.storage.export import export_csv
from streams.storage.sink import Sink
from tests.integration.storage_runs import connect, export, isolated, query
from tests.unit.streams.storage.made_rows import Line, as_arrays, as_lists, lines

pytestmark = pytest.mark.integration
MINUTE_US = 60_000_000
T0_US = 1_772_352_000_000_000


@pytest.fixture
def settings(admin_database_url: str) -> Iterator[Settings]:
    with isolated(admin_database_url) as made:
        yield made


@pytest.fixture
async def sink(settings: Settings) -> AsyncIterator[Sink]:
    async with Sink(settings.database_url, settings.namespace) as made:
        yield made


def zone(minute: int, revision: int = 1, people: float = 1.0, camera: str = "cam") -> Rows:
    line = (camera, "wait", T0_US + minute * MINUTE_US, revision, people, 9, 0.5, "A", 60, 1.0)
    return as_lists(ZONE_OCCUPANCY_1M, [line])


def lane(minute: int, lane: int = 1) -> Rows:
    nulls = (None,) * 3
    line = ("st", lane, T0_US + minute * MINUTE_US, "qn", 1, 7, 420.0, 51.5, None, None, "B", 2, 1.0, *nulls)
    return as_lists(TRAFFIC_LANE_1M, [line])


def people(settings: Settings) -> list[tuple[Any, ...]]:
    return query(settings, "SELECT revision, people_mean FROM zone_occupancy_1m ORDER BY window_start")


async def test_writing_again_changes_nothing(settings: Settings, sink: Sink) -> None:
    rows = [zone(0), lane(0), zone(1), lane(1), lane(1, 2)]
    await sink.write(rows)
    before = [export_csv(settings, table) for table in TABLES]
    await sink.write(rows)
    await sink.write([*rows, zone(2)])
    assert [export_csv(settings, table) for table in TABLES if table != ZONE_OCCUPANCY_1M] == [
        data for data, table in zip(before, TABLES, strict=True) if table != ZONE_OCCUPANCY_1M
    ]
    assert people(settings) == [(1, 1.0)] * 3
    assert (sink.written_rows, sink.merged_calls) == (16, 2)
    assert sink.last_write_s > 0


async def test_only_a_higher_revision_replaces(settings: Settings, sink: Sink) -> None:
    await sink.write([zone(0, 2, 20.0)])
    await sink.write([zone(0, 1, 10.0)])
    assert people(settings) == [(2, 20.0)]
    await sink.write([zone(0, 2, 21.0)])
    assert people(settings) == [(2, 20.0)]
    await sink.write([zone(0, 3, 30.0), zone(1)])
    assert people(settings) == [(3, 30.0), (1, 1.0)]


async def test_of_one_key_in_a_call_the_highest_revision_wins(settings: Settings, sink: Sink) -> None:
    await sink.write([zone(0, 1, 1.0), zone(0, 3, 3.0), zone(0, 2, 2.0), zone(0, 3, 4.0)])
    assert people(settings) == [(3, 3.0)]


async def test_without_revisions_the_first_stays(settings: Settings, sink: Sink) -> None:
    first, second = ("cam", T0_US, "black", "ok"), ("cam", T0_US, "covered with something", "ok")
    await sink.write([as_lists(CAMERA_HEALTH, [first, second])])
    await sink.write([as_lists(CAMERA_HEALTH, [second])])
    assert export(settings, CAMERA_HEALTH) == ["cam,2026-03-01 08:00:00+00,black,ok"]


async def test_nothing_to_write(settings: Settings, sink: Sink) -> None:
    await sink.write([])
    await sink.write([as_lists(ZONE_OCCUPANCY_1M, [])])
    async with Sink("postgresql://nobody@127.0.0.1:1/none", settings.namespace) as away:
        await away.write([])


async def test_a_call_that_fails_in_part_fails_whole(settings: Settings, sink: Sink) -> None:
    with pytest.raises(ValueError, match=r"zone_occupancy_1m.people_max has a NULL"):
        broken = {**zone(0).columns, "people_max": [None]}
        await sink.write([lane(0), Rows(ZONE_OCCUPANCY_1M, broken)])
    with pytest.raises(psycopg.DataError):
        await sink.write([lane(0), zone(0, camera="a\0b")])
    assert query(settings, "SELECT count(*) FROM traffic_lane_1m") == [(0,)]
    await sink.write([lane(0), zone(0)])
    assert people(settings) == [(1, 1.0)]


async def test_a_missing_schema_is_a_bug_and_not_waited_for(settings: Settings) -> None:
    async with Sink(settings.database_url, "nowhere") as sink:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await sink.write([zone(0)])


async def test_a_server_that_is_away_is_tried_again_later(settings: Settings) -> None:
    async with Sink("postgresql://ioc_writer@127.0.0.1:1/ioc", settings.namespace) as sink:
        with pytest.raises(RetryLater):
            await sink.write([zone(0)])


@pytest.mark.parametrize("corrected", [False, True], ids=["copied", "merged"])
async def test_a_connection_lost_in_the_middle_loses_and_doubles_nothing(
    settings: Settings, sink: Sink, corrected: bool
) -> None:
    rows = [lane(0), zone(0, revision=1 + corrected), zone(1)]
    await sink.write([zone(9)])
    with connect(settings.admin_database_url, settings) as other:
        with other.transaction():
            other.execute("LOCK TABLE zone_occupancy_1m IN EXCLUSIVE MODE")
            writing = asyncio.create_task(sink.write(rows))
            pid = await waiting_backend(settings)
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(RetryLater):
                await writing
        assert query(settings, "SELECT count(*) FROM traffic_lane_1m") == [(0,)]
    await sink.write(rows)
    await sink.write(rows)
    assert people(settings) == [(1 + corrected, 1.0), (1, 1.0), (1, 1.0)]
    assert query(settings, "SELECT count(*) FROM traffic_lane_1m") == [(1,)]


async def test_a_deadlock_is_tried_again(settings: Settings, sink: Sink) -> None:
    with connect(settings.admin_database_url, settings) as other, other.transaction():
        other.execute("SET LOCAL deadlock_timeout = '20s'")
        other.execute("LOCK TABLE zone_occupancy_1m IN EXCLUSIVE MODE")
        writing = asyncio.create_task(sink.write([lane(0), zone(0)]))
        await waiting_backend(settings)
        taking = asyncio.to_thread(other.execute, "LOCK TABLE traffic_lane_1m IN EXCLUSIVE MODE")
        with pytest.raises(RetryLater):
            await asyncio.gather(writing, taking)
        await asyncio.sleep(0.2)
    await sink.write([lane(0), zone(0)])
    assert people(settings) == [(1, 1.0)]


async def test_a_cancelled_call_stores_nothing_and_the_next_one_works(settings: Settings, sink: Sink) -> None:
    with connect(settings.admin_database_url, settings) as other, other.transaction():
        other.execute("LOCK TABLE zone_occupancy_1m IN EXCLUSIVE MODE")
        writing = asyncio.create_task(sink.write([lane(0), zone(0)]))
        await waiting_backend(settings)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    await sink.write([zone(1)])
    assert query(settings, "SELECT count(*) FROM traffic_lane_1m") == [(0,)]
    assert people(settings) == [(1, 1.0)]


async def test_two_writers_of_the_same_rows_store_them_once(settings: Settings) -> None:
    batches = [[zone(minute), lane(minute)] for minute in range(40)]

    async def write_all(given: Sequence[list[Rows]]) -> None:
        async with Sink(settings.database_url, settings.namespace) as sink:
            for rows in given:
                await until_written(sink, rows)

    await asyncio.gather(write_all(batches), write_all(batches[::-1]), write_all(batches))
    assert people(settings) == [(1, 1.0)] * 40
    assert query(settings, "SELECT count(*) FROM traffic_lane_1m") == [(40,)]


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data(), st.sampled_from([ZONE_OCCUPANCY_1M, TRAFFIC_LANE_1M, CAMERA_HEALTH, ALARM_EVENT]))
def test_any_calls_store_what_the_rule_says(settings: Settings, data: st.DataObject, table: Table) -> None:
    pool = data.draw(lines(table, 6))
    calls = data.draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=6), min_size=1, max_size=4))
    columns, kept = list(table.columns), {}
    revision = columns.index("revision") if table.revised else None
    for call in calls:
        for line in call:
            key = tuple(line[columns.index(name)] for name in table.key)
            if key not in kept or (revision is not None and line[revision] > kept[key][revision]):
                kept[key] = line
    asyncio.run(write_calls(settings, [[as_arrays(table, call)] for call in calls]))
    assert sorted(stored(settings, table), key=repr) == sorted(kept.values(), key=repr)


async def write_calls(settings: Settings, calls: Sequence[list[Rows]]) -> None:
    async with Sink(settings.database_url, settings.namespace) as sink:
        for call in calls:
            await sink.write(call)


def stored(settings: Settings, table: Table) -> list[Line]:
    """All rows as they were given; the table is empty afterwards."""
    columns = ", ".join(
        f"(extract(epoch FROM {name}) * 1000000)::int8" if kind == "timestamptz" else name
        for name, kind in table.columns.items()
    )
    with connect(settings.admin_database_url, settings) as connection:
        found = connection.execute(f"SELECT {columns} FROM {table.name}".encode()).fetchall()
        connection.execute(f"TRUNCATE {table.name}".encode())
    return found


async def until_written(sink: Sink, rows: list[Rows]) -> None:
    while True:
        try:
            return await sink.write(rows)
        except RetryLater:
            await asyncio.sleep(0.01)


async def waiting_backend(settings: Settings) -> int:
    """Pid of the sink's backend, once it waits for a lock."""
    ask = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'ioc sink' AND wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    for _ in range(500):
        if found := query(settings, ask):
            return int(found[0][0])
        await asyncio.sleep(0.01)
    raise AssertionError("the sink never waited")


async def test_the_connection_string_of_a_replaced_password_fails_later(settings: Settings) -> None:
    wrong = replace(settings, database_url=settings.database_url.replace("writer-of", "not-of"))
    async with Sink(wrong.database_url, wrong.namespace) as sink:
        with pytest.raises(RetryLater, match="password"):
            await sink.write([zone(0)])
