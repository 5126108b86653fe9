"""Migrated namespaces of their own, and connections to them, for the tests of the storage."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from streams.schema.settings import Settings
from streams.schema.tables import TABLES, Table
from streams.storage.connection import connection_string
from streams.storage.export import export_csv
from streams.storage.migrate import drop_namespace, migrate
from tests.integration.platform import READER_PASSWORD, WRITER_PASSWORD

READER, WRITER = f"ioc_reader:{READER_PASSWORD}", f"ioc_writer:{WRITER_PASSWORD}"


@contextmanager
def isolated(admin_database_url: str) -> Iterator[Settings]:
    """A migrated namespace, dropped in the end."""
    settings = Settings(
        admin_database_url=admin_database_url,
        namespace=f"t_{uuid.uuid4().hex[:10]}",
        writer_password=WRITER_PASSWORD,
        reader_password=READER_PASSWORD,
    )
    settings = replace(settings, database_url=as_role(settings, WRITER))
    migrate(settings)
    yield settings
    drop_namespace(settings)


@contextmanager
def on_another_database(settings: Settings) -> Iterator[Settings]:
    """The same namespace in a fresh database of the same server."""
    name = f"db_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(settings.admin_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        try:
            yield replace(
                settings,
                admin_database_url=_database(settings.admin_database_url, name),
                database_url=_database(settings.database_url, name),
            )
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def as_role(settings: Settings, role: str) -> str:
    """URL of the same database for ``user:password``."""
    parts = urlsplit(settings.admin_database_url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


def connect(url: str, settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(connection_string(url, settings.namespace, "ioc test"), autocommit=True)


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with connect(settings.admin_database_url, settings) as connection:
        return connection.execute(statement.encode()).fetchall()


def exports(settings: Settings) -> dict[str, bytes]:
    """Every table that has rows, as CSV."""
    found = {table.name: export_csv(settings, table) for table in TABLES}
    return {name: data for name, data in found.items() if data.count(b"\n") > 1}


def export(settings: Settings, table: Table) -> list[str]:
    """The table's lines without the header."""
    return export_csv(settings, table).decode().splitlines()[1:]


def _database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
