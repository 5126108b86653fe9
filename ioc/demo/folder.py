"""Decides where a demo keeps its data, who may read them, and that one demo at a time uses a folder.

Secrets are made once, at random, each a file that only its owner reads. Knows nothing of servers.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from ioc.embedded.bounded_log import BoundedLog
from ioc.embedded.prerequisites import EmbeddedError

GATEWAY = "demo-gateway"


class DemoRunning(EmbeddedError):
    """Another demo uses the folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"another demo already runs over {folder}{f' (process {pid})' if pid else ''}. End it with Ctrl-C there"
            f"{f' or `kill {pid}`' if pid else ''}, or give this one a folder of its own: IOC_DATA_DIR=/some/folder"
        )


def default_data_dir(environ: Mapping[str, str], *, root: bool | None = None) -> Path:
    """IOC_DATA_DIR, else the system's folder for root, else the user's own data folder.

    Root's database runs as an unprivileged account, which could not enter a folder below root's home.
    """
    if given := environ.get("IOC_DATA_DIR"):
        return Path(given).expanduser().absolute()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/ioc-demo")
    if base := environ.get("XDG_DATA_HOME"):
        return Path(base).absolute() / "ioc-demo"
    return Path(environ.get("HOME") or "~").expanduser() / ".local" / "share" / "ioc-demo"


class DemoFolder:
    """The folders and secrets of one demo."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kafka, self.timescale = root / "kafka", root / "timescale"
        self.logs, self.health, self._secrets = root / "logs", root / "health", root / "secrets"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Made if need be, and held until the end of the block. Raises DemoRunning, EmbeddedError."""
        try:
            self._make()
            lock = (self.root / "demo.lock").open("a+")
        except OSError as fault:
            raise EmbeddedError(
                f"cannot use {self.root} for the demo's data: {fault.strerror}. "
                "Name a folder that you may write to: IOC_DATA_DIR=/some/folder"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise DemoRunning(self.root, lock.read().strip()) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
            lock.truncate(0)

    def _make(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.health):
            folder.mkdir(exist_ok=True)
        self._secrets.mkdir(mode=0o700, exist_ok=True)

    def log(self, name: str) -> BoundedLog:
        return BoundedLog(self.logs / f"{name}.log")

    def has_secret(self, name: str) -> bool:
        return (self._secrets / name).is_file()

    def secret(self, name: str, given: str = "") -> Path:
        """The file with a secret: the one given, else the one there is, else a fresh one."""
        file = self._secrets / name
        if given or not file.is_file():
            self._write(file, given or secrets.token_urlsafe(24), 0o600)
        return file

    def gateway_tokens(self) -> Path:
        """The file with the token of the demo's gateway, for the HTTP ingest."""
        file = self._secrets / "gateway_tokens"
        if not file.is_file():
            self._write(file, f"{GATEWAY}={secrets.token_urlsafe(24)}\n", 0o600)
        return file

    def write_psql(self, connection: Mapping[str, str], password: str) -> Path:
        """A script that opens psql as the reader; the password stands in a file beside, never in an argument."""
        names = ("host", "port", "dbname", "user")
        pgpass = self._secrets / "pgpass"
        fields = [connection.get(name, "*").replace("\\", "\\\\").replace(":", "\\:") for name in names]
        self._write(pgpass, ":".join([*fields, password]) + "\n", 0o600)
        given = make_conninfo("", **{name: connection[name] for name in names if name in connection})
        script = self.root / "psql"
        command = shlex.join([self._psql(), "-d", given])
        text = f'#!/bin/sh\nPGPASSFILE={shlex.quote(str(pgpass))} exec {command} "$@"\n'
        self._write(script, text, 0o700)
        return script

    def _psql(self) -> str:
        """The embedded server's own, else the machine's."""
        noted = self.timescale / "installation"
        if noted.is_file() and (own := Path(noted.read_text()) / "psql").is_file():
            return str(own)
        return shutil.which("psql") or "psql"

    def _write(self, file: Path, text: str, mode: int) -> None:
        partial = file.with_name(f".{file.name}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
            out.write(text)
        partial.replace(file)
