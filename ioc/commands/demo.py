"""`ioc demo`: everything on this machine, fed with a recording."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import logging.handlers
import os
import sys
from pathlib import Path

import click

NOTHING_AFTER_S = 40.0
"""A demo that ran so long and stored nothing has failed."""


@click.command()
@click.option(
    "--recording",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Play this one instead of the bundled 20 minutes of a busy morning.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=1.0,
    show_default=True,
    help="1: as live data. Else at the recording's own times, in a namespace that is wiped first.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--plain", is_flag=True, help="Lines instead of a live screen (also where there is no terminal).")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(1, min_open=False),
    metavar="SECONDS",
    help="End so long after data began to flow; the last line is a summary as JSON.",
)
@click.option("--fresh", is_flag=True, help="Wipe Kafka's data and the database first.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language first shown.")
def demo(
    recording: Path | None,
    speed: float,
    workers: int,
    plain: bool,
    seconds: float | None,
    fresh: bool,
    lang: str,
) -> None:
    """Run the whole platform here: Kafka, TimescaleDB, workers, and a recording as live data.

    Kafka and TimescaleDB are fetched once (about 90 MB) and run as processes of your own on loopback; nothing is
    installed. A server given by IOC_KAFKA_BOOTSTRAP or IOC_ADMIN_DATABASE_URL is used instead. Data are kept in
    IOC_DATA_DIR (default: your data folder) until --fresh. Ctrl-C ends everything; twice: at once.
    """
    from ioc.demo.folder import DemoFolder, default_data_dir
    from ioc.demo.labels import Labels
    from ioc.demo.run import BUNDLED, Demo, Options
    from ioc.embedded.prerequisites import EmbeddedError

    options = Options(
        recording=recording or BUNDLED,
        speed=speed,
        seconds=seconds,
        plain=plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb",
        fresh=fresh,
        workers=workers,
    )
    folder = DemoFolder(default_data_dir(os.environ))
    try:
        with folder.claimed():
            _log_to(folder.logs / "demo.log")

            async def run() -> tuple[int, dict[str, object]]:
                running = Demo(options, folder, os.environ, Labels("vi" if lang == "vi" else "en"))
                status = await running.run()
                return status, running.state.outcome()

            status, outcome = asyncio.run(run())
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise EmbeddedError(f"the disk is full ({fault.filename or folder.root}); free some space there") from None
    if seconds is None and status == 0:
        click.echo("Đã dừng hết / everything is stopped.", err=True)
    elif status == 0:
        click.echo(json.dumps(outcome))
        if not outcome["rows"] and seconds is not None and seconds >= NOTHING_AFTER_S:
            click.echo(f"ioc: nothing was stored; see {folder.logs}", err=True)
            status = 1
    sys.exit(status)


def _log_to(file: Path) -> None:
    """The terminal belongs to the view: what the libraries say goes to a bounded file."""
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=4_000_000, backupCount=1, encoding="utf-8")
    logging.basicConfig(
        level="INFO", handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.captureWarnings(True)
