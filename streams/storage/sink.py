"""Writes rows, all of a call or none. Idempotent: a row that is there stays, unless a higher revision comes.

New windows are nearly always new rows, so rows are first copied straight into their tables; where one exists already
(a redelivery, a correction) the call is done again through staging tables and an upsert. benchmarks/sink.py holds the
alternatives that were measured.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
import psycopg

from streams.schema.tables import Rows, Table
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later
from streams.storage.copy_binary import Column, blocks, columns_of

HOUR_US = 3_600_000_000
Groups = dict[Table, list[Rows]]
Encoded = dict[Table, dict[str, Column]]


class Sink:
    """One connection for one writer. Not for use from several tasks at once.

    written_rows: rows of all successful calls, those that changed nothing included; merged_calls: calls that went
    through the staging tables; last_write_s: how long the last successful call took.
    """

    def __init__(self, database_url: str, namespace: str) -> None:
        self.written_rows = 0
        self.merged_calls = 0
        self.last_write_s = 0.0
        self._connection_string = connection_string(database_url, namespace, "ioc sink")
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._staged: set[Table] = set()
        self._names_rollups = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def write(self, rows: Sequence[Rows]) -> None:
        """Store all rows in one transaction. Raises RetryLater while the database is away, ValueError for rows that
        do not fit their table; nothing is stored then. (Where the connection is lost while committing, everything may
        be stored: writing again is safe.)
        """
        groups = _by_table(rows)
        if not groups:
            return
        began = time.monotonic()
        encoded = {table: columns_of(table, parts) for table, parts in groups.items()}
        hours = _rollup_hours(groups)
        with retried_later():
            connection = await self._connected()
            try:
                if _corrects(groups) or not await self._copied(connection, encoded, hours):
                    await self._merge(connection, encoded, hours)
                    self.merged_calls += 1
            except BaseException:
                # whatever it was, the state of the connection is not known any more
                await self.close()
                raise
        self.written_rows += sum(map(len, rows))
        self.last_write_s = time.monotonic() - began

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None:
            connection = await psycopg.AsyncConnection.connect(self._connection_string, autocommit=True)
            edition = await (await connection.execute(queries.EDITION)).fetchone()
            self._names_rollups = edition is not None and edition[0] == "apache"
            self._staged.clear()
            self._connection = connection
        return self._connection

    async def _copied(
        self, connection: psycopg.AsyncConnection[Any], encoded: Encoded, hours: Sequence[tuple[str, datetime]]
    ) -> bool:
        """Whether all rows were new; if not, nothing has happened."""
        try:
            async with connection.transaction(), connection.cursor() as cursor:
                for table, columns in encoded.items():
                    await _copy(cursor, queries.copy_rows(table), columns)
                await self._name_rollups(cursor, hours)
        except psycopg.errors.UniqueViolation:
            return False
        return True

    async def _merge(
        self, connection: psycopg.AsyncConnection[Any], encoded: Encoded, hours: Sequence[tuple[str, datetime]]
    ) -> None:
        async with connection.transaction(), connection.cursor() as cursor:
            for table, columns in encoded.items():
                if table not in self._staged:
                    await cursor.execute(queries.create_stage(table))
                await _copy(cursor, queries.copy_stage(table), {**columns, queries.ORDINAL: Column.ordinal(columns)})
                await cursor.execute(queries.merge_stage(table))
            await self._name_rollups(cursor, hours)
        self._staged.update(encoded)

    async def _name_rollups(self, cursor: psycopg.AsyncCursor[Any], hours: Sequence[tuple[str, datetime]]) -> None:
        if self._names_rollups and hours:
            sources, starts = zip(*hours, strict=True)
            await cursor.execute(queries.NAME_ROLLUP_HOURS, [list(sources), list(starts)])


async def _copy(cursor: psycopg.AsyncCursor[Any], statement: str, columns: Mapping[str, Column]) -> None:
    async with cursor.copy(statement) as copy:
        for block in blocks(columns):
            await copy.write(block)


def _by_table(rows: Iterable[Rows]) -> Groups:
    groups: Groups = defaultdict(list)
    for group in rows:
        if len(group):
            groups[group.table].append(group)
    return dict(groups)


def _corrects(groups: Groups) -> bool:
    """Whether a row replaces an earlier one, so that plain copying is bound to fail."""
    return any(
        int(np.max(part.columns["revision"])) > 1 for table, parts in groups.items() if table.revised for part in parts
    )


def _rollup_hours(groups: Groups) -> list[tuple[str, datetime]]:
    """The hours that are touched, by source of a rollup."""
    return [
        (table.name, datetime.fromtimestamp(hour * 3600, UTC))
        for table in queries.ROLLUP_SOURCES
        for hour in sorted({hour for part in groups.get(table, ()) for hour in _hours(part.columns["window_start"])})
    ]


def _hours(instants_us: Any) -> set[int]:
    return set((np.asarray(instants_us, dtype=np.int64) // HOUR_US).tolist())
