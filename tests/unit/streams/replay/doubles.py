"""A Kafka that only remembers what it was sent."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar


class FakeProducer:
    """Remembers (topic, partition, key, value, timestamp) and acknowledges at once."""

    made: ClassVar[list[FakeProducer]] = []
    partitions: ClassVar[int] = 3
    fault: ClassVar[Exception | None] = None
    start_fault: ClassVar[Exception | None] = None

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.sent: list[tuple[str, int, bytes | None, bytes, int | None]] = []
        self.stopped = False
        FakeProducer.made.append(self)

    async def start(self) -> None:
        if self.start_fault:
            raise self.start_fault

    async def stop(self) -> None:
        self.stopped = True

    async def flush(self) -> None:
        await asyncio.sleep(0)

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions))

    async def send(
        self, topic: str, value: bytes, *, key: bytes | None, partition: int, timestamp_ms: int | None
    ) -> asyncio.Future[Any]:
        self.sent.append((topic, partition, key, value, timestamp_ms))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.fault:
            future.set_exception(self.fault)
        else:
            future.set_result(None)
        return future


def sent(topic: str | None = None) -> list[tuple[str, int, bytes | None, bytes, int | None]]:
    return [each for each in FakeProducer.made[-1].sent if topic in (None, each[0])]
