"""The whole platform in a namespace of its own: real topics, real schema, real worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg

from streams.admin import consumer_lag, delete_topics, ensure_topics, total
from streams.replay.player import PlayResult, play
from streams.replay.recording import Entry, Recording
from streams.schema.errors import RetryLater
from streams.schema.settings import Settings
from streams.schema.site import Site
from streams.schema.tables import TABLES, Table
from streams.storage.export import export_csv
from streams.storage.migrate import drop_namespace, migrate

T = TypeVar("T")
WRITER_PASSWORD, READER_PASSWORD = "writer-of-the-tests", "reader-of-the-tests"


class Platform:
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
        parts = urlsplit(admin_database_url)
        host = parts.netloc.rpartition("@")[2]
        writer = urlunsplit(parts._replace(netloc=f"ioc_writer:{WRITER_PASSWORD}@{host}"))
        self.folder = folder
        self.site_file = folder / f"site-{uuid.uuid4().hex[:8]}.toml"
        self.site_file.write_bytes(msgspec.toml.encode(site))
        self.settings = Settings(
            kafka_bootstrap=bootstrap,
            database_url=writer,
            admin_database_url=admin_database_url,
            namespace=f"t_{uuid.uuid4().hex[:10]}",
            partitions=partitions,
            site_file=self.site_file,
            store_readings=store_readings,
            writer_password=WRITER_PASSWORD,
            reader_password=READER_PASSWORD,
        )
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Platform:
        migrate(self.settings)
        asyncio.run(ensure_topics(self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            self.kill_worker(worker)
        asyncio.run(delete_topics(self.settings))
        drop_namespace(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        given = self.settings
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        return plain | {
            "IOC_KAFKA_BOOTSTRAP": given.kafka_bootstrap,
            "IOC_DATABASE_URL": given.database_url,
            "IOC_ADMIN_DATABASE_URL": given.admin_database_url,
            "IOC_NAMESPACE": given.namespace,
            "IOC_PARTITIONS": str(given.partitions),
            "IOC_SITE_FILE": str(given.site_file),
            "IOC_STORE_READINGS": str(given.store_readings),
            "IOC_HEALTH_DIR": str(self.folder / "health"),
        }

    @property
    def log_file(self) -> Path:
        return self.folder / f"worker-{self.settings.namespace}.log"

    def start_worker(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "ioc", "worker"], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._workers.append(worker)
        return worker

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
        worker.wait()

    def keep_running(self, worker: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """What a supervisor does: start again a worker that has ended."""
        return worker if worker.poll() is None else self.start_worker()

    def play(self, entries: Iterable[Entry], speed: float | None = None) -> PlayResult:
        return asyncio.run(play(Recording.of(entries), self.settings, speed=speed))

    def wait_for_rows(self, table: str, at_least: int, timeout_s: float = 60) -> int:
        """Until the table has so many rows; how many it has then."""
        return self._wait(
            lambda: rows if (rows := self.count(table)) >= at_least else None, timeout_s, f"rows in {table}"
        )

    def wait_until_drained(self, timeout_s: float = 90, supervise: bool = False) -> float:
        """Until every input is acknowledged; seconds it took."""
        began = time.monotonic()

        def drained() -> float | None:
            if supervise:
                self._workers[-1] = self.keep_running(self._workers[-1])
            elif all(worker.poll() is not None for worker in self._workers):
                raise AssertionError(f"no worker is running\n{self._log_tail()}")
            try:
                lag = asyncio.run(consumer_lag(self.settings, self.settings.topics.group))
            except RetryLater:
                return None
            return time.monotonic() - began if total(lag) == 0 else None

        return self._wait(drained, timeout_s, "the lag to be 0")

    def _wait(self, condition: Callable[[], T | None], timeout_s: float, what: str) -> T:
        deadline = time.monotonic() + timeout_s
        while (found := condition()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout_s} s for {what}\n{self._log_tail()}")
            time.sleep(0.1)
        return found

    def _log_tail(self) -> str:
        return self.log_file.read_text(errors="replace")[-3000:] if self.log_file.exists() else "no worker log"

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

    def exports(self, tables: Iterable[Table] = TABLES) -> dict[str, bytes]:
        """Every table as CSV, ordered by key: equal bytes mean equal rows."""
        return {table.name: export_csv(self.settings, table) for table in tables}
