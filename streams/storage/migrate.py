"""Brings a namespace of the database to this version's schema: plain SQL files, forward only, each applied once.

Words between a file's number and ``.sql`` say where it belongs: ``apache`` or ``community``, the edition of
TimescaleDB; ``live``, the live namespace only. Decides the order and refuses a file that was changed after it was
applied. Knows nothing of what the files create.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import psycopg
from psycopg import sql

from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, public_url
from streams.storage import queries
from streams.storage.connection import connection_string, retried_later

Edition = Literal["apache", "community"]
OWNER = "ioc_owner"
_ROLES = {
    # the owner's background jobs need LOGIN on the community edition; nobody can log in as it
    OWNER: "LOGIN CONNECTION LIMIT 0",
    "ioc_writer": "LOGIN",
    "ioc_reader": "LOGIN",
}
_READER_SETTINGS = {"default_transaction_read_only": "on", "statement_timeout": "30s"}
_WHERE = "IOC_ADMIN_DATABASE_URL"


@dataclass(frozen=True)
class Migration:
    """One file. belongs: where it is applied (apache, community, live); nothing: everywhere."""

    name: str
    belongs: frozenset[str]
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Report:
    namespace: str
    edition: Edition
    applied: list[str]

    def text(self) -> str:
        done = "\n".join(f"applied {name}" for name in self.applied) or "nothing to apply"
        return f"{done}\nschema {self.namespace} is up to date (TimescaleDB, {self.edition} edition)"


def all_migrations() -> list[Migration]:
    """Every file, in order."""
    found = []
    for file in resources.files("streams.storage").joinpath("migrations").iterdir():
        if file.name.endswith(".sql"):
            belongs = frozenset(file.name.split(".")[1:-1])
            found.append(Migration(file.name, belongs, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.name)


def migrations(edition: Edition, namespace: str) -> list[Migration]:
    """The files for a namespace on an edition, in order."""
    here = {edition, "live"} if is_live(namespace) else {edition}
    return [migration for migration in all_migrations() if migration.belongs <= here]


def is_live(namespace: str) -> bool:
    """Whether retention applies: an isolated run may hold data of years ago."""
    return namespace == Settings.namespace


def migrate(settings: Settings) -> Report:
    """Apply what is pending. Raises ConfigurationInvalid with the way out, RetryLater while the database is away."""
    with retried_later(), _admin(settings) as connection:
        connection.execute(queries.LOCK_MIGRATIONS)
        _ensure_extension(connection)
        edition = edition_of(connection)
        _ensure_roles(connection, settings)
        _ensure_schema(connection, settings.namespace)
        applied: dict[str, str] = dict(connection.execute(queries.APPLIED_MIGRATIONS).fetchall())
        done = []
        for migration in migrations(edition, settings.namespace):
            if migration.name not in applied:
                _apply(connection, migration)
                done.append(migration.name)
            elif applied[migration.name] != migration.sha256:
                raise ConfigurationInvalid(
                    migration.name, "was changed after it was applied; put it back and write a new migration"
                )
        return Report(settings.namespace, edition, done)


def drop_namespace(settings: Settings) -> None:
    """Remove everything of an isolated run. Raises ConfigurationInvalid for the live namespace."""
    if is_live(settings.namespace):
        raise ConfigurationInvalid("IOC_NAMESPACE", "the live namespace is never dropped")
    schema = sql.Identifier(settings.namespace)
    with retried_later(), _admin(settings) as connection:
        connection.execute(queries.LOCK_MIGRATIONS)
        if connection.execute(queries.TIMESCALE_VERSION).fetchone():
            # one by one: each chunk takes locks, of which a transaction has not unlimited many
            for (table,) in connection.execute(queries.HYPERTABLES_OF, [settings.namespace]).fetchall():
                connection.execute(
                    sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(settings.namespace, table))
                )
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))


def edition_of(connection: psycopg.Connection) -> Edition:
    """Which edition of TimescaleDB a database with the extension runs."""
    row = connection.execute(queries.EDITION).fetchone()
    return "apache" if row and row[0] == "apache" else "community"


def _admin(settings: Settings) -> psycopg.Connection:
    connection = psycopg.connect(
        connection_string(settings.admin_database_url, settings.namespace, "ioc migrate"), autocommit=True
    )
    connection.execute("SET client_min_messages = warning")
    return connection


def _ensure_extension(connection: psycopg.Connection) -> None:
    if connection.execute(queries.TIMESCALE_VERSION).fetchone():
        return
    try:
        connection.execute(queries.CREATE_EXTENSION)
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigurationInvalid(
            _WHERE, "this role may not create the extension timescaledb; give a superuser's URL"
        ) from None
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as fault:
        raise ConfigurationInvalid(
            _WHERE,
            f"this PostgreSQL has no TimescaleDB ({str(fault).partition(chr(10))[0]}); install it and put timescaledb "
            "into shared_preload_libraries, or use the image of docker-compose.yml",
        ) from None


def _ensure_roles(connection: psycopg.Connection, settings: Settings) -> None:
    passwords = {"ioc_writer": settings.writer_password, "ioc_reader": settings.reader_password}
    try:
        for role, attributes in _ROLES.items():
            _ensure_role(connection, role, attributes)
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(OWNER)))
        for role, password in passwords.items():
            if password:
                _set_password(connection, role, password)
        for name, value in _READER_SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE ioc_reader SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )
        if is_live(settings.namespace):
            connection.execute(
                sql.SQL("ALTER ROLE ioc_reader SET search_path = {}, public").format(sql.Identifier(settings.namespace))
            )
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO ioc_writer, ioc_reader").format(database))
        connection.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO ioc_writer").format(database))
    except psycopg.errors.InsufficientPrivilege as fault:
        raise ConfigurationInvalid(
            _WHERE,
            f"the role of {public_url(settings.admin_database_url)} may not set up roles "
            f"({str(fault).partition(chr(10))[0]}); give one that may, such as a superuser",
        ) from None


def _ensure_role(connection: psycopg.Connection, role: str, attributes: str) -> None:
    if connection.execute(queries.ROLE_EXISTS, [role]).fetchone():
        return
    try:
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), sql.SQL(attributes)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return  # roles are the whole server's: a migration of another database was quicker


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """As its SCRAM verifier, so that the password itself reaches no server log."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
    )


def _ensure_schema(connection: psycopg.Connection, namespace: str) -> None:
    schema, owner = sql.Identifier(namespace), sql.Identifier(OWNER)
    try:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, owner))
    except psycopg.errors.ReservedName:
        raise ConfigurationInvalid("IOC_NAMESPACE", "names that begin with pg_ belong to PostgreSQL") from None
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigurationInvalid(_WHERE, f"this role may not create the schema {namespace}") from None
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO ioc_writer, ioc_reader").format(schema))
    with connection.transaction():
        _as_owner(connection)
        connection.execute(queries.CREATE_LEDGER)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        _as_owner(connection)
        connection.execute(migration.text.encode())
        connection.execute(queries.NOTE_MIGRATION, [migration.name, migration.sha256])


def _as_owner(connection: psycopg.Connection) -> None:
    """Until the transaction ends, what is created belongs to the owner role."""
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
