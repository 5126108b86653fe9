"""Tables as CSV, ordered by their keys: the same data give the same bytes."""

from __future__ import annotations

import psycopg

from streams.schema.settings import Settings
from streams.schema.tables import Table
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later


def export_csv(settings: Settings, table: Table) -> bytes:
    """The whole table with a header line. Raises RetryLater while the database is away."""
    with (
        retried_later(),
        psycopg.connect(connection_string(settings.database_url, settings.namespace, "ioc export")) as connection,
        connection.cursor() as cursor,
        cursor.copy(queries.ordered_csv(table)) as copy,
    ):
        return b"".join(bytes(block) for block in copy)
