"""Where a running replay and those who command it meet: the transport, the clock, and the waking of what waits.

Everything here happens in one event loop. Decides nothing about when an entry is due (streams.replay.transport).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from streams.replay.transport import Command, Transport, Turn

_LOOK_EVERY_S = 0.2
_YIELD_EVERY = 64
_ENDED = Turn("end")


class Deck:
    """Give it to ``play`` and to who commands it. clock: seconds, never running back."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self.transport = transport
        self._clock = clock
        self._told, self._moved = asyncio.Event(), asyncio.Event()
        self._turns = 0

    @property
    def ended(self) -> bool:
        return self.transport.ended

    def do(self, command: Command) -> None:
        """Takes effect at once, on what waits too. Raises ValueError as the transport does."""
        self.transport.apply(command, self._clock())
        self._told.set()
        self._moved.set()

    async def stepped(self) -> None:
        """Returns when every step asked for was made, or nothing can be made any more."""
        while self.transport.steps_left and not self.ended:
            self._moved.clear()
            await self._moved.wait()

    async def turn(self, logged_us: int, stop: asyncio.Event, on_wait: Callable[[], None]) -> Turn:
        """What is done with the next entry, once it is decided; never ``wait``. ``stop`` ends it at once."""
        self._turns += 1
        if self._turns % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        while not stop.is_set():
            self._told.clear()
            turn = self.transport.turn(logged_us, self._clock())
            if turn.action != "wait":
                self._moved.set()
                return turn
            await self._wait(stop, turn.wait_s)
            on_wait()
        return _ENDED

    async def _wait(self, stop: asyncio.Event, seconds: float | None) -> None:
        """Until told something, stopped, or so long; no longer than a person would want to see nothing move."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._told, stop)]
        try:
            limit = _LOOK_EVERY_S if seconds is None else min(seconds, _LOOK_EVERY_S)
            await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
