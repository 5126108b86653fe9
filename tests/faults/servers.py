"""One Kafka and one TimescaleDB for many seeds, each with a proxy between it and the workers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.timescale import EmbeddedTimescale
from tests.faults.proxy import Proxy


@dataclass(frozen=True)
class Servers:
    kafka: EmbeddedKafka
    timescale: EmbeddedTimescale
    kafka_proxy: Proxy
    database_proxy: Proxy
    folder: Path

    def heal(self) -> None:
        """Both run, and nothing lies between."""
        for proxy in (self.kafka_proxy, self.database_proxy):
            proxy.lift_all()
        self.kafka.start()
        self.timescale.start()


@contextmanager
def servers() -> Iterator[Servers]:
    """Started, in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ioc-faults-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with Proxy() as kafka_proxy, Proxy() as database_proxy:
            kafka = EmbeddedKafka(folder / "kafka", proxy_port=kafka_proxy.port)
            timescale = EmbeddedTimescale(folder / "timescale")
            with kafka, timescale:
                kafka_proxy.forward_to(*kafka.behind_proxy)
                database = urlsplit(timescale.dsn)
                assert database.hostname is not None and database.port is not None
                database_proxy.forward_to(database.hostname, database.port)
                yield Servers(kafka, timescale, kafka_proxy, database_proxy, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
