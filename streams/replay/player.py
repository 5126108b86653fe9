"""Sends a recording to Kafka at a chosen speed, in order, and waits until all of it is acknowledged.

Decides pacing, shifting and looping. Does not decide what is sent (streams.replay.outgoing).

Order: one idempotent producer, one send after the other. The producer keeps one queue a partition, has one request a
partition on the way and puts a failed batch back at the head of its queue, so each partition's log has the order of
the recording; a tick, sent to every partition, stands after everything before it and before everything after it.

Memory: a partition holds at most one batch that fills and one on the way; a full one makes the sender wait.

Time on the messages: the entry's time of arrival (moved like the event). One exception: a recording older than the
topic's retention, sent unmoved into the live namespace, would be deleted by Kafka before it is read; its messages
carry the time of sending. Isolated namespaces keep everything (streams.admin), so there the time is always that of
the recording.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from streams.replay.outgoing import Message, Outgoing
from streams.replay.recording import Entry, Record, Recording
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import Tick
from streams.schema.instants import microseconds
from streams.schema.settings import Settings

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 512 * 1024
DELIVERY_TIMEOUT_S = 120.0
"""So long a broker may be away; then the replay ends with RetryLater."""
CLOSE_TIMEOUT_S = 5.0
"""So long after ``stop`` what is on its way may still be acknowledged."""
_TOPIC_TIMEOUT_S = 5.0
_REPORT_EVERY_S = 0.2
_YIELD_EVERY = 64
Compression = Literal["gzip", "lz4", "snappy", "zstd"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is. ``logged_us`` is on the recording's own clock, unmoved."""

    events: int
    rows: int
    bytes: int
    seconds: float
    logged_us: int
    passes: int


@dataclass(frozen=True, slots=True)
class PlayResult:
    """What was sent and acknowledged. ``messages`` counts each tick once a partition, ``events`` no ticks."""

    events: int
    ticks: int
    messages: int
    rows: int
    bytes: int
    seconds: float
    passes: int
    """Passes begun; more than one only when looping."""
    stopped: bool
    """Whether ``stop`` ended it before the recording did."""
    shift_us: int
    """By how much the first pass was moved."""
    dropped: int = 0


async def play(
    recording: Recording,
    settings: Settings,
    *,
    speed: float | None = None,
    shift_to_now: bool = False,
    loop: bool = False,
    loop_gap_s: float = 1.0,
    with_ticks: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
    compression: Compression | None = None,
) -> PlayResult:
    """Plays a recording into the input topics of the namespace.

    speed: seconds recorded in one second (1: real time; None: as fast as Kafka takes it). shift_to_now: all times
    move by one constant so that the first entry arrives now. loop: again and again until ``stop``, each pass moved
    on by the recording's length and ``loop_gap_s``, so that time never runs back. with_ticks False leaves ticks out
    (the ticker runs). Raises ConfigurationInvalid (no topics, other partition count, broken recording) and
    RetryLater (Kafka away for DELIVERY_TIMEOUT_S; what was acknowledged stays).
    """
    if speed is not None and not speed > 0:
        raise ValueError("speed is above 0, or None for the greatest")
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type=compression,
        linger_ms=5,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_MESSAGE_BYTES,
        request_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
    )
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as fault:
            raise RetryLater(f"no Kafka at {settings.kafka_bootstrap}: {fault}") from None
        stop = stop or asyncio.Event()
        playing = _Playing(producer, settings, speed, with_ticks, on_progress, stop)
        await playing.prepare()
        async with _ended_soon_after(stop):
            return await playing.run(recording, shift_to_now=shift_to_now, loop=loop, loop_gap_s=loop_gap_s)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), CLOSE_TIMEOUT_S)


@asynccontextmanager
async def _ended_soon_after(stop: asyncio.Event) -> AsyncIterator[None]:
    """Ends what waits for a Kafka that is away CLOSE_TIMEOUT_S after ``stop``, with RetryLater."""

    async def watch(limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)

    limit = asyncio.timeout(None)
    try:
        async with limit:
            watcher = asyncio.create_task(watch(limit))
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise RetryLater("stopped; Kafka has not acknowledged all that was sent") from None


class _Playing:
    """One replay: the pace, the partitions, the count."""

    def __init__(
        self,
        producer: Any,
        settings: Settings,
        speed: float | None,
        with_ticks: bool,
        on_progress: Callable[[Progress], None] | None,
        stop: asyncio.Event,
    ) -> None:
        self._producer, self._settings, self._stop = producer, settings, stop
        self._speed, self._with_ticks, self._on_progress = speed, with_ticks, on_progress
        self._outgoing = Outgoing(settings.topics)
        self._partitions: dict[str, list[int]] = {}
        self._places: dict[tuple[str, str], tuple[bytes | None, int]] = {}
        self._partitioner = DefaultPartitioner()
        self._events = self._ticks = self._rows = self._bytes = self._passes = 0
        self._sent = self._acknowledged = 0
        self._failure: BaseException | None = None
        self._stamped = True
        self._began = self._reported = time.monotonic()
        self._first_at: int | None = None

    async def prepare(self) -> None:
        """Learns the partitions. Raises ConfigurationInvalid where they are not as the settings say."""
        for topic in self._settings.topics.inputs:
            try:
                found = await asyncio.wait_for(self._producer.partitions_for(topic.name), _TOPIC_TIMEOUT_S)
            except (TimeoutError, KafkaError):
                raise ConfigurationInvalid(topic.name, "there is no such topic; create the topics first") from None
            if len(found) != topic.partitions:
                detail = f"it has {len(found)} partitions, IOC_PARTITIONS says {topic.partitions}"
                raise ConfigurationInvalid(topic.name, detail)
            self._partitions[topic.name] = sorted(found)

    async def run(self, recording: Recording, *, shift_to_now: bool, loop: bool, loop_gap_s: float) -> PlayResult:
        shift = first_shift = 0
        span = _Span()
        self._began = time.monotonic()
        while True:
            self._passes += 1
            for entry in recording:
                if not self._with_ticks and isinstance(entry, Record) and isinstance(entry.event, Tick):
                    continue
                if span.empty:
                    if shift_to_now:
                        shift = first_shift = time.time_ns() // 1000 - entry.logged_us
                    self._choose_stamp(entry.logged_us + shift)
                if self._passes == 1:
                    span.include(entry)
                message = self._outgoing.message(entry, shift)
                if not await self._paced(message.logged_us):
                    break
                await self._send(message)
                self._report(entry.logged_us)
            if self._stop.is_set() or not loop or span.empty:
                break
            shift += span.length_us + round(loop_gap_s * 1e6)
        await self._settle()
        self._report(span.last_us, now=True)
        return PlayResult(
            events=self._events,
            ticks=self._ticks,
            messages=self._acknowledged,
            rows=self._rows,
            bytes=self._bytes,
            seconds=time.monotonic() - self._began,
            passes=self._passes,
            stopped=self._stop.is_set(),
            shift_us=first_shift,
        )

    def _choose_stamp(self, first_us: int) -> None:
        live = self._settings.namespace == Settings.namespace
        kept_ms = int(self._settings.topics.traffic_readings.config["retention.ms"])
        self._stamped = not live or time.time() * 1000 - first_us / 1000 < kept_ms

    async def _paced(self, at_us: int) -> bool:
        """Waits until it is this entry's turn; False: stop was asked for."""
        if self._first_at is None:
            self._first_at, self._began = at_us, time.monotonic()
        if self._speed is None:
            if self._sent % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        else:
            ahead = (at_us - self._first_at) / 1e6 / self._speed - (time.monotonic() - self._began)
            if ahead > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), ahead)
            elif self._sent % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return not self._stop.is_set()

    async def _send(self, message: Message) -> None:
        if message.topic is None:
            self._ticks += 1
            for topic, partitions in self._partitions.items():
                for number in partitions:
                    await self._put(topic, number, None, message)
            return
        place = self._places.get((message.topic, message.key))
        if place is None:
            key = message.key.encode("utf-8", "surrogateescape") or None
            partitions = self._partitions[message.topic]
            number = self._partitioner(key, partitions, partitions) if key else partitions[0]
            place = self._places[message.topic, message.key] = (key, number)
            if len(self._places) > 100_000:  # keys broken on purpose could be without number
                self._places.clear()
        self._events += 1
        self._rows += message.rows
        await self._put(message.topic, place[1], place[0], message)

    async def _put(self, topic: str, partition: int, key: bytes | None, message: Message) -> None:
        if self._failure is not None:
            raise self._away(self._failure)
        stamp = message.logged_us // 1000 if self._stamped else None
        try:
            future = await self._producer.send(topic, message.payload, key=key, partition=partition, timestamp_ms=stamp)
        except KafkaError as fault:
            raise self._away(fault) from None
        self._sent += 1
        self._bytes += len(message.payload or b"")
        future.add_done_callback(self._settled)

    def _settled(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        fault = future.exception()
        if fault is None:
            self._acknowledged += 1
        elif self._failure is None:
            self._failure = fault

    async def _settle(self) -> None:
        await self._producer.flush()
        await asyncio.sleep(0)  # let the callbacks of the last acknowledgements run
        if self._failure is not None or self._acknowledged != self._sent:
            raise self._away(self._failure)

    def _away(self, fault: BaseException | None) -> Exception:
        """The error for the caller: waiting does not help against what Kafka refuses to take."""
        if isinstance(fault, InvalidTimestampError):
            detail = "Kafka takes no message from so far in the future; play it unmoved, or not faster than 1"
            return ConfigurationInvalid("recording", detail)
        if isinstance(fault, MessageSizeTooLargeError):
            return ConfigurationInvalid("recording", f"an entry is above {MAX_MESSAGE_BYTES} bytes")
        return RetryLater(f"Kafka acknowledged {self._acknowledged} of {self._sent} messages: {fault!r}")

    def _report(self, logged_us: int, now: bool = False) -> None:
        if self._on_progress is None:
            return
        moment = time.monotonic()
        if now or moment - self._reported >= _REPORT_EVERY_S:
            self._reported = moment
            took = moment - self._began
            self._on_progress(Progress(self._events, self._rows, self._bytes, took, logged_us, self._passes))


class _Span:
    """From when to when a recording reaches, in arrival and in what was observed."""

    def __init__(self) -> None:
        self._first = self._last = self._observed_first = self._observed_last = 0
        self.empty = True

    def include(self, entry: Entry) -> None:
        observed = entry.logged_us
        if isinstance(entry, Record) and not isinstance(entry.event, Tick):
            observed = microseconds(entry.event.observed_at)
        if self.empty:
            self._first, self._observed_first, self._observed_last = entry.logged_us, observed, observed
            self.empty = False
        self._last = entry.logged_us
        self._observed_first = min(self._observed_first, observed)
        self._observed_last = max(self._observed_last, observed)

    @property
    def last_us(self) -> int:
        return self._last

    @property
    def length_us(self) -> int:
        """Move a second pass on by this and neither its arrivals nor what was observed overlaps the first."""
        return max(self._last - self._first, self._observed_last - self._observed_first)
