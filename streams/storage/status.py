"""What the database says of itself, for `ioc doctor`. Measures and names; what is to be done the reader decides."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from streams.schema.settings import Settings
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later
from streams.storage.migrate import edition_of, migrations

NEEDED_WORKER_PROCESSES = 24


@dataclass(frozen=True)
class HypertableStatus:
    name: str
    chunks: int
    size_bytes: int


@dataclass(frozen=True)
class DatabaseStatus:
    """edition: apache, community, or absent where there is no TimescaleDB.

    pending: migrations not applied; changed: applied ones whose file is another now; failed_jobs: background jobs
    whose last run failed; pending_rollup_hours: waiting for `ioc maintain` (Apache edition); newest: per table;
    clock_offset_s: the database's clock minus ours, exact to half of round_trip_s.
    """

    edition: str
    postgres: str
    timescaledb: str
    size_bytes: int
    worker_processes: int
    clock_offset_s: float
    round_trip_s: float
    applied: list[str]
    pending: list[str]
    changed: list[str]
    failed_jobs: list[str]
    pending_rollup_hours: int
    hypertables: list[HypertableStatus]
    newest: dict[str, datetime | None]

    @property
    def worker_processes_enough(self) -> bool:
        """With fewer, TimescaleDB's background jobs may not start."""
        return self.worker_processes >= NEEDED_WORKER_PROCESSES


def database_status(settings: Settings) -> DatabaseStatus:
    """Asks as the administrator. Raises RetryLater while the database is away."""
    with (
        retried_later(),
        psycopg.connect(
            connection_string(settings.admin_database_url, settings.namespace, "ioc doctor"), autocommit=True
        ) as connection,
    ):
        timescale = connection.execute(queries.TIMESCALE_VERSION).fetchone()
        applied = _applied(connection) if timescale else {}
        edition = edition_of(connection) if timescale else None
        due = migrations(edition, settings.namespace) if edition else []
        offset_s, round_trip_s = _clock(connection)
        return DatabaseStatus(
            edition=edition or "absent",
            postgres=str(_one(connection, queries.POSTGRES_VERSION)),
            timescaledb=timescale[0] if timescale else "",
            size_bytes=int(_one(connection, queries.DATABASE_SIZE)),
            worker_processes=int(_one(connection, queries.WORKER_PROCESSES)),
            clock_offset_s=offset_s,
            round_trip_s=round_trip_s,
            applied=sorted(applied),
            pending=[migration.name for migration in due if migration.name not in applied],
            changed=[m.name for m in due if m.name in applied and applied[m.name] != m.sha256],
            failed_jobs=_failed_jobs(connection) if edition == "community" else [],
            pending_rollup_hours=_if_migrated(connection, queries.PENDING_ROLLUP_HOURS, [(0,)])[0][0]
            if edition == "apache"
            else 0,
            hypertables=_hypertables(connection, settings.namespace) if timescale else [],
            newest=dict(_if_migrated(connection, queries.NEWEST_ROWS, [])) if timescale else {},
        )


def _one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _clock(connection: psycopg.Connection) -> tuple[float, float]:
    """The database's clock minus ours and the round trip that bounds the error, both in s."""
    before, began = datetime.now(UTC), time.monotonic()
    theirs = _one(connection, queries.DATABASE_CLOCK)
    round_trip_s = time.monotonic() - began
    ours = before + timedelta(seconds=round_trip_s / 2)
    return (theirs - ours).total_seconds(), round_trip_s


def _applied(connection: psycopg.Connection) -> dict[str, str]:
    return dict(_if_migrated(connection, queries.APPLIED_MIGRATIONS, []))


def _if_migrated(connection: psycopg.Connection, query: str, otherwise: list[Any]) -> list[Any]:
    """The rows, or something else where the schema is not there yet."""
    try:
        return connection.execute(query.encode()).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return otherwise


def _hypertables(connection: psycopg.Connection, namespace: str) -> list[HypertableStatus]:
    return [HypertableStatus(*row) for row in connection.execute(queries.HYPERTABLES, [namespace]).fetchall()]


def _failed_jobs(connection: psycopg.Connection) -> list[str]:
    return [
        f"{job} {name}: {failures} failures, last run {at:%Y-%m-%d %H:%M:%S}"
        for job, name, failures, at in connection.execute(queries.FAILED_JOBS).fetchall()
    ]
