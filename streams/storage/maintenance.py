"""Rollups and retention on the Apache edition of TimescaleDB, which has no policies. Nothing to do on the other.

What is computed and how long rows are kept stand in the migrations; this decides only when.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from streams.schema.settings import Settings
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later
from streams.storage.migrate import edition_of, is_live

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Maintained:
    """hours: rollup hours computed anew; dropped: chunks dropped, by table."""

    hours: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def maintain_once(settings: Settings, now: datetime | None = None) -> Maintained:
    """Compute the rollup hours that changed, drop what is too old. Raises RetryLater while the database is away.

    now: as of when chunks are too old, by default the clock. An isolated run keeps everything. Connects as the
    writer.
    """
    with (
        retried_later(),
        psycopg.connect(
            connection_string(settings.database_url, settings.namespace, "ioc maintain"), autocommit=True
        ) as connection,
    ):
        if edition_of(connection) == "community":
            return Maintained()
        hours = refresh_rollups(connection)
        dropped = drop_old_chunks(connection, now or datetime.now(UTC)) if is_live(settings.namespace) else {}
        for table, chunks in dropped.items():
            log.info("dropped %d chunks of %s, older than its retention", chunks, table)
        return Maintained(hours, dropped)


def refresh_rollups(connection: psycopg.Connection) -> int:
    """Compute the hours that the sink named since the last time; returns how many."""
    row = connection.execute(queries.REFRESH_ROLLUPS).fetchone()
    return int(row[0]) if row else 0


def drop_old_chunks(connection: psycopg.Connection, now: datetime) -> dict[str, int]:
    """Drop what is past its retention, each table by itself; how many chunks by table, where any."""
    dropped = {}
    for (table,) in connection.execute(queries.RETAINED_TABLES).fetchall():
        row = connection.execute(queries.DROP_OLD_CHUNKS, [table, now]).fetchone()
        if row and row[0]:
            dropped[table] = int(row[0])
    return dropped
