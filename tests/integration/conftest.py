"""Real servers for the integration tests: Apache Kafka and TimescaleDB, embedded, one each for the whole run.

A server that cannot be started fails the tests; it never skips them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.timescale import EmbeddedTimescale


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that the servers' unprivileged users can reach."""
    path = Path(tempfile.mkdtemp(prefix="ioc-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(server_dir: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(server_dir / "kafka") as server:
        yield server


@pytest.fixture(scope="session")
def timescale(server_dir: Path) -> Iterator[EmbeddedTimescale]:
    with EmbeddedTimescale(server_dir / "timescale") as server:
        yield server


@pytest.fixture
def kafka_bootstrap(kafka: EmbeddedKafka) -> str:
    kafka.start()
    return kafka.bootstrap


@pytest.fixture
def admin_database_url(timescale: EmbeddedTimescale) -> str:
    timescale.start()
    return timescale.dsn
