"""An isolated run: the whole platform in a namespace of its own, so that live data stay untouched.

Real topics, a real schema, real worker processes. Decides how such a run is wired and that nothing of it is left
behind; what is played into it, and what is thought of its rows, is the caller's business.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from ioc.embedded.process import spawn_bound
from streams.admin import consumer_lag, delete_topics, ensure_topics, total
from streams.replay.player import PlayResult, play
from streams.replay.recording import Entry, Recording
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.settings import Settings
from streams.schema.site import Site
from streams.schema.tables import TABLES, Table
from streams.storage.export import export_csv
from streams.storage.migrate import drop_namespace, is_live, migrate

STOP_TIMEOUT_S = 15.0
LOOK_EVERY_S = 0.1
LOG_TAIL_CHARS = 3000
T = TypeVar("T")


class NotDone(Exception):
    """Something that was waited for did not come; the text ends with the tail of the workers' log."""


class IsolatedRun:
    """Use as a context: at the end workers are killed and everything of the namespace is removed, unless ``keep``.

    base: where the servers are (kafka_bootstrap, admin_database_url, database_url); site: or the file that holds it;
    folder: for logs and the site file, of this run alone; name: the namespace, else one of its own.
    """

    def __init__(
        self,
        base: Settings,
        site: Site | Path,
        folder: Path,
        *,
        partitions: int = 1,
        store_readings: bool = False,
        name: str = "",
        keep: bool = False,
    ) -> None:
        name = name or f"run_{uuid.uuid4().hex[:10]}"
        if is_live(name):
            raise ConfigurationInvalid(name, "the live namespace is no isolated run")
        own_site_file = folder / f"{name}.toml"
        self.folder = folder
        self.settings = replace(
            base,
            namespace=name,
            partitions=partitions,
            site_file=site.absolute() if isinstance(site, Path) else own_site_file,
            store_readings=store_readings,
            health_dir=folder / "health",
        )
        self.log_file = folder / f"{name}.log"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._keep, self._own_site_file = keep, own_site_file
        if isinstance(site, Site):
            own_site_file.write_bytes(msgspec.toml.encode(site))

    def __enter__(self) -> Self:
        migrate(self.settings)
        asyncio.run(ensure_topics(self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self.kill_worker(worker)
        self._own_site_file.unlink(missing_ok=True)
        self._password_file.unlink(missing_ok=True)
        if not self._keep:
            asyncio.run(delete_topics(self.settings))
            drop_namespace(self.settings)

    @property
    def _password_file(self) -> Path:
        return self._own_site_file.with_suffix(".password")

    @property
    def environment(self) -> dict[str, str]:
        """For a process of this run: this process's own without IOC_*, and the run's wiring; the password by file."""
        given = self.settings
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        parts = urlsplit(given.database_url)
        wiring: Mapping[str, object] = {
            "IOC_KAFKA_BOOTSTRAP": given.kafka_bootstrap,
            "IOC_DATABASE_URL": urlunsplit(
                parts._replace(netloc=f"{parts.username or ''}@{parts.netloc.rpartition('@')[2]}")
            ),
            "IOC_NAMESPACE": given.namespace,
            "IOC_PARTITIONS": given.partitions,
            "IOC_SITE_FILE": given.site_file,
            "IOC_STORE_READINGS": given.store_readings,
            "IOC_HEALTH_DIR": given.health_dir,
        }
        found = plain | {name: str(value) for name, value in wiring.items()}
        if parts.password:
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(unquote(parts.password), encoding="utf-8")
            found["IOC_DATABASE_PASSWORD_FILE"] = str(self._password_file)
        return found

    def start_worker(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            command = [sys.executable, "-m", "ioc", "worker"]
            worker = spawn_bound(command, env=self.environment, output=log.fileno())
        self.workers.append(worker)
        return worker

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL, no farewell: what such a worker had not acknowledged is given to the next one."""
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
        worker.wait()

    def stop_worker(self, worker: subprocess.Popen[bytes]) -> int:
        """SIGTERM; the exit status. Raises subprocess.TimeoutExpired."""
        worker.send_signal(signal.SIGTERM)
        return worker.wait(STOP_TIMEOUT_S)

    def restart_ended(self) -> int:
        """What a supervisor does: start again each worker that has ended; how many."""
        ended = [worker for worker in self.workers if worker.poll() is not None]
        for worker in ended:
            self.workers.remove(worker)
            self.start_worker()
        return len(ended)

    def play(self, entries: Iterable[Entry] | Recording, speed: float | None = None) -> PlayResult:
        recording = entries if isinstance(entries, Recording) else Recording.of(entries)
        return asyncio.run(play(recording, self.settings, speed=speed))

    def wait_until_drained(self, timeout_s: float = 90, supervise: bool = False) -> float:
        """Until every input is acknowledged; seconds it took. supervise: workers that end are started again.

        Raises NotDone: it took longer, or no worker runs.
        """
        began = time.monotonic()

        def drained() -> float | None:
            if supervise:
                self.restart_ended()
            elif all(worker.poll() is not None for worker in self.workers):
                raise NotDone(f"no worker is running\n{self.log_tail()}")
            try:
                lag = asyncio.run(consumer_lag(self.settings, self.settings.topics.group))
            except RetryLater:
                return None
            return time.monotonic() - began if total(lag) == 0 else None

        return self.wait_for(drained, timeout_s, "the lag to be 0")

    def wait_for(self, condition: Callable[[], T | None], timeout_s: float, what: str) -> T:
        """The first value that is not None. Raises NotDone."""
        deadline = time.monotonic() + timeout_s
        while (found := condition()) is None:
            if time.monotonic() > deadline:
                raise NotDone(f"waited {timeout_s:g} s for {what}\n{self.log_tail()}")
            time.sleep(LOOK_EVERY_S)
        return found

    def log_tail(self) -> str:
        if not self.log_file.exists():
            return "no worker wrote a log"
        return self.log_file.read_text(errors="replace")[-LOG_TAIL_CHARS:]

    def exports(self, tables: Iterable[Table] = TABLES) -> dict[str, bytes]:
        """Every table as CSV, ordered by key: equal bytes mean equal rows."""
        return {table.name: export_csv(self.settings, table) for table in tables}
