"""A TCP proxy on loopback that makes of a connection what a bad network makes of it.

It runs in a thread of its own; its methods may be called from any thread. Conditions add up: those imposed at the same
time hold together, and each ends when it is lifted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 16 * 1024
CHUNKS_ON_THE_WAY = 64
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, eq=False)
class Condition:
    """refused: no connection is taken, those there are break; held: bytes stop, connections stay; delay_s: each byte
    comes so much later; bytes_per_s: of each direction of a connection, 0: no limit."""

    refused: bool = False
    held: bool = False
    delay_s: float = 0.0
    bytes_per_s: int = 0


class Proxy:
    """Use as a context. port: chosen once and the same for its whole life."""

    def __init__(self) -> None:
        self.port = 0
        self._target: tuple[str, int] | None = None
        self._conditions: list[Condition] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, LOOPBACK, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def forward_to(self, host: str, port: int) -> None:
        self._target = host, port

    def impose(self, condition: Condition) -> None:
        self._run(self._change([*self._conditions, condition]))

    def lift(self, condition: Condition) -> None:
        self._run(self._change([other for other in self._conditions if other is not condition]))

    def lift_all(self) -> None:
        self._run(self._change([]))

    def cut(self) -> None:
        """Break every connection there is; new ones are taken."""
        self._run(self._cut())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _change(self, conditions: list[Condition]) -> None:
        self._conditions = conditions
        if self._refused:
            await self._cut()

    @property
    def _refused(self) -> bool:
        return any(condition.refused for condition in self._conditions)

    @property
    def _held(self) -> bool:
        return any(condition.held for condition in self._conditions)

    @property
    def _delay_s(self) -> float:
        return max((condition.delay_s for condition in self._conditions), default=0.0)

    @property
    def _bytes_per_s(self) -> int:
        return min((condition.bytes_per_s for condition in self._conditions if condition.bytes_per_s), default=0)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refused or self._target is None:
            return
        await self._released()
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers.add(there_writer)
        try:
            pumps = [
                asyncio.create_task(self._pump(reader, there_writer)),
                asyncio.create_task(self._pump(there_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            there_writer.transport.abort()
            self._writers.discard(there_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its source ends or either side breaks."""
        clock = asyncio.get_running_loop().time
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY)

        async def take() -> None:
            chunk = b"some"
            while chunk:
                try:
                    chunk = await reader.read(CHUNK_BYTES)
                except OSError:
                    chunk = b""
                await on_the_way.put((clock() + self._delay_s, chunk))

        taking = asyncio.create_task(take())
        try:
            while (arrived := await on_the_way.get())[1]:
                due, chunk = arrived
                await asyncio.sleep(max(0.0, due - clock()))
                await self._released()
                writer.write(chunk)
                await writer.drain()
                if self._bytes_per_s:
                    await asyncio.sleep(len(chunk) / self._bytes_per_s)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _released(self) -> None:
        while self._held:  # noqa: ASYNC110  conditions are set by other threads, and rarely
            await asyncio.sleep(LOOK_EVERY_S)
