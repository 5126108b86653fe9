"""Decides which servers the demo uses: those given by URL in the environment, else embedded ones over its folder.

Also wires everything else to them: the settings of this process, the environment of each child, the reader's URL.
Never wipes, and never changes the passwords of, a server that was given.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

import ioc
from ioc.demo.folder import DemoFolder
from ioc.embedded.cache import default_cache_dir
from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.ports import RememberedPorts
from ioc.embedded.prerequisites import DataUnusable, PortTaken, check_port, port_is_free
from ioc.embedded.timescale import EmbeddedTimescale
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, read_settings
from streams.storage.connection import retried_later

PROJECT = Path(ioc.__file__).parents[1]
INGEST_PORT = Settings.ingest_port
REPLAY_NAMESPACE = "demo_replay"
"""Topics and schema of a demo at another speed than the clock's; wiped at each start."""
_WIRED = ("KAFKA_BOOTSTRAP", "DATABASE_URL", "DATABASE_PASSWORD", "ADMIN_DATABASE_URL", "ADMIN_DATABASE_PASSWORD",
          "WRITER_PASSWORD", "READER_PASSWORD", "GATEWAY_TOKENS", "INGEST_PORT", "HEALTH_DIR", "NAMESPACE",
          "SITE_FILE")  # fmt: skip
Note = Callable[[str], None]


@dataclass(frozen=True)
class Wiring:
    """Everything by which the parts of the demo find each other. reader_url holds a password."""

    settings: Settings
    reader_url: str
    psql: Path
    environment: dict[str, str]
    """Of every child."""
    admin_environment: dict[str, str]
    """In addition, for the child that maintains the database."""

    @property
    def ingest_url(self) -> str:
        host, port = self.settings.ingest_host, self.settings.ingest_port
        return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '::') else host}:{port}/v1/traffic/readings"  # noqa: S104


class Servers:
    """Kafka and TimescaleDB for one demo. ``kafka`` and ``timescale`` are None where one was given by URL."""

    def __init__(
        self, folder: DemoFolder, environ: Mapping[str, str], *, on_kafka: Note, on_database: Note, replay: bool
    ) -> None:
        """replay: use a namespace of its own. Raises ConfigurationInvalid."""
        self._folder, self._environ = folder, environ
        given = read_settings(environ)
        self.base = replace(
            given,
            site_file=_site_file(environ, given),
            health_dir=folder.health,
            namespace=REPLAY_NAMESPACE if replay else given.namespace,
        )
        self.cache_dir = default_cache_dir(environ)
        self._notes = {"Kafka": on_kafka, "TimescaleDB": on_database}
        self.kafka = self.timescale = None
        if not environ.get("IOC_KAFKA_BOOTSTRAP"):
            self.kafka = EmbeddedKafka(folder.kafka, cache_dir=self.cache_dir, on_progress=on_kafka)
        if not environ.get("IOC_ADMIN_DATABASE_URL"):
            self.timescale = EmbeddedTimescale(folder.timescale, cache_dir=self.cache_dir, on_progress=on_database)

    def check_fresh(self) -> None:
        """Raises ConfigurationInvalid where a server was given: its data are not the demo's to wipe."""
        for name, server in (("IOC_KAFKA_BOOTSTRAP", self.kafka), ("IOC_ADMIN_DATABASE_URL", self.timescale)):
            if server is None:
                raise ConfigurationInvalid(name, "--fresh wipes only servers that the demo starts itself; unset it")

    def wipe(self) -> None:
        for server in (self.kafka, self.timescale):
            if server is not None:
                server.wipe()

    async def start_kafka(self) -> str:
        """host:port."""
        if self.kafka is None:
            return self.base.kafka_bootstrap
        await asyncio.to_thread(self._start, self.kafka, self._folder.kafka, "broker", "Kafka")
        return self.kafka.bootstrap

    async def start_database(self) -> str:
        """The administrator's URL."""
        if self.timescale is None:
            return self.base.admin_database_url
        await asyncio.to_thread(self._start, self.timescale, self._folder.timescale, "postgres", "TimescaleDB")
        return self.timescale.dsn

    def _start(self, server: EmbeddedKafka | EmbeddedTimescale, folder: Path, port: str, name: str) -> None:
        """On another port where the one it had was taken meanwhile: clients are told by us."""
        try:
            try:
                server.start()
            except PortTaken as taken:
                self._notes[name](f"port {taken.port} is taken by another process; choosing another one")
                RememberedPorts(folder / "ports.json").forget(port)
                server.start()
        except DataUnusable as fault:
            raise DataUnusable(f"{fault}\n`ioc demo --fresh` wipes the demo's data") from None

    def wire(self, bootstrap: str, admin_url: str) -> Wiring:
        """Raises ConfigurationInvalid, PortTaken, RetryLater."""
        folder, base = self._folder, self.base
        own_writer = "IOC_DATABASE_URL" in self._environ
        if self.timescale is None:
            self._check_roles(admin_url, () if own_writer else ("writer",))
        writer_file = folder.secret("writer_password", base.writer_password)
        reader_file = folder.secret("reader_password", base.reader_password)
        writer_url, reader_url = _with_user(admin_url, "ioc_writer"), _with_user(admin_url, "ioc_reader")
        settings = replace(
            base,
            kafka_bootstrap=bootstrap,
            admin_database_url=admin_url,
            writer_password=base.writer_password if own_writer else writer_file.read_text(),
            reader_password=reader_file.read_text(),
            ingest_port=self._ingest_port(),
        )
        environment = {name: value for name, value in self._environ.items() if not _is_wired(name)}
        environment |= {
            "IOC_KAFKA_BOOTSTRAP": bootstrap,
            "IOC_NAMESPACE": settings.namespace,
            "IOC_SITE_FILE": str(settings.site_file),
            "IOC_INGEST_PORT": str(settings.ingest_port),
            "IOC_GATEWAY_TOKENS_FILE": str(folder.gateway_tokens()),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), self._environ.get("PYTHONPATH")))),
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if own_writer:
            names = ("IOC_DATABASE_URL", "IOC_DATABASE_PASSWORD", "IOC_DATABASE_PASSWORD_FILE")
            environment |= {name: self._environ[name] for name in names if name in self._environ}
        else:
            environment |= {"IOC_DATABASE_URL": writer_url, "IOC_DATABASE_PASSWORD_FILE": str(writer_file)}
        parts = conninfo_to_dict(reader_url)
        place = {name: str(value) for name, value in parts.items() if name in ("host", "port", "dbname", "user")}
        return Wiring(
            settings=settings,
            reader_url=_with_user(admin_url, "ioc_reader", reader_file.read_text()),
            psql=folder.write_psql(place, reader_file.read_text()),
            environment=environment,
            admin_environment=self._admin_environment(admin_url),
        )

    def _admin_environment(self, admin_url: str) -> dict[str, str]:
        """The password by file, so that it stands in no process's environment that we make."""
        password = urlsplit(admin_url).password
        if password is None or self.timescale is None:
            return {"IOC_ADMIN_DATABASE_URL": admin_url}
        user = urlsplit(admin_url).username or "postgres"
        file = self._folder.secret("admin_password", password)
        return {"IOC_ADMIN_DATABASE_URL": _with_user(admin_url, user), "IOC_ADMIN_DATABASE_PASSWORD_FILE": str(file)}

    def _check_roles(self, admin_url: str, also: tuple[str, ...]) -> None:
        """A role that the given database has already keeps its password: it must be told to us."""
        with retried_later(), psycopg.connect(admin_url, autocommit=True, connect_timeout=5) as connection:
            found = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'ioc_%%'")}
        known = {"writer": self.base.writer_password, "reader": self.base.reader_password}
        for who in (*also, "reader"):
            if f"ioc_{who}" in found and not known[who] and not self._folder.has_secret(f"{who}_password"):
                raise ConfigurationInvalid(
                    f"IOC_{who.upper()}_PASSWORD_FILE",
                    f"the database given has a role ioc_{who} already; name the file that holds its password",
                )

    def _ingest_port(self) -> int:
        """The one given, else the one of last time, else the standard one, else any that is free."""
        if self._environ.get("IOC_INGEST_PORT"):
            if self.base.ingest_port:
                check_port(self.base.ingest_port, "HTTP ingest (IOC_INGEST_PORT)")
            return self.base.ingest_port
        ports = RememberedPorts(self._folder.root / "ports.json")
        if not port_is_free(ports.get("ingest", None if (self._folder.root / "ports.json").exists() else INGEST_PORT)):
            ports.forget("ingest")
        return ports.get("ingest")


def _is_wired(name: str) -> bool:
    plain = name.removesuffix("_FILE") if not name.endswith("SITE_FILE") else name
    return plain in {f"IOC_{wired}" for wired in _WIRED}


def _site_file(environ: Mapping[str, str], given: Settings) -> Path:
    if environ.get("IOC_SITE_FILE"):
        return given.site_file.absolute()
    file = PROJECT / Settings.site_file
    if not file.is_file():
        raise ConfigurationInvalid(
            "IOC_SITE_FILE",
            f"there is no {file}: run the demo from a checkout of the project, or name a site file here",
        )
    return file


def _with_user(url: str, user: str, password: str = "") -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    secret = f":{quote(password, safe='')}" if password else ""
    return urlunsplit(parts._replace(netloc=f"{user}{secret}@{host}"))
