"""The long-running processes: worker, ticker, ingest, maintenance; and their health."""

from __future__ import annotations

import asyncio
import logging
import signal

import click

from ioc.commands.wiring import process_settings
from ioc.heartbeat import Heartbeat
from streams.schema.errors import RetryLater
from streams.schema.site import load_site

MAINTENANCE_INTERVAL_S = 60.0
TICKER_BEAT_S = 2.0
log = logging.getLogger(__name__)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@click.command()
def worker() -> None:
    """Run a Faust worker: input topics to rows and alarms.

    Start as many as there are partitions at most; they share the work. A worker that is killed loses nothing:
    the next one goes on from what is stored.
    """
    import faust

    from streams.app import build_app

    settings = process_settings()
    app = build_app(settings, load_site(settings.site_file), beat=Heartbeat(settings.health_dir, "worker").beat)
    faust.Worker(app, loglevel=settings.log_level, redirect_stdouts=False, quiet=True).execute_from_commandline()


@click.command()
def ticker() -> None:
    """Send the clock: one tick a second to every partition of every input topic.

    One is needed; a second one does no harm.
    """
    from streams.ticker import Ticker

    settings = process_settings()
    _log_to_stderr(settings.log_level)

    async def run() -> None:
        clock, heartbeat, stop = Ticker(settings), Heartbeat(settings.health_dir, "ticker"), _stop_on_signal()
        ticking = asyncio.create_task(clock.run(stop))
        told = None
        while not ticking.done():
            await asyncio.wait([ticking], timeout=TICKER_BEAT_S)
            if clock.last_acknowledged_at != told:
                told = clock.last_acknowledged_at
                heartbeat.beat()
        await ticking

    asyncio.run(run())


@click.command()
def ingest() -> None:
    """Serve HTTP for road-sensor gateways: POST /v1/traffic/readings.

    Tokens stand in the file that IOC_GATEWAY_TOKENS_FILE names, one gateway=token a line. The document of the
    interface is at /openapi.json.
    """
    from streams.ingest.server import serve

    settings = process_settings()
    _log_to_stderr(settings.log_level)
    serve(settings)


@click.command()
def maintain() -> None:
    """Refresh rollups and drop old chunks once a minute, where the edition of TimescaleDB does not do so itself."""
    from streams.storage.maintenance import maintain_once

    settings = process_settings()
    _log_to_stderr(settings.log_level)

    async def run() -> None:
        stop, heartbeat = _stop_on_signal(), Heartbeat(settings.health_dir, "maintain")
        while not stop.is_set():
            try:
                await asyncio.to_thread(maintain_once, settings)
                heartbeat.beat()
            except RetryLater as fault:
                log.warning("database away, maintenance waits: %s", fault)
            try:
                await asyncio.wait_for(stop.wait(), MAINTENANCE_INTERVAL_S)
            except TimeoutError:
                continue

    asyncio.run(run())


@click.command()
@click.argument("process", type=click.Choice(["worker", "ticker", "ingest", "maintain"]))
def health(process: str) -> None:
    """Exit 0 if PROCESS on this machine is alive, 1 if not. For health checks."""
    settings = process_settings()
    if process == "ingest":
        import urllib.request

        try:
            urllib.request.urlopen(f"http://127.0.0.1:{settings.ingest_port}/health/live", timeout=3).close()
        except OSError as refused:
            raise click.ClickException(f"ingest: {refused}") from None
        return
    fault = Heartbeat(settings.health_dir, process).fault()
    if fault:
        raise click.ClickException(f"{process}: {fault}")
