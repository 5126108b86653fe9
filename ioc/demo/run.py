"""Decides the order of a demo: check, start servers side by side, wire, start processes, play, show; then all of it
backwards. Whatever happens, nothing that was started is left running.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import ioc
from ioc.demo.checks import check_machine
from ioc.demo.figures import DatabaseReader, Rate
from ioc.demo.folder import DemoFolder
from ioc.demo.labels import Labels
from ioc.demo.playing import Player
from ioc.demo.servers import Servers, Wiring
from ioc.demo.state import DemoState, Step
from ioc.demo.supervisor import Child, Service, Supervisor, memory_of
from ioc.demo.views import LiveView, PlainView, View
from ioc.embedded.process import descendants
from streams.admin import consumer_lag, delete_topics, ensure_topics, total
from streams.replay.readers import open_recording
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.site import load_site
from streams.storage.migrate import drop_namespace, migrate
from streams.ticker import Ticker

SHOW_EVERY_S, DATABASE_EVERY_S, LAG_EVERY_S, MEMORY_EVERY_S = 0.5, 1.0, 2.0, 5.0
FIRST_LOOK_S = 0.25
READY_S = 60.0
DRAIN_S = 6.0
DOUBLE_PRESS_S = 0.4
"""Two signals closer together count as one: make and the terminal may both pass on the same Ctrl-C."""
EXIT_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BUNDLED = Path(ioc.__file__).parent / "recordings" / "haiphong-demo.jsonl.gz"
BUNDLED_HINT = (
    "Phút 4-6: một phòng chờ quá đông; phút 7-9: ùn tắc, một camera bị che; phút 10: một camera mất tín hiệu.",
    "Minutes 4-6: a hall overcrowds; 7-9: a road jams, a camera is covered; 10: a camera falls silent.",
)
"""What the story of the bundled recording brings (ioc/simulation/story.py)."""
T = TypeVar("T")
U = TypeVar("U")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """seconds: end by itself so long after data began to flow; None: run until told to stop."""

    recording: Path
    speed: float = 1.0
    seconds: float | None = None
    plain: bool = False
    fresh: bool = False
    workers: int = 1


class Interrupted(Exception):
    """Told to stop before the demo ran."""


class Demo:
    """One run."""

    def __init__(self, options: Options, folder: DemoFolder, environ: Mapping[str, str], labels: Labels) -> None:
        self._options, self._folder, self._environ, self._labels = options, folder, environ, labels
        self._replay = options.speed != 1.0
        self.state = DemoState(player_pid=os.getpid(), logs=folder.logs)
        self._view: View = PlainView(self.state, labels) if options.plain else LiveView(self.state, labels)
        self._stop = asyncio.Event()
        self._signalled_at = 0.0
        self._supervisor = Supervisor(self._view.say)
        self._servers: Servers | None = None
        self._player: Player | None = None
        self._reader: DatabaseReader | None = None

    async def run(self) -> int:
        """The exit status. Raises what kept the demo from starting."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        showing = asyncio.create_task(self._keep_showing())
        try:
            wiring = await self._start()
            await self._watch(wiring)
        except Interrupted:
            return EXIT_INTERRUPTED
        finally:
            self.state.phase = "stopping"
            try:
                await self._stop_all()
            finally:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
                self._view.show()
                self._view.close()
                for number in _SIGNALS:  # nothing is left to stop: one that comes now changes nothing
                    loop.remove_signal_handler(number)
                    signal.signal(number, signal.SIG_IGN)
        return 0

    def _on_signal(self) -> None:
        moment = time.monotonic()
        if self._stop.is_set() and moment - self._signalled_at > DOUBLE_PRESS_S:
            kill_below(os.getpid())
        self._signalled_at = moment
        self._stop.set()

    # -- start

    async def _start(self) -> Wiring:
        options, state = self._options, self.state
        recording = open_recording(options.recording)
        state.title_vi, state.title_en = recording.info.title_vi, recording.info.title_en
        if options.recording == BUNDLED and not self._replay:
            state.hint_vi, state.hint_en = BUNDLED_HINT
        with state.step("machine"):
            self._servers = servers = Servers(
                self._folder,
                self._environ,
                on_kafka=lambda text: self._note("kafka", text),
                on_database=lambda text: self._note("database", text),
                replay=self._replay,
            )
            site = await asyncio.to_thread(load_site, servers.base.site_file)
            if options.workers > servers.base.partitions:
                raise ConfigurationInvalid(
                    "--workers", f"at most IOC_PARTITIONS ({servers.base.partitions}) workers share the work"
                )
            if options.fresh:
                servers.check_fresh()
            await self._or_stop(
                asyncio.to_thread(
                    check_machine,
                    servers.cache_dir,
                    self._folder.root,
                    kafka=servers.kafka is not None,
                    database=servers.timescale is not None,
                )
            )
        if options.fresh:
            with state.step("wipe"):
                await self._or_stop(asyncio.to_thread(servers.wipe))
        wiring = await self._or_stop(self._start_servers(servers))
        state.psql = wiring.psql
        with state.step("processes"):
            await self._or_stop(self._start_processes(wiring))
        self._reader = DatabaseReader(wiring.reader_url, wiring.settings.namespace, site, follows_data=self._replay)
        await self._or_stop(asyncio.to_thread(self._reader.begin, None if self._replay else datetime.now(UTC)))
        self._player = Player(recording, wiring.settings, speed=options.speed, replay=self._replay)
        self._player.start()
        state.data_at = time.monotonic()
        state.steps.append(Step("first_rows"))
        return wiring

    async def _start_servers(self, servers: Servers) -> Wiring:
        bootstrap, admin_url = await _both(self._start_kafka(servers), self._start_database(servers))
        wiring = await asyncio.to_thread(servers.wire, bootstrap, admin_url)
        settings = wiring.settings
        if self._replay:
            with self.state.step("wipe"):
                await _both(delete_topics(settings), asyncio.to_thread(drop_namespace, settings))
        self._edition, _ = await _both(self._migrate(wiring), self._make_topics(wiring))
        return wiring

    async def _start_kafka(self, servers: Servers) -> str:
        with self.state.step("kafka"):
            bootstrap = await servers.start_kafka()
        if servers.kafka is not None:
            self._keep("kafka", servers.kafka)
        return bootstrap

    async def _start_database(self, servers: Servers) -> str:
        with self.state.step("database"):
            url = await servers.start_database()
        if servers.timescale is not None:
            self._keep("timescaledb", servers.timescale)
        return url

    async def _migrate(self, wiring: Wiring) -> str:
        """The edition of TimescaleDB."""
        with self.state.step("schema"):
            try:
                return (await asyncio.to_thread(migrate, wiring.settings)).edition
            except ConfigurationInvalid as fault:
                raise ConfigurationInvalid(
                    fault.path, f"{fault.detail} (the demo's own database: `ioc demo --fresh` makes it anew)"
                ) from None

    async def _make_topics(self, wiring: Wiring) -> None:
        with self.state.step("topics"):
            await ensure_topics(wiring.settings)

    async def _start_processes(self, wiring: Wiring) -> None:
        workers = self._options.workers
        for number in range(1, workers + 1):
            self._keep_child("worker" if workers == 1 else f"worker-{number}", "worker", wiring)
        if not self._replay:
            self._keep_child("ticker", "ticker", wiring)
            await self._first_tick(wiring)
            self._keep_child("ingest", "ingest", wiring)
            self.state.ingest_url = wiring.ingest_url
        if self._edition == "apache":
            self._keep_child("maintain", "maintain", wiring, wiring.admin_environment)

    async def _first_tick(self, wiring: Wiring) -> None:
        """Data are sent after it: until then the clock of the stream is that of the last run, and data are from its
        future. The process `ticker` goes on from there.
        """
        ticker, stop = Ticker(wiring.settings), asyncio.Event()
        ticking = asyncio.create_task(ticker.run(stop))
        deadline = time.monotonic() + READY_S
        while ticker.last_acknowledged_at is None and not ticking.done() and not self._stop.is_set():
            if time.monotonic() > deadline:
                raise RetryLater(f"Kafka acknowledged no tick within {READY_S:g} s; see {self._folder.logs}")
            await asyncio.sleep(0.05)
        stop.set()
        await ticking

    def _keep_child(self, name: str, command: str, wiring: Wiring, also: Mapping[str, str] | None = None) -> Child:
        health = self._folder.health / name
        environment = {**wiring.environment, "IOC_HEALTH_DIR": str(health), **(also or {})}
        child = Child(name, [sys.executable, "-m", "ioc", command], environment, health, self._folder.log(name))
        self._keep(name, child)
        return child

    def _keep(self, name: str, service: Service) -> None:
        self.state.services.append(self._supervisor.keep(name, service))

    def _note(self, step_name: str, text: str) -> None:
        """Heard from the servers' threads."""
        for step in self.state.steps:
            if step.name == step_name and step.ended is None:
                step.note = text

    async def _or_stop(self, work: Coroutine[None, None, T]) -> T:
        """The work's result; told to stop meanwhile, what it has started is ended and Interrupted raised."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not self._stop.is_set():
            return await task
        while not task.done():
            # a thread cannot be told to stop; without the programs it waits for, it ends by itself
            kill_below(os.getpid(), spare=[kept.service.pid for kept in self.state.services])
            await asyncio.wait((task,), timeout=0.2)
        with suppress(Exception):  # that it failed is our doing
            await task
        raise Interrupted

    # -- run

    async def _watch(self, wiring: Wiring) -> None:
        assert self._player is not None
        watchers = [
            asyncio.create_task(self._keep_reading_database()),
            asyncio.create_task(self._keep_reading_lag(wiring)),
            asyncio.create_task(self._keep_measuring_memory()),
        ]
        try:
            playing = asyncio.create_task(self._player.until(self._stop, self._options.seconds))
            done, _ = await asyncio.wait((playing, *watchers), return_when=asyncio.FIRST_COMPLETED)
            for task in done:  # a watcher ends only by a fault
                await task
        finally:
            ended = self._stop.is_set()
            self.state.phase = "stopping"
            with self.state.step("stop_player"):
                await self._player.stop()
            self.state.played_to = time.monotonic()
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            self._take_counts()
        if not ended:
            await self._drain(wiring)

    async def _drain(self, wiring: Wiring) -> None:
        """So that the summary tells of everything that was sent."""
        with self.state.step("drain"):
            await self._supervisor.stop("ticker")
            deadline = time.monotonic() + DRAIN_S
            while not self._stop.is_set() and time.monotonic() < deadline:
                await self._read_lag(wiring)
                if self.state.lag == 0:
                    break
                await asyncio.sleep(0.2)
            await self._read_database()

    async def _keep_showing(self) -> None:
        rate_events, rate_readings = Rate(10.0), Rate(35.0)
        while True:
            self._take_counts()
            moment = time.monotonic()
            if self.state.data_at is not None:
                rate_events.add(moment, self.state.events)
                rate_readings.add(moment, self.state.readings)
                self.state.events_per_s, self.state.readings_per_s = rate_events.per_s, rate_readings.per_s
            self._view.show()
            if self._view.lost:
                self._stop.set()
            await asyncio.sleep(SHOW_EVERY_S)

    def _take_counts(self) -> None:
        if self._player is not None:
            self.state.events, self.state.readings = self._player.events, self._player.rows
            self.state.kafka_away = self._player.fault

    async def _keep_reading_database(self) -> None:
        rate = Rate(15.0)
        while True:
            took = time.monotonic()
            await self._read_database()
            took = time.monotonic() - took
            rate.add(time.monotonic(), self.state.database.stored)
            self.state.rows_per_s = rate.per_s
            pause = FIRST_LOOK_S if self.state.first_row_s is None else DATABASE_EVERY_S
            await asyncio.sleep(max(pause, 10 * took))

    async def _read_database(self) -> None:
        state = self.state
        assert self._reader is not None and state.data_at is not None
        try:
            state.database = await asyncio.to_thread(self._reader.read)
            state.database_away = ""
        except RetryLater as fault:
            state.database_away = str(fault)
            return
        if state.first_row_s is None and state.database.stored:
            state.first_row_s = time.monotonic() - state.data_at
            state.steps[-1].ended = time.monotonic()
            state.phase = "running" if state.phase == "starting" else state.phase

    async def _keep_reading_lag(self, wiring: Wiring) -> None:
        while True:
            await self._read_lag(wiring)
            await asyncio.sleep(LAG_EVERY_S)

    async def _read_lag(self, wiring: Wiring) -> None:
        try:
            self.state.lag = total(await consumer_lag(wiring.settings, wiring.settings.topics.group))
        except (RetryLater, TimeoutError):
            self.state.lag = None

    async def _keep_measuring_memory(self) -> None:
        while True:
            for kept in self.state.services:
                kept.memory_bytes = await asyncio.to_thread(memory_of, kept.service.pid)
            self.state.disk_free_bytes = shutil.disk_usage(self._folder.root).free
            await asyncio.sleep(MEMORY_EVERY_S)

    # -- end

    async def _stop_all(self) -> None:
        if self._player is not None:
            await self._player.stop()
        servers = ("kafka", "timescaledb")
        processes = [name for name in self._supervisor.kept if name not in servers]
        if processes:
            with self.state.step("stop_processes"):
                await self._supervisor.stop(*processes)
        if self._reader is not None:
            await asyncio.to_thread(self._reader.close)
        if any(name in self._supervisor.kept for name in servers):
            with self.state.step("stop_servers"):
                await self._supervisor.stop(*servers)


async def _both(first: Coroutine[None, None, T], second: Coroutine[None, None, U]) -> tuple[T, U]:
    """Side by side; the first fault is raised when both have ended, so that nothing goes on in a thread."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other


def kill_below(pid: int, spare: list[int | None] | None = None) -> None:
    """SIGKILL all processes that this one has started, but for those spared and what is below them."""
    spared = {pid for pid in spare or [] if pid is not None}
    spared |= {below.pid for pid in list(spared) for below in descendants(pid)}
    for member in descendants(pid):
        if member.pid not in spared:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member.pid, signal.SIGKILL)
