"""Connections to the database, and which of its errors mean: try again later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from streams.schema.errors import RetryLater

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""Connection lost, server stopping, starting or a standby, deadlock, serialisation, disk full, out of connections."""


def connection_string(url: str, namespace: str, application: str) -> str:
    """For psycopg.connect: unqualified names are those of the namespace; times are UTC. May hold a password."""
    return make_conninfo(
        url,
        application_name=application,
        options=f"-c search_path={namespace},public,pg_temp -c timezone=UTC",
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        tcp_user_timeout=20_000,
    )


@contextmanager
def retried_later() -> Iterator[None]:
    """Turns an error that passes by itself into RetryLater."""
    try:
        yield
    except AWAY as fault:
        raise RetryLater(str(fault).strip().partition("\n")[0] or type(fault).__name__) from None
