"""The namespaces of the database, and what a run has left in its own: rows, alarms, dead letters. Only counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from streams.schema.settings import Settings
from streams.schema.tables import TABLES
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later


@dataclass(frozen=True)
class Namespace:
    """made_at: when its first migration was applied."""

    name: str
    made_at: datetime | None
    size_bytes: int


@dataclass(frozen=True)
class Counted:
    """How many of something with a name that people read."""

    name: str
    label_vi: str
    label_en: str
    count: int


@dataclass(frozen=True)
class Stored:
    """rows: by table; alarms: raised, by condition; dead_letters: by reason."""

    rows: dict[str, int]
    alarms: list[Counted]
    dead_letters: list[Counted]


def namespaces(settings: Settings) -> list[Namespace]:
    """All, the live one too, by name. Asks as the administrator. Raises RetryLater."""
    with _connected(settings.admin_database_url, settings.namespace) as connection:
        names = [name for (name,) in connection.execute(queries.NAMESPACES).fetchall()]
    found = []
    for name in names:
        with _connected(settings.admin_database_url, name) as connection:
            try:
                made = connection.execute(queries.NAMESPACE_MADE_AT).fetchone()
                size = connection.execute(queries.NAMESPACE_SIZE, {"namespace": name}).fetchone()
            except psycopg.errors.UndefinedTable:
                continue  # dropped meanwhile
        found.append(Namespace(name, made[0] if made else None, size[0] if size else 0))
    return found


def stored(settings: Settings) -> Stored:
    """What a namespace holds. Asks as the writer, who sees tables and views. Raises RetryLater."""
    with _connected(settings.database_url, settings.namespace) as connection:
        rows = {}
        for table in TABLES:
            counted = connection.execute(queries.count_rows(table).encode()).fetchone()
            rows[table.name] = counted[0] if counted else 0
        alarms, dead_letters = (
            [
                Counted(name, label_vi or name, label_en or name, count)
                for name, label_vi, label_en, count in connection.execute(query).fetchall()
            ]
            for query in (queries.ALARMS_BY_CONDITION, queries.DEAD_LETTERS_BY_REASON)
        )
    return Stored(rows, alarms, dead_letters)


@contextmanager
def _connected(url: str, namespace: str) -> Iterator[psycopg.Connection]:
    with (
        retried_later(),
        psycopg.connect(connection_string(url, namespace, "ioc replay"), autocommit=True) as connection,
    ):
        yield connection
