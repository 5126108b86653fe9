"""The schema and the roles of the Apache edition, on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.settings import Settings
from streams.schema.tables import TABLES, ZONE_OCCUPANCY_1M, Table
from streams.storage import migrate as migration
from streams.storage.migrate import drop_namespace, migrate
from streams.storage.status import database_status
from tests.integration.storage_runs import READER, as_role, connect, isolated, on_another_database

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(admin_database_url: str) -> Iterator[Settings]:
    with isolated(admin_database_url) as made:
        yield made


def test_a_second_migration_changes_nothing(settings: Settings) -> None:
    before = catalog(settings)
    report = migrate(settings)
    assert report.applied == []
    assert "nothing to apply" in report.text()
    assert catalog(settings) == before


def test_two_migrations_at_once_apply_each_file_once(settings: Settings) -> None:
    fresh = replace(settings, namespace=f"{settings.namespace}_b")
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(fresh).applied)) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(len, applied)) == [0, 0, 0, len(migration.migrations("apache", fresh.namespace))]
    finally:
        drop_namespace(fresh)


def test_a_changed_file_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [replace(m, text=m.text + "-- changed") for m in migration.all_migrations()]
    monkeypatch.setattr(migration, "all_migrations", lambda: changed)
    with pytest.raises(ConfigurationInvalid, match=r"0001_tables.sql: was changed after it was applied"):
        migrate(settings)


def test_a_file_that_fails_leaves_nothing_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migration.Migration("0099_broken.sql", frozenset(), "CREATE TABLE half (a int); SELECT nothing;")
    known = migration.all_migrations()
    monkeypatch.setattr(migration, "all_migrations", lambda: [*known, broken])
    with pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(settings)
    with connect(settings.admin_database_url, settings) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_each_table_is_as_the_vocabulary_says(settings: Settings, table: Table) -> None:
    with connect(settings.admin_database_url, settings) as connection:
        columns = connection.execute(
            "SELECT column_name, udt_name, is_nullable = 'YES' FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            [settings.namespace, table.name],
        ).fetchall()
        key = connection.execute(
            "SELECT column_name FROM information_schema.key_column_usage "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            [settings.namespace, table.name],
        ).fetchall()
        hypertable = connection.execute(
            "SELECT owner FROM timescaledb_information.hypertables "
            "WHERE hypertable_schema = %s AND hypertable_name = %s",
            [settings.namespace, table.name],
        ).fetchone()
    assert {name: kind for name, kind, _ in columns} == dict(table.columns)
    assert {name for name, _, nullable in columns if nullable} == table.nullable
    assert tuple(name for (name,) in key) == table.key
    assert hypertable == ("ioc_owner",)


def test_the_live_namespace_is_never_dropped(settings: Settings) -> None:
    with pytest.raises(ConfigurationInvalid, match="never dropped"):
        drop_namespace(replace(settings, namespace="ioc"))


def test_a_dropped_namespace_is_gone(settings: Settings) -> None:
    drop_namespace(settings)
    with connect(settings.admin_database_url, settings) as connection:
        assert connection.execute("SELECT to_regnamespace(%s)", [settings.namespace]).fetchone() == (None,)
    assert "0001_tables.sql" in database_status(settings).pending


WRITER_MAY_NOT = (
    "DELETE FROM zone_occupancy_1m",
    "TRUNCATE zone_occupancy_1m",
    "DROP TABLE zone_occupancy_1m",
    "ALTER TABLE zone_occupancy_1m ADD COLUMN more int",
    "CREATE TABLE mine (a int)",
    "CREATE INDEX ON zone_occupancy_1m (people_max)",
    "DELETE FROM schema_migration",
    "UPDATE retention SET keep = '1 second'",
    "DELETE FROM rollup_pending",
    "INSERT INTO traffic_station_1h (station, hour_start) VALUES ('a', now())",
    "SELECT drop_chunks('zone_occupancy_1m'::regclass, older_than => now())",
    "SET ROLE ioc_owner",
    "CREATE ROLE more",
)
READER_MAY_NOT = (
    "SELECT * FROM zone_occupancy_1m",
    "SELECT payload FROM dead_letter",
    "SELECT * FROM schema_migration",
    "SELECT refresh_rollups()",
    "SELECT drop_old_chunks('zone_occupancy_1m', now())",
    "INSERT INTO v_line_crossing_1m (camera) VALUES ('a')",
    "CREATE TABLE mine (a int)",
    "SET ROLE ioc_writer",
)


@pytest.mark.parametrize("statement", WRITER_MAY_NOT)
def test_the_writer_may_no_more_than_write(settings: Settings, statement: str) -> None:
    with (
        connect(settings.database_url, settings) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", READER_MAY_NOT)
def test_the_reader_may_no_more_than_read_views(settings: Settings, statement: str) -> None:
    with connect(as_role(settings, READER), settings) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_the_reader_reads_every_view_without_writing_and_not_for_ever(settings: Settings) -> None:
    with connect(as_role(settings, READER), settings) as connection:
        views = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relkind = 'v'",
            [settings.namespace],
        ).fetchall()
        assert len(views) > 12
        for (view,) in views:
            connection.execute(f"SELECT * FROM {view}".encode())
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)


def test_nobody_logs_in_as_the_owner(settings: Settings) -> None:
    with connect(settings.admin_database_url, settings) as connection:
        found = connection.execute(
            "SELECT rolconnlimit, rolpassword IS NULL, rolsuper, rolcreaterole, rolcreatedb "
            "FROM pg_authid WHERE rolname = 'ioc_owner'"
        ).fetchone()
    assert found == (0, True, False, False, False)


def test_a_role_without_privileges_is_told_what_it_lacks(settings: Settings) -> None:
    with pytest.raises(ConfigurationInvalid, match="may not set up roles"):
        migrate(replace(settings, admin_database_url=settings.database_url))


def test_a_database_without_the_extension_gets_it_or_the_reason(settings: Settings) -> None:
    with on_another_database(settings) as other:
        status = database_status(other)
        assert (status.edition, status.applied, status.hypertables) == ("absent", [], [])
        with pytest.raises(ConfigurationInvalid, match="may not create the extension"):
            migrate(replace(other, admin_database_url=other.database_url))
        assert "0001_tables.sql" in migrate(other).applied


def test_a_server_that_is_away_is_waited_for(settings: Settings) -> None:
    away = replace(settings, admin_database_url="postgresql://postgres@127.0.0.1:1/ioc")
    for ask in (migrate, database_status, drop_namespace):
        with pytest.raises(RetryLater):
            ask(away)


def test_what_the_database_says_of_itself(settings: Settings) -> None:
    hour = datetime(2026, 3, 1, 8, tzinfo=UTC)
    with connect(settings.database_url, settings) as connection:
        connection.execute(
            "INSERT INTO zone_occupancy_1m VALUES ('a', 'z', %s, 1, 1, 1, 1, 'A', 60, 1), "
            "('a', 'z', %s, 1, 1, 1, 1, 'A', 60, 1)",
            [hour, hour - timedelta(days=60)],
        )
    status = database_status(settings)
    assert status.edition == "apache"
    assert status.postgres.startswith("17.")
    assert status.timescaledb
    assert abs(status.clock_offset_s) < 1 + status.round_trip_s
    assert (status.pending, status.changed, status.failed_jobs) == ([], [], [])
    assert status.worker_processes_enough
    assert status.newest["zone_occupancy_1m"] == hour
    chunks = {table.name: table.chunks for table in status.hypertables}
    assert {name: chunks[name] for name in (ZONE_OCCUPANCY_1M.name, "alarm_event")} == {
        ZONE_OCCUPANCY_1M.name: 2,
        "alarm_event": 0,
    }


def catalog(settings: Settings) -> list[tuple[object, ...]]:
    with connect(settings.admin_database_url, settings) as connection:
        return connection.execute(
            "SELECT c.oid, c.relname, c.relacl::text FROM pg_class c WHERE c.relnamespace = %s::regnamespace "
            "ORDER BY c.oid",
            [settings.namespace],
        ).fetchall()
