"""`ioc verify`: does a recording give what it gave?"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from ioc.commands.replay import Speed
from ioc.commands.wiring import process_settings


@click.command()
@click.argument("case", metavar="RECORDING", type=click.Path(path_type=Path, exists=True))
@click.option("--site", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its site file.")
@click.option("--accept", is_flag=True, help="Write what it gives as the new golden files.")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--partitions", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True)
@click.option("--plain", is_flag=True, help="Lines instead of a bar.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language of the bar.")
def verify(
    case: Path,
    site: Path | None,
    accept: bool,
    speed: float | None,
    partitions: int,
    workers: int,
    plain: bool,
    lang: str,
) -> None:
    """Replay RECORDING into an isolated run and compare every row and every alarm decision with the golden ones.

    RECORDING is a recording, whose golden files lie beside it in RECORDING.golden/, or a folder with recording.*,
    site.toml and golden/. Exit 0 if all is the same; 1 if not, with each row, each column, and the entry of the
    recording that makes the row. Speed, partitions and workers must not change anything.

    Servers named by IOC_KAFKA_BOOTSTRAP and IOC_ADMIN_DATABASE_URL are used; else embedded ones are started.

    \b
      ioc verify tests/replay/cases/smoke
      ioc verify tests/replay/cases/smoke --speed 60 --partitions 4 --workers 2
      ioc verify my-recording.mcap --accept      # the first time, and after a change that was meant
    """
    from ioc.run_servers import run_servers
    from ioc.verification import golden
    from ioc.verification.case import find_case
    from ioc.verification.difference import differences, report
    from ioc.verification.origin import origins
    from ioc.verification.run import Way, closed, run_case
    from streams.replay.progress import ReplayProgress

    found = find_case(case, site, process_settings().site_file)
    recording, its_site = found.recording(), found.site()
    expected = None if accept else golden.read(found.golden)
    with run_servers(os.environ, lambda text: click.echo(text, err=True)) as (base, logs):
        began = time.monotonic()
        with ReplayProgress(recording.info, plain=plain or None, language="vi" if lang == "vi" else "en") as progress:
            now = run_case(recording, its_site, base, logs, Way(speed, partitions, workers), progress)
        took_s = time.monotonic() - began
    if expected is None:
        golden.write(now, found.golden)
        click.echo(f"{found.golden}: {now.total()} rows and decisions written; look at them before you commit them")
        return
    difference = differences(expected, now)
    if difference:
        click.echo(report(difference, lambda: origins(closed(recording), its_site, store_readings=base.store_readings)))
        click.echo(f"{found.file} does not give what it gave ({found.golden}); if that is meant: --accept")
        raise SystemExit(1)
    click.echo(f"{found.file}: {now.total()} rows and decisions, all as they were ({took_s:.1f} s)")
