"""The same data give the same views on both editions of TimescaleDB; every community statement runs."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.schema.settings import Settings
from streams.schema.tables import TABLES, TRAFFIC_STATION_1M, ZONE_OCCUPANCY_1M, Table
from streams.storage import queries
from streams.storage.maintenance import maintain_once
from streams.storage.migrate import migrate
from streams.storage.sink import Sink
from streams.storage.status import database_status
from tests.integration.community import community_edition, connected, patiently
from tests.integration.storage_runs import connect, isolated
from tests.unit.streams.storage.made_rows import Line, as_lists

pytestmark = [pytest.mark.integration, pytest.mark.node]
T0 = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
WORDS = {
    "level_of_service": [*"ABCDEF"], "health": ["ok", "black", "covered"], "previous": ["ok", "offline"],
    "state": ["unacknowledged", "acknowledged", "returned-unacknowledged", "normal", "shelved"],
    "condition": ["zone-overcrowded", "road-congested"], "priority": ["low", "high", "critical"],
    "reason": ["not-json", "beyond-grace"], "corridor": ["qn"],
}  # fmt: skip
Columns = list[tuple[str, int]]
View = tuple[Columns, list[Line]]


@pytest.fixture(scope="module")
def community() -> Iterator[Settings]:
    with community_edition(Settings.namespace) as url:
        settings = Settings(admin_database_url=url, database_url=url)
        report = patiently(lambda: migrate(settings))
        assert report.edition == "community"
        assert "0003_policies.community.live.sql" in report.applied
        yield settings


@pytest.fixture
def apache(admin_database_url: str) -> Iterator[Settings]:
    with isolated(admin_database_url) as settings:
        yield settings


def test_a_second_migration_changes_nothing(community: Settings) -> None:
    assert patiently(lambda: migrate(community)).applied == []


def test_jobs_are_those_that_the_retention_asks_for(community: Settings) -> None:
    with connected(community.admin_database_url) as connection:
        kept = dict(connection.execute("SELECT table_name, keep::text FROM retention").fetchall())
        jobs = connection.execute(
            "SELECT hypertable_name, (config ->> 'drop_after')::interval::text, owner::text "
            "FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
        ).fetchall()
        refreshes = connection.execute(
            "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_refresh_continuous%'"
        ).fetchone()
    assert {name: after for name, after, _ in jobs} == kept
    assert set(kept) == {table.name for table in TABLES}
    assert {owner for *_, owner in jobs} == {"ioc_owner"}
    assert refreshes == (2,)


def test_the_doctor_knows_the_edition(community: Settings) -> None:
    status = patiently(lambda: database_status(community))
    assert (status.edition, status.pending, status.changed, status.failed_jobs) == ("community", [], [], [])


def test_the_same_rows_give_the_same_views(community: Settings, apache: Settings) -> None:
    made = {table: rows_of(table, random.Random(table.name)) for table in TABLES}
    store_on_apache(apache, made)
    store_on_community(community, made)
    assert maintain_once(apache).hours > 4
    assert_same(views_of_apache(apache), views_of_community(community, refresh=False))
    assert_same(views_of_apache(apache), views_of_community(community, refresh=True))

    corrected = {
        ZONE_OCCUPANCY_1M: [change(ZONE_OCCUPANCY_1M, line, 2, people_mean=99.5, people_max=120)
                            for line in made[ZONE_OCCUPANCY_1M][::7]],
        TRAFFIC_STATION_1M: [change(TRAFFIC_STATION_1M, line, 2, vehicles=50, speed_kmh=10.0)
                             for line in made[TRAFFIC_STATION_1M][::7]],
    }  # fmt: skip
    before = views_of_apache(apache)
    store_on_apache(apache, corrected)
    store_on_community(community, corrected)
    assert maintain_once(apache).hours > 4
    after = views_of_apache(apache)
    assert after["v_traffic_station_1h"] != before["v_traffic_station_1h"]
    assert_same(after, views_of_community(community, refresh=True))
    assert maintain_once(apache).hours == 0


def test_maintenance_has_nothing_to_do_on_the_community_edition(community: Settings) -> None:
    done = patiently(lambda: maintain_once(community))
    assert (done.hours, done.dropped) == (0, {})


def rows_of(table: Table, chance: random.Random) -> list[Line]:
    """Some hours of rows with distinct keys."""
    found = {}
    for _ in range(300):
        at = T0 + timedelta(minutes=chance.randrange(300))
        line = tuple(cell(table, name, at, chance) for name in table.columns)
        found[tuple(line[at] for at, name in enumerate(table.columns) if name in table.key)] = line
    return list(found.values())


def cell(table: Table, name: str, at: datetime, chance: random.Random) -> Any:
    if name in table.nullable and chance.random() < 0.2:
        return None
    if name in ("revision", "window_s", "lanes"):
        return {"revision": 1, "window_s": 60, "lanes": 2}[name]
    if name == "coverage":
        return chance.uniform(0.1, 1)
    kind = table.columns[name]
    if kind == "timestamptz":
        return at
    if kind == "text":
        return chance.choice(WORDS.get(name, [f"{name}-{number}" for number in range(3)]))
    return chance.uniform(0, 80) if kind == "float8" else chance.randrange(6)


def change(table: Table, line: Line, revision: int, **values: Any) -> Line:
    return tuple({"revision": revision, **values}.get(name, line[at]) for at, name in enumerate(table.columns))


def store_on_apache(settings: Settings, made: dict[Table, list[Line]]) -> None:
    def in_us(line: Line) -> Line:
        return tuple(int(v.timestamp() * 1_000_000) if isinstance(v, datetime) else v for v in line)

    async def write() -> None:
        async with Sink(settings.database_url, settings.namespace) as sink:
            await sink.write([as_lists(table, [in_us(line) for line in rows]) for table, rows in made.items()])

    asyncio.run(write())


def store_on_community(settings: Settings, made: dict[Table, list[Line]]) -> None:
    with connected(settings.admin_database_url) as connection:
        for table, rows in made.items():
            places = ", ".join(["%s"] * len(table.columns))
            statement = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"
            if table.revised:
                changes = ", ".join(f"{name} = excluded.{name}" for name in table.columns)
                statement += (
                    f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes} "
                    f"WHERE excluded.revision > {table.name}.revision"
                )
            for line in rows:
                connection.execute(statement.encode(), line, prepare=False)


def views_of_apache(settings: Settings) -> dict[str, View]:
    with connect(settings.admin_database_url, settings) as connection:
        return views(connection)


def views_of_community(settings: Settings, refresh: bool) -> dict[str, View]:
    with connected(settings.admin_database_url) as connection:
        if refresh:
            for source in queries.ROLLUP_SOURCES:
                rollup = source.name.replace("_1m", "_1h")
                connection.execute(f"CALL refresh_continuous_aggregate('{rollup}', NULL, NULL)".encode())
        return views(connection)


def views(connection: Any) -> dict[str, View]:
    """Columns with their types and rows in an order that does not depend on floating point, by view."""
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'v' "
        "AND relname LIKE 'v\\_%'"
    ).fetchall()
    found = {}
    for (name,) in names:
        cursor = connection.execute(f"SELECT * FROM {name}".encode())
        columns = [(column.name, column.type_code) for column in cursor.description]
        found[name] = (columns, sorted(cursor.fetchall(), key=exact_part))
    return found


def exact_part(row: Line) -> list[str]:
    return [str(value) for value in row if not isinstance(value, float)]


def assert_same(one: dict[str, View], other: dict[str, View]) -> None:
    assert one.keys() == other.keys()
    for name, (columns, rows) in one.items():
        assert columns == other[name][0], name
        assert len(rows) > 1, name
        for row, twin in zip(rows, other[name][1], strict=True):
            assert all(map(same, row, twin)), (name, row, twin)


def same(one: Any, other: Any) -> bool:
    """Sums of floats depend on the order of the rows in their last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)
