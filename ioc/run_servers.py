"""Servers for isolated runs: those given by URL in the environment, else embedded ones over a folder of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ioc.demo.folder import DemoFolder, default_data_dir
from ioc.demo.servers import Servers
from streams.schema.settings import Settings


@contextmanager
def run_servers(
    environ: Mapping[str, str], note: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[Settings, Path]]:
    """Where the servers are, and a folder for logs. What was started is stopped at the end.

    note hears of long work. Raises ConfigurationInvalid, EmbeddedError, RetryLater.
    """
    folder = DemoFolder(default_data_dir(environ) / "runs")
    with folder.claimed():
        servers = Servers(folder, environ, on_kafka=note, on_database=note, replay=True)
        try:
            bootstrap, admin_url = asyncio.run(_start(servers))
            wiring = servers.wire(bootstrap, admin_url)
            settings = wiring.settings
            if "IOC_DATABASE_URL" not in environ:
                url = urlsplit(wiring.environment["IOC_DATABASE_URL"])
                host = url.netloc.rpartition("@")[2]
                writer = f"{url.username}:{quote(settings.writer_password, safe='')}@{host}"
                settings = replace(settings, database_url=urlunsplit(url._replace(netloc=writer)))
            yield settings, folder.logs
        finally:
            for server in (servers.kafka, servers.timescale):
                if server is not None:
                    server.stop()


async def _start(servers: Servers) -> tuple[str, str]:
    bootstrap, admin_url = await asyncio.gather(servers.start_kafka(), servers.start_database())
    return bootstrap, admin_url
