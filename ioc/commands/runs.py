"""`ioc runs`: the namespaces that replays and tests have left, and their removal."""

from __future__ import annotations

import asyncio
import difflib
from datetime import UTC, datetime

import click

from ioc.commands.wiring import process_settings
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import check_namespace


@click.group(invoke_without_command=True)
@click.pass_context
def runs(context: click.Context) -> None:
    """List the isolated namespaces: what replays and tests have left in the database and in Kafka.

    \b
      ioc runs                                 # name, age, size, messages
      ioc runs drop replay_20260302_010000_ab12
    """
    if context.invoked_subcommand is None:
        from ioc.replaying.isolated_namespaces import listed, table

        click.echo(table(listed(process_settings()), datetime.now(UTC)))


@runs.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def drop(names: tuple[str, ...]) -> None:
    """Remove topics and schema of isolated namespaces, with all that is in them. Never the live one."""
    from ioc.replaying.isolated_namespaces import drop_isolated, listed
    from streams.storage.migrate import is_live

    settings = process_settings()
    known = [each.name for each in listed(settings)]
    for name in names:
        check_namespace(name, "NAME")
        if is_live(name):
            raise ConfigurationInvalid("NAME", f"{name!r} is the live system, which is never dropped")
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.5)
            hint = f"near it are {', '.join(near)}" if near else "`ioc runs` lists those there are"
            raise ConfigurationInvalid("NAME", f"there is no {name!r}; {hint}")
    for name in names:
        asyncio.run(drop_isolated(settings, name))
        click.echo(f"dropped {name}")
