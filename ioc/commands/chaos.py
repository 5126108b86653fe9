"""`ioc chaos`: strike the workers of a staging system on this machine."""

from __future__ import annotations

import random
import time

import click

from ioc.commands.wiring import process_settings
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings


@click.command()
@click.argument("pids", type=int, nargs=-1)
@click.option("--match", is_flag=True, help="Strike all workers of IOC_NAMESPACE, also those that start meanwhile.")
@click.option("--for", "for_s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds.")
@click.option("--every", "every_s", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="On average.")
@click.option("--seed", type=int, help="The same seed gives the same schedule; without, one is chosen and said.")
@click.option("--live", is_flag=True, help="Strike the live system...")
@click.option("--yes-live", is_flag=True, help="...and mean it.")
def chaos(
    pids: tuple[int, ...], match: bool, for_s: float, every_s: float, seed: int | None, live: bool, yes_live: bool
) -> None:
    """Kill and pause workers of a staging system on this machine, from a seed; says each strike, ends by itself.

    Only processes of `ioc worker` that belong to you and run in IOC_NAMESPACE are struck: those of PIDS, or all with
    --match. What supervises them must start them again. Afterwards nothing may be lost: `ioc doctor`, and the lag.
    """
    from ioc.chaos.schedule import plan
    from ioc.chaos.striking import KINDS, Striking, find_workers, worker_of

    namespace = process_settings().namespace
    if namespace == Settings.namespace and not (live and yes_live):
        raise ConfigurationInvalid(
            "IOC_NAMESPACE", f"{namespace!r} is the live system; to strike it give --live and --yes-live"
        )
    if bool(pids) == match:
        raise click.UsageError("give either PIDS or --match")
    given = [worker_of(pid, namespace) for pid in pids]
    seed = random.randrange(1_000_000) if seed is None else seed
    faults = plan(seed, KINDS, strikes=max(1, round(for_s / every_s)), from_s=0, until_s=for_s)
    click.echo(f"seed {seed}, {len(faults)} strikes in {for_s:g} s at workers of {namespace}")
    began = time.monotonic()
    struck = Striking(
        (lambda: find_workers(namespace)) if match else (lambda: given),
        lambda line: click.echo(f"{time.monotonic() - began:6.1f} s  {line}"),
    ).execute(faults, for_s)
    click.echo(f"{struck} of {len(faults)} strikes found a worker; every pause is over")
