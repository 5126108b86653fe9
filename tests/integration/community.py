"""TimescaleDB's community edition in WebAssembly, behind one connection, for as long as a context lasts.

One session serves everybody who connects, so settings made once stay. It knows no COPY and runs no background job.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from streams.schema.errors import RetryLater

T = TypeVar("T")
NODE_DIR = Path(__file__).parent / "node"


@contextmanager
def community_edition(namespace: str) -> Iterator[str]:
    """URL of the superuser; unqualified names are those of the namespace."""
    _install()
    server = subprocess.Popen(
        ["node", "community.mjs"], cwd=NODE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None and server.stdout is not None
    with server:
        try:
            port = server.stdout.readline().strip()
            assert port.isdigit(), "the community edition did not start: is this Node.js 20 or later?"
            url = f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"
            with connected(url) as connection:
                connection.execute(f"SET search_path = {namespace}, public, pg_temp".encode())
                connection.execute("SET timezone = 'UTC'")
            yield url
        finally:
            server.stdin.close()


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """The only connection; the one before may take a moment to be gone, and so does this one."""
    for attempt in range(50):
        try:
            connection = psycopg.connect(url, autocommit=True)
            break
        except psycopg.OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.1)
    with connection:
        yield connection
    time.sleep(0.5)


def patiently(ask: Callable[[], T]) -> T:
    """Ask again while the connection before is not gone yet."""
    for _ in range(50):
        try:
            return ask()
        except RetryLater:
            time.sleep(0.2)
    return ask()


def _install() -> None:
    """npm ci, once for each version of the lock file."""
    lock = hashlib.sha256((NODE_DIR / "package-lock.json").read_bytes()).hexdigest()
    installed = NODE_DIR / "node_modules" / ".lock.sha256"
    if not installed.exists() or installed.read_text() != lock:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE_DIR, check=True)
        installed.write_text(lock)
