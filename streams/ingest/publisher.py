"""Whether Kafka holds it: messages go out and come back acknowledged by every in-sync replica, or the caller is told.

Decides how long a request waits and when a connection is given up. It connects in the background and goes on trying,
so the process starts and lives without Kafka. A producer that failed to deliver is replaced: after a lost batch an
idempotent aiokafka producer is out of sequence, and every later batch of that partition would be refused.
Refuses to know what the messages say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.schema.errors import RetryLater
from streams.schema.settings import Settings

MESSAGE_MAX_BYTES = 16 * 1024 * 1024
DELIVERY_TIMEOUT_S = 8.0
"""aiokafka retries a batch so long; shorter than a request waits, so that the request learns the reason."""

log = logging.getLogger(__name__)


class Producer(Protocol):
    """One connection to one topic. Every method may raise KafkaError."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(self, key: bytes, value: bytes) -> asyncio.Future[object]: ...
    async def ping(self) -> None: ...


class KafkaProducer:
    """An idempotent producer of the traffic readings topic. Make it inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.traffic_readings.name
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            client_id="ioc-ingest",
            acks="all",
            enable_idempotence=True,
            max_request_size=MESSAGE_MAX_BYTES,
            request_timeout_ms=round(DELIVERY_TIMEOUT_S * 1000),
            metadata_max_age_ms=60_000,
        )

    async def start(self) -> None:
        await self._producer.start()
        await self._producer.partitions_for(self._topic)

    async def stop(self) -> None:
        await self._producer.stop()

    async def send(self, key: bytes, value: bytes) -> asyncio.Future[object]:
        acknowledged: asyncio.Future[object] = await self._producer.send(self._topic, value, key=key)
        return acknowledged

    async def ping(self) -> None:
        """Ask the broker something, now."""
        await self._producer.client.fetch_all_metadata()


class Publisher:
    """Keeps a producer connected, and publishes through it within a bound."""

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        *,
        acknowledge_s: float = 10.0,
        connect_wait_s: float = 2.0,
        reconnect_s: float = 1.0,
        retry_after_s: float = 5.0,
    ) -> None:
        """acknowledge_s: the whole wait of one request; connect_wait_s: the part of it that may go into waiting for
        a connection; reconnect_s: between attempts to connect; retry_after_s: what a refused caller is told."""
        self._make_producer = make_producer
        self._acknowledge_s = acknowledge_s
        self._connect_wait_s = connect_wait_s
        self._reconnect_s = reconnect_s
        self._retry_after_s = retry_after_s
        self._producer: Producer | None = None
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to connect; does not wait for it. What is wrong with the wiring itself is raised here."""
        self._keeper = asyncio.create_task(self._keep_connected(self._make_producer()))

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Flush and disconnect, within a bound."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._drop()
        if self._closing:
            _, pending = await asyncio.wait(self._closing, timeout=timeout_s)
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending)

    async def publish(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Return when Kafka acknowledged every (key, value). Raises RetryLater; some may then have arrived."""
        producer: Producer | None = None
        try:
            async with asyncio.timeout(self._acknowledge_s):
                producer = await self._wait_for_producer()
                futures = []
                for key, value in messages:
                    future = await producer.send(key, value)
                    future.add_done_callback(_retrieve)
                    futures.append(future)
                for future in futures:
                    await asyncio.shield(future)
        except (KafkaError, TimeoutError) as fault:
            reason = "no acknowledgement in time" if isinstance(fault, TimeoutError) else _text(fault)
            log.warning("not acknowledged by Kafka: %s", reason)
            if producer is not None and producer is self._producer:
                self._lost.set()
                self._connected.clear()
            raise RetryLater(f"Kafka: {reason}", self._retry_after_s) from None

    async def ready(self, timeout_s: float = 2.0) -> bool:
        """Whether Kafka answers now."""
        self._raise_bug()
        producer = self._producer
        if producer is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await producer.ping()
        except (KafkaError, TimeoutError):
            return False
        return True

    async def _wait_for_producer(self) -> Producer:
        self._raise_bug()
        try:
            async with asyncio.timeout(self._connect_wait_s):
                while self._producer is None or not self._connected.is_set():
                    await self._connected.wait()
        except TimeoutError:
            raise RetryLater("Kafka: not connected", self._retry_after_s) from None
        return self._producer

    def _raise_bug(self) -> None:
        """The keeper never ends by itself: if it did, say why at every request rather than 503 for ever."""
        if self._keeper is not None and self._keeper.done():
            self._keeper.result()

    async def _keep_connected(self, producer: Producer) -> None:
        while True:
            try:
                async with asyncio.timeout(self._acknowledge_s):
                    await producer.start()
            except (KafkaError, TimeoutError) as fault:
                log.warning("no connection to Kafka, trying again: %s", _text(fault))
                self._close(producer)
                await asyncio.sleep(self._reconnect_s)
                producer = self._make_producer()
                continue
            except asyncio.CancelledError:
                self._close(producer)
                raise
            log.info("connected to Kafka")
            self._producer = producer
            self._lost.clear()
            self._connected.set()
            await self._lost.wait()
            self._drop()
            producer = self._make_producer()

    def _drop(self) -> None:
        """Close the present producer beside what goes on: its last batches may still be delivered."""
        self._connected.clear()
        if self._producer is not None:
            self._close(self._producer)
            self._producer = None

    def _close(self, producer: Producer) -> None:
        task = asyncio.create_task(_stop(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _stop(producer: Producer) -> None:
    try:
        await producer.stop()
    except KafkaError as fault:
        log.warning("a connection to Kafka ended badly: %s", _text(fault))


def _retrieve(future: asyncio.Future[object]) -> None:
    """Look at the outcome, so that asyncio does not report it as forgotten after the request has gone."""
    if not future.cancelled():
        future.exception()


def _text(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
