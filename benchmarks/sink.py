from __future__ import annotations

import argparse
import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from streams.schema.settings import Settings
from streams.schema.tables import TRAFFIC_LANE_1M, TRAFFIC_STATION_1M, Rows, Table
from streams.storage import queries
from streams.storage.connection import connection_string
from streams.storage.copy_binary import POSTGRES_EPOCH_US, Column, blocks, columns_of
from streams.storage.migrate import drop_namespace, migrate
from streams.storage.sink import Sink

STATIONS, LANES = 49, 4
T0_US, MINUTE_US = 1_701_993_600_000_000, 60_000_000
TICKS = os.sysconf("SC_CLK_TCK")
Connection = psycopg.AsyncConnection[Any]
Cursor = psycopg.AsyncCursor[Any]
Batch = Sequence[Rows]
Write = Callable[[Batch], Awaitable[None]]
Grouped = dict[Table, list[Rows]]


def window(table: Table, minute: int, revision: int = 1) -> Rows:
    chance = np.random.default_rng(minute)
    per_station = LANES if table is TRAFFIC_LANE_1M else 1
    rows = STATIONS * per_station
    names = np.array([f"i24-mm{53.3 + 0.3 * k:g}" for k in range(STATIONS)], dtype=object)

    def measured(high: float) -> np.ndarray[Any, Any]:
        values = chance.random(rows) * high
        values[chance.random(rows) < 0.05] = np.nan
        return values

    grades = chance.choice(np.array([*"ABCDEF", None], dtype=object), rows)
    columns: dict[str, Any] = {
        "station": names.repeat(per_station),
        "window_start": np.full(rows, T0_US + minute * MINUTE_US),
        "corridor": ["i24"] * rows,
        "revision": np.full(rows, revision),
        "vehicles": chance.integers(-1, 40, rows),
        "flow_veh_h": measured(2000),
        "speed_kmh": measured(120),
        "occupancy_pct": measured(40),
        "density_veh_km": measured(60),
        "level_of_service": grades.tolist(),
        "readings": np.full(rows, 2),
        "coverage": np.ones(rows),
        "moto": np.full(rows, -1),
        "light": np.full(rows, -1),
        "heavy": np.full(rows, -1),
    }
    if table is TRAFFIC_LANE_1M:
        columns["lane"] = np.tile(np.arange(1, LANES + 1), STATIONS)
    else:
        columns["lanes"] = np.full(rows, LANES)
    return Rows(table, columns)


def batch(number: int, windows: int, revision: int = 1) -> Batch:
    minutes = range(number * windows, (number + 1) * windows)
    return [window(table, m, revision) for m in minutes for table in (TRAFFIC_LANE_1M, TRAFFIC_STATION_1M)]


def grouped(rows: Batch) -> Grouped:
    found: Grouped = {}
    for group in rows:
        found.setdefault(group.table, []).append(group)
    return found


def plain(table: Table, name: str, values: Any, epoch_us: int) -> list[Any]:
    if table.columns[name] == "timestamptz":
        instants: list[Any] = (np.asarray(values) - epoch_us).tolist()
        return instants
    if not isinstance(values, np.ndarray) or values.dtype == object:
        return list(values)
    listed: list[Any] = values.tolist()
    if name not in table.nullable:
        return listed
    null = np.isnan(values) if values.dtype.kind == "f" else values < 0
    return [None if gone else value for value, gone in zip(listed, null.tolist(), strict=True)]


def plain_columns(table: Table, groups: Sequence[Rows], epoch_us: int) -> list[list[Any]]:
    return [
        [value for group in groups for value in plain(table, name, group.columns[name], epoch_us)]
        for name in table.columns
    ]


async def copy_rows_one_by_one(cursor: Cursor, table: Table, groups: Sequence[Rows], target: str, form: str) -> None:
    statement = f"COPY {target} ({', '.join(table.columns)}) FROM STDIN (FORMAT {form})"
    binary = form == "BINARY"
    columns = plain_columns(table, groups, POSTGRES_EPOCH_US if binary else 0)
    if not binary:
        at = list(table.columns).index("window_start")
        columns[at] = [np.datetime64(us, "us").item().isoformat() + "Z" for us in columns[at]]
    async with cursor.copy(statement.encode()) as copy:
        if binary:
            copy.set_types(["int8" if kind == "timestamptz" else kind for kind in table.columns.values()])
        for row in zip(*columns, strict=True):
            await copy.write_row(row)


class Alternative:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def __call__(self, rows: Batch) -> None:
        async with self.connection.transaction(), self.connection.cursor() as cursor:
            for table, groups in grouped(rows).items():
                await self.store(cursor, table, groups)

    async def store(self, cursor: Cursor, table: Table, groups: Sequence[Rows]) -> None:
        raise NotImplementedError

    async def staged(self, cursor: Cursor, table: Table) -> None:
        create = queries.create_stage(table).replace("TABLE ", "TABLE IF NOT EXISTS ", 1)
        await cursor.execute(create.encode())


class TextStaging(Alternative):
    form = "TEXT"

    async def store(self, cursor: Cursor, table: Table, groups: Sequence[Rows]) -> None:
        await self.staged(cursor, table)
        await copy_rows_one_by_one(cursor, table, groups, queries.stage(table), self.form)
        await cursor.execute(queries.merge_stage(table).encode())


class BinaryStaging(TextStaging):
    form = "BINARY"


class BinaryDirect(Alternative):
    async def store(self, cursor: Cursor, table: Table, groups: Sequence[Rows]) -> None:
        await copy_rows_one_by_one(cursor, table, groups, table.name, "BINARY")


class Unnest(Alternative):
    async def store(self, cursor: Cursor, table: Table, groups: Sequence[Rows]) -> None:
        kinds = ["int8" if kind == "timestamptz" else kind for kind in table.columns.values()]
        arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
        names = ", ".join(table.columns)
        chosen = ", ".join(
            f"to_timestamp({name} / 1000000.0)" if kind == "timestamptz" else name
            for name, kind in table.columns.items()
        )
        updates = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name not in table.key)
        statement = (
            f"INSERT INTO {table.name} ({names}) SELECT {chosen} FROM unnest({arrays}) AS given ({names}) "
            f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {updates} "
            f"WHERE excluded.revision > {table.name}.revision"
        )
        await cursor.execute(statement.encode(), plain_columns(table, groups, 0))


class ArrayStaging(Alternative):
    async def store(self, cursor: Cursor, table: Table, groups: Sequence[Rows]) -> None:
        await self.staged(cursor, table)
        columns = columns_of(table, groups)
        async with cursor.copy(queries.copy_stage(table).encode()) as copy:
            for block in blocks({**columns, queries.ORDINAL: Column.ordinal(columns)}):
                await copy.write(block)
        await cursor.execute(queries.merge_stage(table).encode())


@dataclass(frozen=True)
class Case:
    name: str
    writer: type[Alternative] | None = None
    prepare: str = ""
    repeat_revision: int = 0


@dataclass(frozen=True)
class Costs:
    wall_us: float
    python_us: float
    postgres_us: float


NO_TIME_INDEX = "DROP INDEX traffic_station_1m_time"
LANE_TIME_INDEX = "CREATE INDEX ON traffic_lane_1m (window_start DESC)"
SMALL_CHUNKS = (
    "SELECT set_chunk_time_interval('traffic_lane_1m', INTERVAL '1 hour'), "
    "set_chunk_time_interval('traffic_station_1m', INTERVAL '1 hour')"
)
DATABASE_COLLATION = (
    'DROP VIEW v_traffic_lane_1m; ALTER TABLE traffic_lane_1m ALTER station TYPE text COLLATE "en-x-icu"'
)
CASES = (
    Case("a  COPY text, write_row, staging + upsert", TextStaging),
    Case("a' COPY binary, write_row, staging + upsert", BinaryStaging),
    Case("b  COPY binary, write_row, straight", BinaryDirect),
    Case("c  INSERT SELECT unnest(arrays) + upsert", Unnest),
    Case("d  COPY binary, arrays, staging + upsert", ArrayStaging),
    Case("e  COPY binary, arrays, straight = Sink"),
    Case("   Sink, every row there already", repeat_revision=1),
    Case("   Sink, every row corrected", repeat_revision=2),
    Case("   Sink, station without time index", prepare=NO_TIME_INDEX),
    Case("   Sink, lane with time index", prepare=LANE_TIME_INDEX),
    Case("   Sink, chunks of 1 hour", prepare=SMALL_CHUNKS),
    Case("   Sink, lane key in an ICU collation", prepare=DATABASE_COLLATION),
)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measured(case: Case, settings: Settings, batches: Sequence[Batch], repeats: Sequence[Batch]) -> Costs:
    async with Sink(settings.database_url, settings.namespace) as sink:
        if case.writer is None:
            connection = await sink._connected()
            write: Write = sink.write
        else:
            string = connection_string(settings.database_url, settings.namespace, "benchmark")
            connection = await psycopg.AsyncConnection.connect(string, autocommit=True)
            await connection.execute("SET client_min_messages = warning")
            write = case.writer(connection)
        pid = connection.info.backend_pid
        await write(batches[0])
        timed = batches[1:]
        if repeats:
            for rows in timed:
                await write(rows)
            timed = repeats[1:]
        began, python_began, server_began = time.monotonic(), time.process_time(), cpu_s(pid)
        for rows in timed:
            await write(rows)
        wall, python, server = (
            time.monotonic() - began,
            time.process_time() - python_began,
            cpu_s(pid) - server_began,
        )
        await connection.close()
    per_row = 1e6 / sum(len(group) for rows in timed for group in rows)
    return Costs(wall * per_row, python * per_row, server * per_row)


def run(dsn: str, days: float, windows: int, rounds: int, only: str) -> None:
    count = max(2, round(days * 1440 / windows))
    batches = [batch(number, windows) for number in range(count)]
    rows = sum(len(group) for group in batches[0])
    print(f"{count} batches of {rows} rows ({windows} windows of {STATIONS} stations, {LANES} lanes); best of {rounds}")
    print(f"{'':<44} {'rows/s':>9} {'python':>8} {'postgres':>8}  us CPU a row")
    for case in CASES:
        if only in case.name:
            repeats = [batch(n, windows, case.repeat_revision) for n in range(count)] if case.repeat_revision else []
            best = min((once(case, dsn, batches, repeats) for _ in range(rounds)), key=lambda costs: costs.wall_us)
            print(f"{case.name:<44} {1e6 / best.wall_us:>9,.0f} {best.python_us:>8.2f} {best.postgres_us:>8.2f}")


def once(case: Case, dsn: str, batches: Sequence[Batch], repeats: Sequence[Batch]) -> Costs:
    settings = Settings(database_url=dsn, admin_database_url=dsn, namespace=f"bench_{uuid.uuid4().hex[:8]}")
    migrate(settings)
    try:
        if case.prepare:
            string = connection_string(dsn, settings.namespace, "benchmark")
            with psycopg.connect(string, autocommit=True) as connection:
                connection.execute(case.prepare.encode())
        return asyncio.run(measured(case, settings, batches, repeats))
    finally:
        drop_namespace(settings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    run(given.dsn, given.days, given.windows, given.rounds, given.only)
