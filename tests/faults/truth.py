"""The checker: what the recorded input must have led to, computed in one batch, against what is stored and was told.

Knows nothing of workers, batches or faults: the input topics are read whole, partition by partition, and the core is
run over them once, in this process. Rows follow the sink's rule: the highest revision wins, else the first row stays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from streams.agents.sources import camera_kind, corridor_kind
from streams.core.partition import Partition, Record, SourceKind
from streams.schema import codec
from streams.schema.instants import microseconds
from streams.schema.settings import Settings
from streams.schema.site import Site
from streams.schema.tables import ALARM_EVENT, TABLES, Rows, Table
from streams.storage.connection import connection_string
from streams.watchdog import SOURCE as WATCHDOG
from tests.faults.topic_log import TopicLog

MOST_DIFFERENCES = 20
Key = tuple[Any, ...]
Row = tuple[Any, ...]
Stored = dict[Key, Row]
Message = tuple[bytes | None, bytes | None]


@dataclass
class Truth:
    """What there must be: rows by table and key, messages by topic."""

    tables: dict[str, Stored] = field(default_factory=lambda: {table.name: {} for table in TABLES})
    told: dict[str, set[Message]] = field(default_factory=dict)

    def apply(self, rows: Rows) -> None:
        """The sink's rule."""
        table, stored = rows.table, self.tables[rows.table.name]
        revision = list(table.columns).index("revision") if table.revised else None
        for row in rows_of(rows):
            key = _key(table, row)
            known = stored.get(key)
            if known is None or (revision is not None and row[revision] > known[revision]):
                stored[key] = row


def rows_of(rows: Rows) -> list[Row]:
    """Rows as Python values, as the database gives them: None for NULL, instants as microseconds."""
    return list(zip(*(_column(rows, name) for name in rows.table.columns), strict=True))


def _column(rows: Rows, name: str) -> list[Any]:
    given, kind = rows.columns[name], rows.table.columns[name]
    values = given.tolist() if isinstance(given, np.ndarray) else list(given)
    if isinstance(given, np.ndarray) and name in rows.table.nullable and kind != "text":
        whole = given.dtype.kind != "f"
        values = [None if (value < 0 if whole else math.isnan(value)) else value for value in values]
    if kind == "text":
        return values
    return [None if value is None else float(value) if kind == "float8" else int(value) for value in values]


def _key(table: Table, row: Row) -> Key:
    names = list(table.columns)
    return tuple(row[names.index(name)] for name in table.key)


def compute(logs: Mapping[str, TopicLog], settings: Settings, site: Site) -> Truth:
    """The truth of the input topics' logs."""
    topics = settings.topics
    kinds: tuple[tuple[str, SourceKind], ...] = (
        (topics.camera_observations.name, camera_kind(site)),
        (topics.traffic_readings.name, corridor_kind(site, store_readings=settings.store_readings)),
    )
    truth = Truth()
    alarms = truth.told.setdefault(topics.alarms.name, set())
    letters = truth.told.setdefault(topics.dead_letters.name, set())
    for topic, kind in kinds:
        for number, messages in sorted(logs[topic].items()):
            records = [Record(at.offset, at.key, at.value, at.logged_ms * 1000) for at in messages]
            batch = Partition(topic, number, kind, {}).process(records)
            for rows in batch.rows:
                truth.apply(rows)
            alarms.update((alarm.source.encode(), codec.encode(alarm)) for alarm in batch.alarms)
            letters.update(
                (f"{letter.topic}-{letter.partition}-{letter.offset}".encode(), codec.encode(letter))
                for letter in batch.dead_letters
            )
    return truth


def stored_tables(settings: Settings, tables: Iterable[Table] = TABLES) -> dict[str, Stored]:
    """What the database holds."""
    found = {}
    with psycopg.connect(connection_string(settings.database_url, settings.namespace, "ioc faults")) as connection:
        for table in tables:
            statement = f"SELECT {', '.join(table.columns)} FROM {table.name}"
            rows = [tuple(map(_plain, row)) for row in connection.execute(statement.encode())]
            found[table.name] = {_key(table, row): row for row in rows if not _is_of_a_watchdog(table, row)}
    return found


def _is_of_a_watchdog(table: Table, row: Row) -> bool:
    """It tells of a worker, not of the input, so no truth has it."""
    return table is ALARM_EVENT and row[list(table.columns).index("source")] == WATCHDOG


def stalls(told: Mapping[str, Sequence[Message]]) -> int:
    """How many workers were ended by their watchdog: each told a rise and a return."""
    return sum(key == WATCHDOG.encode() for messages in told.values() for key, _ in set(messages)) // 2


def _plain(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value


@dataclass(frozen=True)
class Difference:
    """expected, found: None where there is none."""

    where: str
    key: object
    column: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"{self.where} {self.key} {self.column}: expected {self.expected!r}, found {self.found!r}"


def differences(truth: Truth, stored: Mapping[str, Stored], told: Mapping[str, Sequence[Message]]) -> list[Difference]:
    """At most MOST_DIFFERENCES; none: nothing lost, nothing invented, every repeat a copy.

    A message that was told again is the same byte for byte, so that its receiver knows it by what it says (alarm,
    state, changed_at); a repeat that says anything else is found as one that the truth has not.
    """
    found: list[Difference] = []
    for table in TABLES:
        found += _table_differences(table, truth.tables[table.name], stored[table.name])
    for topic, expected in truth.told.items():
        there = {message for message in told[topic] if message[0] != WATCHDOG.encode()}
        found += [Difference(topic, key, "message", value, None) for key, value in sorted(expected - there, key=str)]
        found += [Difference(topic, key, "message", None, value) for key, value in sorted(there - expected, key=str)]
    return found[:MOST_DIFFERENCES]


def _table_differences(table: Table, expected: Stored, found: Stored) -> list[Difference]:
    differ = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        right, there = expected.get(key), found.get(key)
        if right is None or there is None:
            differ.append(Difference(table.name, key, "row", right, there))
            continue
        differ += [
            Difference(table.name, key, column, *values)
            for column, *values in zip(table.columns, right, there, strict=True)
            if values[0] != values[1]
        ]
    return differ


def repeats(told: Mapping[str, Sequence[Message]]) -> int:
    """How many messages are copies of an earlier one."""
    return sum(count - 1 for messages in told.values() for count in Counter(messages).values())
