"""Every SQL statement that runs, apart from the migrations. Names come from streams.schema.tables, never from input."""

from __future__ import annotations

from streams.schema.tables import TRAFFIC_STATION_1M, ZONE_OCCUPANCY_1M, Table

ROLLUP_SOURCES = (ZONE_OCCUPANCY_1M, TRAFFIC_STATION_1M)
"""Tables whose hours are rolled up."""

ORDINAL = "ordinal"


def copy_rows(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN (FORMAT BINARY)"


def stage(table: Table) -> str:
    return f"pg_temp.stage_{table.name}"


def create_stage(table: Table) -> str:
    """A temporary twin, without constraints, that also knows the order in which rows were given."""
    return f"CREATE TEMPORARY TABLE {stage(table)} (LIKE {table.name}, {ORDINAL} int8) ON COMMIT DELETE ROWS"


def copy_stage(table: Table) -> str:
    return f"COPY {stage(table)} ({', '.join(table.columns)}, {ORDINAL}) FROM STDIN (FORMAT BINARY)"


def merge_stage(table: Table) -> str:
    """Upsert: the highest revision wins; without revisions, or between equal ones, the first row stays."""
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    preferred = f"revision DESC, {ORDINAL}" if table.revised else ORDINAL
    insert = (
        f"INSERT INTO {table.name} ({columns}) SELECT DISTINCT ON ({key}) {columns} FROM {stage(table)} "
        f"ORDER BY {key}, {preferred} ON CONFLICT ({key}) DO "
    )
    if not table.revised:
        return f"{insert}NOTHING"
    updates = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name not in table.key)
    return f"{insert}UPDATE SET {updates} WHERE excluded.revision > {table.name}.revision"


def ordered_csv(table: Table) -> str:
    """All rows by natural key, in the same byte order on every machine."""
    columns = ", ".join(table.columns)
    order = ", ".join(f'{name} COLLATE "C"' if table.columns[name] == "text" else name for name in table.key)
    return f"COPY (SELECT {columns} FROM {table.name} ORDER BY {order}) TO STDOUT (FORMAT CSV, HEADER)"


NAME_ROLLUP_HOURS = """
    INSERT INTO rollup_pending (source, hour_start) SELECT * FROM unnest(%b::text[], %b::timestamptz[])
"""
REFRESH_ROLLUPS = "SELECT refresh_rollups()"
RETAINED_TABLES = "SELECT table_name FROM retention ORDER BY table_name"
DROP_OLD_CHUNKS = "SELECT drop_old_chunks(%s, %s)"

CREATE_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
APPLIED_MIGRATIONS = "SELECT name, sha256 FROM schema_migration ORDER BY name"
NOTE_MIGRATION = "INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)"
LOCK_MIGRATIONS = "SELECT pg_advisory_lock(7204401)"
CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public"
ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"
HYPERTABLES_OF = "SELECT hypertable_name FROM timescaledb_information.hypertables WHERE hypertable_schema = %s"

NAMESPACES = """
    SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'schema_migration' AND c.relkind = 'r' ORDER BY n.nspname
"""
"""Schemas that hold a ledger of migrations are ours."""
NAMESPACE_MADE_AT = "SELECT min(applied_at) FROM schema_migration"
NAMESPACE_SIZE = """
    SELECT (
        coalesce((
            SELECT sum(hypertable_size(format('%%I.%%I', hypertable_schema, hypertable_name)::regclass))
            FROM timescaledb_information.hypertables WHERE hypertable_schema = %(namespace)s
        ), 0) + coalesce((
            SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %(namespace)s AND c.relkind = 'r'
        ), 0)
    )::int8
"""
ALARMS_BY_CONDITION = """
    SELECT condition, min(condition_vi), min(condition_en), count(DISTINCT (alarm, raised_at))
    FROM v_alarm_history GROUP BY condition ORDER BY condition
"""
DEAD_LETTERS_BY_REASON = """
    SELECT reason, min(reason_vi), min(reason_en), count(*) FROM v_dead_letter GROUP BY reason ORDER BY reason
"""


def count_rows(table: Table) -> str:
    return f"SELECT count(*) FROM {table.name}"


EDITION = "SELECT current_setting('timescaledb.license')"
POSTGRES_VERSION = "SELECT current_setting('server_version')"
TIMESCALE_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
WORKER_PROCESSES = "SELECT current_setting('max_worker_processes')::int"
DATABASE_CLOCK = "SELECT clock_timestamp()"
DATABASE_SIZE = "SELECT pg_database_size(current_database())"
HYPERTABLES = """
    SELECT hypertable_name, num_chunks, hypertable_size(format('%%I.%%I', hypertable_schema, hypertable_name)::regclass)
    FROM timescaledb_information.hypertables WHERE hypertable_schema = %s ORDER BY hypertable_name
"""
FAILED_JOBS = """
    SELECT j.job_id, j.application_name, s.total_failures, s.last_run_started_at
    FROM timescaledb_information.job_stats s JOIN timescaledb_information.jobs j USING (job_id)
    WHERE s.last_run_status = 'Failed' ORDER BY j.job_id
"""
NEWEST_ROWS = "SELECT table_name, newest FROM v_pipeline_freshness"
PENDING_ROLLUP_HOURS = "SELECT count(DISTINCT (source, hour_start)) FROM rollup_pending"
