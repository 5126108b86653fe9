"""The clock of the platform: one tick a second to every partition of every input topic.

Decides when a tick is due and that a missed one is skipped, never made up for: while a partition's tick is not
acknowledged, that partition gets no other, so a broker that comes back finds at most one old tick a partition. A late
tick is harmless (it says only that everything before it may have arrived). Ticks never run back: where the clock is
set back, nothing is said until it has come to the last tick again.
Knows nothing of what ticks are for. Run one ticker a namespace; a second one does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.schema.codec import encode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Tick
from streams.schema.settings import Settings

log = logging.getLogger(__name__)
_DELIVERY_TIMEOUT_MS = 10_000
_CLOSE_TIMEOUT_S = 5.0
_RECONNECT_AFTER_S = 1.0
Place = tuple[str, int]


class Ticker:
    """Ticks until it is stopped. ``last_acknowledged_at`` tells whether it does its work."""

    def __init__(
        self,
        settings: Settings,
        *,
        interval_s: float = 1.0,
        now: Callable[[], float] = time.time,
        connect: Callable[[Settings], Any] | None = None,
    ) -> None:
        """now: the clock, seconds since 1970; connect: makes a producer that is not started yet."""
        if not interval_s > 0:
            raise ValueError("the interval between ticks must be above 0 s")
        self._settings, self._interval_s, self._now = settings, interval_s, now
        self._connect = connect or _producer
        self._acknowledged: dict[Place, float] = {}
        self._waiting: set[Place] = set()
        self._last_s = -math.inf
        self._quiet = False

    @property
    def last_acknowledged_at(self) -> datetime | None:
        """The newest tick that EVERY partition has; None before there is one."""
        places = sum(topic.partitions for topic in self._settings.topics.inputs)
        if len(self._acknowledged) < places:
            return None
        return datetime.fromtimestamp(min(self._acknowledged.values()), UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Ticks until ``stop``. A Kafka that is away, or without the topics yet, is waited for.

        Raises ConfigurationInvalid where a topic has another number of partitions.
        """
        while not stop.is_set():
            producer = self._connect(self._settings)
            try:
                await producer.start()
                await self._check_partitions(producer)
                await self._tick_until(stop, producer)
            except (KafkaError, OSError) as fault:
                self._say_away(fault)
                await _wait(stop, _RECONNECT_AFTER_S)
            finally:
                with suppress(TimeoutError, KafkaError):
                    await asyncio.wait_for(producer.stop(), _CLOSE_TIMEOUT_S)
                self._waiting.clear()

    async def _tick_until(self, stop: asyncio.Event, producer: Any) -> None:
        while True:
            due_s = next_due_s(self._now(), self._last_s, self._interval_s)
            while (ahead_s := due_s - self._now()) > 0:
                if await _wait(stop, min(ahead_s, self._interval_s)):
                    return
            if stop.is_set():
                return
            await self._tick(producer, due_s)
            self._last_s = due_s

    async def _check_partitions(self, producer: Any) -> None:
        for topic in self._settings.topics.inputs:
            found = len(await producer.partitions_for(topic.name))
            if found != topic.partitions:
                detail = f"it has {found} partitions, IOC_PARTITIONS says {topic.partitions}"
                raise ConfigurationInvalid(topic.name, detail)

    async def _tick(self, producer: Any, due_s: float) -> None:
        payload = encode(Tick(ticked_at=datetime.fromtimestamp(due_s, UTC)))
        for topic in self._settings.topics.inputs:
            for partition in range(topic.partitions):
                place = (topic.name, partition)
                if place in self._waiting:
                    continue
                future = await producer.send(topic.name, payload, partition=partition, timestamp_ms=round(due_s * 1000))
                self._waiting.add(place)
                future.add_done_callback(lambda done, place=place: self._settled(place, due_s, done))

    def _settled(self, place: Place, due_s: float, future: asyncio.Future[Any]) -> None:
        self._waiting.discard(place)
        if future.cancelled():
            return
        fault = future.exception()
        if fault is not None:
            self._say_away(fault)
            return
        self._acknowledged[place] = max(due_s, self._acknowledged.get(place, due_s))
        if self._quiet and not self._waiting:
            self._quiet = False
            log.info("ticks are acknowledged again")

    def _say_away(self, fault: BaseException) -> None:
        if not self._quiet:
            self._quiet = True
            log.warning("ticks are not acknowledged, trying again: %r", fault)


def next_due_s(now_s: float, last_s: float, interval_s: float) -> float:
    """The next whole multiple of the interval: not before now, and after the last one."""
    due = math.ceil(now_s / interval_s) * interval_s
    return due if due > last_s else (math.floor(last_s / interval_s + 0.5) + 1) * interval_s


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Waits for ``stop``, so long at most; whether it came."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def _producer(settings: Settings) -> Any:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", request_timeout_ms=_DELIVERY_TIMEOUT_MS
    )
