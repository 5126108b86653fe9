"""Schema, topics and exports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ioc.commands.wiring import process_settings


@click.command()
def migrate() -> None:
    """Bring the database to this version's schema.

    Connects as IOC_ADMIN_DATABASE_URL (may create roles and extensions). Gives the roles ioc_writer and ioc_reader
    the passwords of IOC_WRITER_PASSWORD_FILE and IOC_READER_PASSWORD_FILE, if set. Safe to run again.
    """
    from streams.storage import migrate as migration

    report = migration.migrate(process_settings())
    click.echo(report.text())


@click.command()
def topics() -> None:
    """Create the topics that are missing, with IOC_PARTITIONS partitions."""
    from streams.admin import ensure_topics

    settings = process_settings()
    created = asyncio.run(ensure_topics(settings))
    click.echo("\n".join(f"created {name}" for name in created) or "all topics are there")


@click.command()
@click.argument("table")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of to stdout.")
def export(table: str, out: Path | None) -> None:
    """Write TABLE as CSV, ordered by its key: the same data give the same bytes."""
    from streams.schema.tables import TABLES
    from streams.storage.export import export_csv

    known = {known.name: known for known in TABLES}
    if table not in known:
        raise click.BadParameter(f"no such table; there are {', '.join(known)}", param_hint="TABLE")
    data = export_csv(process_settings(), known[table])
    if out:
        out.write_bytes(data)
        click.echo(f"{out}: {len(data)} bytes")
    else:
        click.get_binary_stream("stdout").write(data)
