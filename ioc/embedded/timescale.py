"""Decides how one TimescaleDB runs embedded: a PostgreSQL on loopback, with a password, small, never lying
about durability.

Started by root it runs as an unprivileged account: the data belong to that account, the folder around them
(password, ports, logs) to root. The database `ioc` is made, and nothing in it: the migrations create the
extension.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from ioc.embedded.account import Account, check_reachable, owned_folder, server_account
from ioc.embedded.bounded_log import BoundedLog, last_lines
from ioc.embedded.cache import default_cache_dir, exclusive
from ioc.embedded.ports import RememberedPorts
from ioc.embedded.postgresql import PostgreSQL, find_postgresql
from ioc.embedded.prerequisites import (
    LOOPBACK,
    DataUnusable,
    StartFailed,
    check_free_space,
    check_port,
    check_zoneinfo,
)
from ioc.embedded.process import ServerProcess, wait_gone, working_in

DATABASE = "ioc"
_NEEDED_BYTES = 512 * 1024 * 1024
_STOP_TIMEOUT_S = 30.0
_SOCKET_PATH_LIMIT = 107  # bytes of sun_path, less its end
_BUILTIN_LOCALE_SINCE = 17

_SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "16",
    "max_worker_processes": "24",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "cluster_name": "ioc",
}


class EmbeddedTimescale:
    """One PostgreSQL with TimescaleDB over one data folder. Not for use from several threads at once."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        cache_dir: Path | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """`port` None: a free one is chosen once and kept. `on_progress` hears of long steps."""
        self._data_dir = data_dir.absolute()
        self._cache_dir = (cache_dir or default_cache_dir()).absolute()
        self._given_port = port
        self._on_progress = on_progress or (lambda _: None)
        self._ports = RememberedPorts(self._data_dir / "ports.json")
        self._cluster = self._data_dir / "cluster"
        self._password_file = self._data_dir / "password"
        self._log = BoundedLog(self._data_dir / "postgres.log")
        self._process = ServerProcess(
            "TimescaleDB",
            self._data_dir / "server.pid",
            self._log,
            stop_signal=signal.SIGINT,  # fast shutdown: clients are cut off, everything is written
            death_signal=signal.SIGINT,  # the postmaster then ends its children too
        )

    @property
    def dsn(self) -> str:
        """Connection string of the superuser for the database `ioc`, password included; the same after a
        restart.
        """
        return self._dsn(DATABASE)

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the server this object started is alive."""
        return self._process.is_running()

    def start(self, timeout_s: float = 60) -> None:
        """Start the server and return when the database `ioc` takes connections; nothing happens if it runs
        already.

        `timeout_s` is for the server's own start, crash recovery included; fetching and initdb, once each,
        come before it. Raises PrerequisiteMissing, MirrorUnknown, DownloadFailed, DiskSpaceLow, PortTaken,
        AlreadyRunning, PathNotTraversable, DataUnusable or StartFailed.
        """
        if self.is_running():
            return
        account = server_account()
        check_zoneinfo()
        self._make_data_dir(account)
        with exclusive(self._data_dir / "start.lock"):
            self._process.clear_orphan()
            # a postmaster that someone else killed leaves children for a moment, holding its shared memory
            wait_gone(working_in(self._cluster), 10.0)
            installation = self._installation()
            check_reachable(installation.programs, account)
            check_free_space(self._data_dir, _NEEDED_BYTES, "TimescaleDB")
            check_port(self._port, "TimescaleDB")
            if not self._cluster.is_dir():
                self._initialise(installation, account)
            self._password()  # refuses a cluster whose password is gone before a server starts over it
            command = [installation.program("postgres"), "-D", str(self._cluster)]
            for name, value in {**_SETTINGS, **self._address_settings(account)}.items():
                command += ["-c", f"{name}={value}"]
            self._process.launch(command, cwd=self._cluster, env=_environment(), account=account)
            try:
                self._wait_until_ready(timeout_s)
            except BaseException:  # Ctrl-C too: a start that did not succeed leaves nothing running
                self.kill()
                raise

    def stop(self) -> None:
        """End in order (fast shutdown), by SIGKILL after 30 s; nothing is left running."""
        self._process.stop(_STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End the postmaster and all its children at once (SIGKILL); the same folder can be started again."""
        self._process.kill()

    def wipe(self) -> None:
        """Forget every database of the stopped server; port and password stay, so a dsn given out stays
        right.
        """
        if self.is_running():
            raise RuntimeError("stop TimescaleDB before its data are wiped")
        if self._data_dir.is_dir():
            with exclusive(self._data_dir / "start.lock"):
                self._process.clear_orphan()
                if self._cluster.is_dir():
                    shutil.rmtree(self._cluster)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _port(self) -> int:
        return self._ports.get("postgres", self._given_port)

    def _dsn(self, database: str) -> str:
        return f"postgresql://postgres:{self._password()}@{LOOPBACK}:{self._port}/{database}"

    def _password(self) -> str:
        """Made once, at random, and kept where only the user that starts the server can read it."""
        try:
            return self._password_file.read_text().strip()
        except FileNotFoundError:
            if self._cluster.is_dir():
                raise DataUnusable(
                    f"the database's password file {self._password_file} is gone; put it back, or wipe()"
                ) from None
        self._data_dir.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(24)
        try:
            with os.fdopen(os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(password)
        except FileExistsError:  # another process was quicker
            return self._password_file.read_text().strip()
        return password

    def _make_data_dir(self, account: Account | None) -> None:
        """Only its owner may list it; as root, the server's account may pass through to what it owns."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._data_dir.chmod(0o700 if account is None else 0o711)
        check_reachable(self._data_dir, account)

    def _installation(self) -> PostgreSQL:
        noted = self._data_dir / "installation"
        made_by = made_major = None
        if (version := self._cluster / "PG_VERSION").is_file():
            made_major = int(version.read_text())
            made_by = Path(noted.read_text()) if noted.is_file() else None
        found = find_postgresql(self._cache_dir, self._on_progress, made_by=made_by, made_major=made_major)
        noted.write_text(str(found.programs))
        return found

    def _initialise(self, installation: PostgreSQL, account: Account | None) -> None:
        """initdb into a folder beside, renamed when done: a folder with the right name is a whole cluster."""
        self._on_progress("creating the database cluster")
        partial = self._data_dir / "cluster.partial"
        if partial.is_dir():
            shutil.rmtree(partial)
        owned_folder(partial, account)
        secret = self._data_dir / "initdb.password"
        secret.unlink(missing_ok=True)
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._password())
            if account is not None:
                os.fchown(file.fileno(), account.uid, account.gid)
        locale = ["--locale=C.UTF-8"]
        if installation.major >= _BUILTIN_LOCALE_SINCE:  # needs no locale of the machine, and knows Vietnamese letters
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        authentication = ["--auth=scram-sha-256", f"--pwfile={secret}"]
        command = [
            installation.program("initdb"),
            f"--pgdata={partial}",
            "--username=postgres",
            "--encoding=UTF8",
        ]
        try:
            ran = subprocess.run(
                [*command, *locale, *authentication],
                cwd=partial,
                env=_environment(),
                capture_output=True,
                text=True,
                check=False,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
            )
        finally:
            secret.unlink(missing_ok=True)
        if ran.returncode != 0:
            output = (ran.stdout + ran.stderr)[-3000:]
            raise StartFailed("TimescaleDB", "initdb failed", self._log.path, output)
        partial.rename(self._cluster)

    def _address_settings(self, account: Account | None) -> dict[str, str]:
        socket_dir = self._data_dir / "run"
        fits = len(os.fsencode(socket_dir / f".s.PGSQL.{self._port}")) <= _SOCKET_PATH_LIMIT
        plain = "," not in str(socket_dir) and '"' not in str(socket_dir)
        if fits and plain:
            owned_folder(socket_dir, account)
        return {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": str(socket_dir) if fits and plain else "",
        }

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with psycopg.connect(self._dsn("postgres"), connect_timeout=2, autocommit=True) as connection:
                    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                    if known is None:
                        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                    return
            except psycopg.OperationalError as error:
                refusal = str(error).strip()
            if not self.is_running():
                reason = f"the server ended with status {self._process.returncode}"
            elif time.monotonic() > deadline:
                reason = f"it took no connection within {timeout_s:g} s ({refusal})"
            else:
                time.sleep(0.02)
                continue
            raise StartFailed("TimescaleDB", reason, self._log.path, last_lines(self._log.path))


def _environment() -> dict[str, str]:
    """Little and fixed: no PG* variable of the user's reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
