"""Decides how the recording is played for a demo: as live data in a loop, begun anew where Kafka was away too long.

At another speed than the clock's it is played at its own times, with its own ticks (see ``ioc.demo.servers``).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from streams.replay.player import PlayResult, Progress, play
from streams.replay.recording import Recording
from streams.schema.errors import RetryLater
from streams.schema.settings import Settings

_AGAIN_AFTER_S = 1.0
log = logging.getLogger(__name__)


class Player:
    """``events`` and ``rows`` were sent so far; ``fault`` tells why nothing is sent just now."""

    def __init__(self, recording: Recording, settings: Settings, *, speed: float, replay: bool) -> None:
        self._recording, self._settings, self._speed, self._replay = recording, settings, speed, replay
        self.events = self.rows = 0
        self.fault = ""
        self._events_before = self._rows_before = 0
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._play())

    async def until(self, stop: asyncio.Event, seconds: float | None) -> None:
        """Waits until told to stop, or so long. Raises what the player cannot go on from."""
        assert self._task is not None
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait((waiting, self._task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """What was sent is acknowledged, or the player gives up after some seconds. The counts are final then."""
        self._stop.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _play(self) -> None:
        while not self._stop.is_set():
            try:
                self._count(await self._once())
            except RetryLater as fault:
                self.fault = str(fault)
                log.warning("the player starts again: %s", fault)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _AGAIN_AFTER_S)
            self._events_before, self._rows_before = self.events, self.rows

    async def _once(self) -> PlayResult:
        return await play(
            self._recording,
            self._settings,
            speed=self._speed,
            shift_to_now=not self._replay,
            loop=True,
            with_ticks=self._replay,
            on_progress=self._count,
            stop=self._stop,
        )

    def _count(self, progress: Progress | PlayResult) -> None:
        self.fault = ""
        self.events = self._events_before + progress.events
        self.rows = self._rows_before + progress.rows
