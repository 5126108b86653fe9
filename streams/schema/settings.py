"""How a process is wired: one frozen Settings, read from the environment in one place.

Every variable has the prefix IOC_. A secret is given by file: IOC_X_FILE names the file that holds X.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from streams.schema.errors import ConfigurationInvalid
from streams.schema.topics import Topics

_NAMESPACE = re.compile(r"^[a-z][a-z0-9_]{0,30}$")


@dataclass(frozen=True)
class Settings:
    """The wiring of one process. URLs may hold a password: never log them, use ``public_url``."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    database_url: str = field(default="postgresql://ioc_writer@127.0.0.1:5432/ioc", repr=False)
    admin_database_url: str = field(default="postgresql://postgres@127.0.0.1:5432/ioc", repr=False)
    namespace: str = "ioc"
    """Prefix of topics and consumer groups, and the database schema."""
    partitions: int = 4
    site_file: Path = Path("config/haiphong.toml")
    store_readings: bool = False
    """Store every traffic reading too, not only the 1-min rows."""
    batch_events: int = 256
    """At most so many events are written and acknowledged together."""
    ingest_host: str = "127.0.0.1"
    ingest_port: int = 8480
    gateway_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Token by gateway, for the HTTP ingest."""
    writer_password: str = field(default="", repr=False)
    reader_password: str = field(default="", repr=False)
    """Passwords that `ioc migrate` gives to the roles ioc_writer and ioc_reader."""
    health_dir: Path = Path(tempfile.gettempdir()) / "ioc-health"
    """Where processes touch a file to show that they are alive."""
    log_level: str = "INFO"

    @property
    def topics(self) -> Topics:
        return Topics(self.namespace, self.partitions)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from IOC_* variables. Raises ConfigurationInvalid with the variable's name."""
    given = _Given(environment)
    namespace = given.text("NAMESPACE", Settings.namespace)
    check_namespace(namespace, "IOC_NAMESPACE")
    settings = Settings(
        kafka_bootstrap=given.text("KAFKA_BOOTSTRAP", Settings.kafka_bootstrap),
        database_url=given.url("DATABASE_URL", Settings.database_url, "DATABASE_PASSWORD"),
        admin_database_url=given.url("ADMIN_DATABASE_URL", Settings.admin_database_url, "ADMIN_DATABASE_PASSWORD"),
        namespace=namespace,
        partitions=given.number("PARTITIONS", Settings.partitions, 1, 1024),
        site_file=Path(given.text("SITE_FILE", str(Settings.site_file))),
        store_readings=given.switch("STORE_READINGS", Settings.store_readings),
        batch_events=given.number("BATCH_EVENTS", Settings.batch_events, 1, 10_000),
        ingest_host=given.text("INGEST_HOST", Settings.ingest_host),
        ingest_port=given.number("INGEST_PORT", Settings.ingest_port, 0, 65535),
        gateway_tokens=_gateway_tokens(given.secret("GATEWAY_TOKENS", "")),
        writer_password=given.secret("WRITER_PASSWORD", ""),
        reader_password=given.secret("READER_PASSWORD", ""),
        health_dir=Path(given.text("HEALTH_DIR", str(Settings.health_dir))),
        log_level=given.text("LOG_LEVEL", Settings.log_level).upper(),
    )
    given.refuse_unknown()
    return settings


def check_namespace(name: str, path: str) -> None:
    """Raises ConfigurationInvalid, naming the place it came from, for what cannot be a namespace."""
    if not _NAMESPACE.match(name):
        raise ConfigurationInvalid(path, "use a-z, 0-9 and _, beginning with a letter, at most 31 long")


def public_url(url: str) -> str:
    """The URL without its password, for logs and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def _gateway_tokens(text: str) -> dict[str, str]:
    """One ``gateway=token`` a line; tokens shorter than 16 characters are refused."""
    tokens: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        gateway, _, token = (part.strip() for part in line.partition("="))
        if not gateway or len(token) < 16:
            raise ConfigurationInvalid(
                "IOC_GATEWAY_TOKENS",
                f"line {number}: write gateway=token, the token with at least 16 characters",
            )
        tokens[gateway] = token
    return tokens


class _Given:
    """The IOC_* variables, each read once; what nobody read is a typing error and refused."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {k: v for k, v in environment.items() if k.startswith("IOC_")}
        self._read: set[str] = set(OTHER_VARIABLES)

    def text(self, name: str, default: str) -> str:
        self._read.add(f"IOC_{name}")
        return self._environment.get(f"IOC_{name}", "") or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        if not text.isascii() or not text.lstrip("-").isdigit() or not low <= int(text) <= high:
            raise ConfigurationInvalid(f"IOC_{name}", f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    def switch(self, name: str, default: bool) -> bool:
        text = self.text(name, str(default)).lower()
        if text not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigurationInvalid(f"IOC_{name}", f"{text!r} is neither true nor false")
        return text in ("true", "1", "yes")

    def secret(self, name: str, default: str) -> str:
        file = self.text(f"{name}_FILE", "")
        if not file:
            return self.text(name, default)
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as fault:
            raise ConfigurationInvalid(f"IOC_{name}_FILE", f"cannot read {file}: {fault.strerror}") from None

    def url(self, name: str, default: str, password_name: str) -> str:
        url = self.text(name, default)
        password = self.secret(password_name, "")
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise ConfigurationInvalid(f"IOC_{name}", "expected postgresql://user@host:port/database")
        if not password:
            return url
        user, host = parts.username or "", parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))

    def refuse_unknown(self) -> None:
        unknown = sorted(set(self._environment) - self._read)
        if unknown:
            raise ConfigurationInvalid(unknown[0], "no such variable; `ioc settings` lists those that exist")


OTHER_VARIABLES = ("IOC_CACHE_DIR", "IOC_DATA_DIR", "IOC_JAVA_HOME", "IOC_DEBIAN_MIRROR")
"""Variables of the embedded servers (ioc/embedded), read there."""
