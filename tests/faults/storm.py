"""The rebalance storm: under load workers come and go every few seconds; does consumption ever stand still?"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ioc.isolated import NotDone
from streams.admin import group_reader
from streams.replay.player import PlayResult, play
from streams.replay.recording import Recording
from streams.schema.settings import Settings
from tests.faults.disturbance import Disturbance
from tests.faults.injector import FaultRun
from tests.faults.schedule import Schedule
from tests.faults.seed_run import Outcome, check, city, keep, last_tick, morning
from tests.faults.servers import Servers
from tests.integration.platform import wired

EVERY_S = 5.0
PARTITIONS, LEAST_WORKERS, MOST_WORKERS = 4, 1, 4
SPEED = 20.0
"""Recorded seconds in one: some 230 events and 160 ticks a second."""
MOST_STALL_S = 30.0
LOOK_EVERY_S = 0.5
DRAIN_WITHIN_S = 120.0


@dataclass
class StormOutcome:
    """stall_s: the longest time without an acknowledgement while there was something to acknowledge."""

    seconds: float
    changes: int
    stall_s: float
    outcome: Outcome

    @property
    def passed(self) -> bool:
        return self.outcome.passed and self.stall_s < MOST_STALL_S

    def __str__(self) -> str:
        told = self.outcome
        recovery = "-" if told.recovery_s is None else f"{told.recovery_s:.1f} s"
        problems = "".join(f"\n    {problem[:400]}" for problem in told.problems)
        return (
            f"storm of {self.seconds:g} s {'ok' if self.passed else 'FAILED'}: {self.changes} workers came or went, "
            f"longest stall {self.stall_s:.1f} s, recovery {recovery}, {told.messages} messages, {told.rows} rows, "
            f"{told.alarms} alarms, {told.repeated} repeats{problems}"
        )


def run_storm(servers: Servers, seconds: float, keep_in: Path, seed: int = 1) -> StormOutcome:
    """Raises what a fault of the harness raises; a fault of the platform is in the outcome."""
    calm = Disturbance(seed, 0, False, 0.0, 0.0, 0.0, 0.0, 0, (), ())
    outcome = Outcome(Schedule(seed, PARTITIONS, LEAST_WORKERS + 1, (), calm))
    base = wired(servers.kafka.bootstrap, servers.timescale.dsn)
    run = FaultRun(base, city(), servers.folder, partitions=PARTITIONS, through=servers)
    stall_s, changes = 0.0, 0
    with run:
        try:
            watch, playing = _Watch(run.settings), _Load(run, seconds)
            for _ in range(LEAST_WORKERS + 1):
                run.start_worker()
            watch.start()
            playing.start()
            changes = _come_and_go(run, playing, random.Random(seed))
            outcome.messages = playing.result()
            over = time.monotonic()
            run.wait_until_drained(DRAIN_WITHIN_S, supervise=True)
            outcome.recovery_s = time.monotonic() - over
            stall_s = watch.result()
            check(run, outcome)
        except NotDone as fault:
            outcome.problems.append(str(fault).partition("\n")[0])
        if not outcome.passed or stall_s >= MOST_STALL_S:
            outcome.kept = keep(run, outcome, keep_in)
    run.log_file.unlink(missing_ok=True)
    return StormOutcome(seconds, changes, stall_s, outcome)


def _come_and_go(run: FaultRun, playing: _Load, chance: random.Random) -> int:
    """A worker joins or leaves (in order, or killed) every EVERY_S as long as is played; how often."""
    changes, due = 0, time.monotonic() + EVERY_S
    while playing.is_alive():
        if time.monotonic() >= due:
            due += EVERY_S
            changes += 1
            count = len(run.workers)
            if count <= LEAST_WORKERS or (count < MOST_WORKERS and chance.random() < 0.5):
                run.start_worker()
            else:
                leaving = chance.choice(run.workers)
                if chance.random() < 0.3:
                    run.kill_worker(leaving)
                run.leave(leaving)
        run.supervise()
        time.sleep(0.05)
    return changes


class _Thread(threading.Thread):
    """Ends with a value or an error, which result() gives."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._fault: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self.work())
        except Exception as fault:  # noqa: BLE001 - result() raises it in the thread that asks
            self._fault = fault

    async def work(self) -> None:
        raise NotImplementedError

    def _joined(self) -> None:
        self.join()
        if self._fault is not None:
            raise self._fault


class _Load(_Thread):
    """Plays the bundled recording in a loop, and at the end a last tick."""

    def __init__(self, run: FaultRun, seconds: float) -> None:
        super().__init__("load")
        self._settings, self._seconds, self._messages = run.settings, seconds, 0

    async def work(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(self._seconds, stop.set)
        entries = list(morning())
        played: PlayResult = await play(Recording.of(entries), self._settings, speed=SPEED, loop=True, stop=stop)
        recorded_us = entries[-1].logged_us - entries[0].logged_us
        end = last_tick(entries)
        last = type(end)(end.logged_us + played.passes * (recorded_us + 10_000_000), end.event)
        end = last_tick([last])
        self._messages = played.messages + (await play(Recording.of([end]), self._settings)).messages

    def result(self) -> int:
        self._joined()
        return self._messages


class _Watch(_Thread):
    """Looks at the group's acknowledged offsets until it is asked for the result."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("watch")
        self._settings, self._over = settings, threading.Event()
        self._longest_s = 0.0

    async def work(self) -> None:
        async with group_reader(self._settings) as reader:
            moved, before = time.monotonic(), -1
            while not self._over.is_set():
                positions = (await reader.positions()).values()
                lag = sum(position.end - position.acknowledged for position in positions)
                acknowledged = sum(position.acknowledged for position in positions)
                if acknowledged != before or not lag:
                    before, moved = acknowledged, time.monotonic()
                self._longest_s = max(self._longest_s, time.monotonic() - moved)
                await asyncio.sleep(LOOK_EVERY_S)

    def result(self) -> float:
        self._over.set()
        self._joined()
        return self._longest_s
