"""A producer double, for faults that the real one cannot be made to show quickly; and the sample site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path

from aiokafka.errors import KafkaConnectionError

from streams.schema.settings import Settings
from streams.schema.site import Site, load_site

TOKEN = "a-token-of-32-characters-or-more"
SITE_FILE = Path(__file__).parents[4] / "config" / "haiphong.toml"
SETTINGS = Settings(gateway_tokens={"gw-1": TOKEN, "gw-2": "another-token-of-32-characters"})


@cache
def site() -> Site:
    return load_site(SITE_FILE)


class ProducerDouble:
    """Acknowledges what ``answer`` says: a value, an exception to raise, or a future that is left open."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.start_faults: list[Exception] = []
        self.answer: Callable[[], object] = lambda: None
        self.alive = True
        self.started = self.stopped = 0

    async def start(self) -> None:
        if self.start_faults:
            raise self.start_faults.pop(0)
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    async def send(self, key: bytes, value: bytes) -> asyncio.Future[object]:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer = self.answer()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif not isinstance(answer, asyncio.Future):
            self.sent.append((key, value))
            future.set_result(answer)
        return future

    async def ping(self) -> None:
        if not self.alive:
            raise KafkaConnectionError("gone")


def never() -> asyncio.Future[object]:
    """An acknowledgement that does not come."""
    return asyncio.get_running_loop().create_future()
