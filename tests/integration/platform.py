"""An isolated run on the test servers, and what a test asks its database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from ioc.isolated import IsolatedRun
from streams.schema.settings import Settings
from streams.schema.site import Site
from streams.ticker import Ticker

WRITER_PASSWORD, READER_PASSWORD = "writer-of-the-tests", "reader-of-the-tests"


def wired(bootstrap: str, admin_database_url: str) -> Settings:
    """Settings of a writer whose role the migration makes."""
    parts = urlsplit(admin_database_url)
    host = parts.netloc.rpartition("@")[2]
    return Settings(
        kafka_bootstrap=bootstrap,
        database_url=urlunsplit(parts._replace(netloc=f"ioc_writer:{WRITER_PASSWORD}@{host}")),
        admin_database_url=admin_database_url,
        writer_password=WRITER_PASSWORD,
        reader_password=READER_PASSWORD,
    )


class Platform(IsolatedRun):
    """Use as a context: workers end and everything of the namespace is removed."""

    def __init__(
        self,
        bootstrap: str,
        admin_database_url: str,
        site: Site,
        folder: Path,
        *,
        partitions: int = 1,
        store_readings: bool = False,
    ) -> None:
        base = wired(bootstrap, admin_database_url)
        super().__init__(base, site, folder, partitions=partitions, store_readings=store_readings)

    @property
    def environment(self) -> dict[str, str]:
        """With the administrator's URL, which a worker does not need and some commands do."""
        return super().environment | {"IOC_ADMIN_DATABASE_URL": self.settings.admin_database_url}

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """The ticker beside the block: something that always comes."""
        over = threading.Event()

        async def run() -> None:
            stop = asyncio.Event()
            ticks = asyncio.create_task(Ticker(self.settings).run(stop))
            await asyncio.to_thread(over.wait)
            stop.set()
            await ticks

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def wait_for_rows(self, table: str, at_least: int, timeout_s: float = 60) -> int:
        """Until the table has so many rows; how many it has then."""
        return self.wait_for(
            lambda: rows if (rows := self.count(table)) >= at_least else None, timeout_s, f"rows in {table}"
        )

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with self._connection() as connection:
            connection.execute(statement.encode())

    def _connection(self) -> psycopg.Connection:
        options = f"-c search_path={self.settings.namespace},public"
        return psycopg.connect(self.settings.admin_database_url, options=options)

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])
