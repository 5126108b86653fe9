"""Sends a recording to Kafka at a chosen speed, in order, and waits until all of it is acknowledged.

Decides the order, what is acknowledged and when a pass ends. Does not decide when an entry is due
(streams.replay.transport), which are played (selection), how far they are moved (timeline), nor their bytes (outgoing).

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
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from streams.replay.deck import Deck
from streams.replay.outgoing import Message, Outgoing
from streams.replay.recording import Entry, Record, Recording
from streams.replay.selection import Kind, Selection, device_of, kind_of
from streams.replay.timeline import Timeline
from streams.replay.transport import Transport
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import Tick
from streams.schema.instants import duration_us, instant
from streams.schema.settings import Settings

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 512 * 1024
DELIVERY_TIMEOUT_S = 120.0
"""So long a broker may be away; then the replay ends with RetryLater."""
CLOSE_TIMEOUT_S = 5.0
"""So long after ``stop`` what is on its way may still be acknowledged."""
_TOPIC_TIMEOUT_S = 5.0
_REPORT_EVERY_S = 0.2
_MAKE_TOPICS = "create the topics first: `ioc topics`, or `ioc replay --into NAME`, which makes what is missing"
Compression = Literal["gzip", "lz4", "snappy", "zstd"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is. ``logged_us`` is on the recording's own clock, unmoved; ``played_us`` is recorded time
    that was played through (what was sought over does not count). speed None: as fast as possible.
    """

    events: int
    rows: int
    bytes: int
    seconds: float
    logged_us: int
    passes: int
    played_us: int = 0
    speed: float | None = None
    paused: bool = False
    entry: tuple[Kind, str] | None = None
    """Kind and device of the entry sent last."""


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
    selection: Selection | None = None,
    mapped: Mapping[str, str] | None = None,
    deck: Deck | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
    compression: Compression | None = None,
) -> PlayResult:
    """Plays a recording into the input topics of the namespace.

    speed: seconds recorded in one second (1: real time; None: as fast as Kafka takes it). shift_to_now: all times
    move by one constant so that the first entry arrives now (anew after a pause or a seek). loop: again and again
    until ``stop``, each pass moved on by the recording's length and ``loop_gap_s``, so that time never runs back.
    with_ticks False leaves ticks out (the ticker runs). selection: which entries; it then says whether ticks, too.
    mapped: input topic without its namespace -> another topic that takes its entries. deck: transport controls from
    outside; it then gives the speed. Raises ConfigurationInvalid (no topics, other partition count, broken
    recording) and RetryLater (Kafka away for DELIVERY_TIMEOUT_S; what was acknowledged stays).
    """
    stop = stop or asyncio.Event()
    deck = deck or Deck(Transport(speed))
    selection = selection or Selection(with_ticks=with_ticks)
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
        timeline = Timeline(to_now=shift_to_now, gap_us=duration_us(loop_gap_s))
        playing = _Playing(producer, settings, selection, dict(mapped or {}), timeline, deck, on_progress, stop)
        await playing.prepare()
        async with _ended_soon_after(stop):
            return await playing.run(recording, loop=loop)
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
    """One replay: the passes, the partitions, the count."""

    def __init__(
        self,
        producer: Any,
        settings: Settings,
        selection: Selection,
        mapped: dict[str, str],
        timeline: Timeline,
        deck: Deck,
        on_progress: Callable[[Progress], None] | None,
        stop: asyncio.Event,
    ) -> None:
        self._producer, self._settings, self._stop = producer, settings, stop
        self._selection, self._timeline, self._deck, self._on_progress = selection, timeline, deck, on_progress
        self._mapped = frozenset(mapped.values())
        self._outgoing = Outgoing(settings.topics, mapped)
        self._partitions: dict[str, list[int]] = {}
        self._places: dict[tuple[str, str], tuple[bytes | None, int]] = {}
        self._partitioner = DefaultPartitioner()
        self._events = self._ticks = self._rows = self._bytes = self._passes = 0
        self._sent = self._acknowledged = self._played_us = self._breaks = 0
        self._failure: BaseException | None = None
        self._unstamped: set[str] = set()
        self._began: float | None = None
        self._reported = time.monotonic()
        self._at_us: int | None = None
        self._next_us = 0
        self._entry: Entry | None = None

    async def prepare(self) -> None:
        """Learns the partitions. Raises ConfigurationInvalid where they are not as the settings say."""
        for name in self._outgoing.topics:
            try:
                found = await asyncio.wait_for(self._producer.partitions_for(name), _TOPIC_TIMEOUT_S)
            except (TimeoutError, KafkaError):
                raise ConfigurationInvalid(name, f"there is no such topic; {_MAKE_TOPICS}") from None
            if name not in self._mapped and len(found) != self._settings.partitions:
                detail = f"it has {len(found)} partitions, IOC_PARTITIONS says {self._settings.partitions}"
                raise ConfigurationInvalid(name, detail)
            self._partitions[name] = sorted(found)

    async def run(self, recording: Recording, *, loop: bool) -> PlayResult:
        while True:
            self._passes += 1
            while await self._reading(recording) == "rewind":
                self._at_us = None
            if self._stop.is_set() or self._deck.ended or not loop or self._timeline.empty:
                break
            self._deck.transport.begin_again(self._timeline.begin_again())
        await self._settle()
        self._report(self._timeline.last_us or self._next_us, now=True)
        return PlayResult(
            events=self._events,
            ticks=self._ticks,
            messages=self._acknowledged,
            rows=self._rows,
            bytes=self._bytes,
            seconds=self._seconds,
            passes=self._passes,
            stopped=self._stop.is_set() or self._deck.ended,
            shift_us=self._timeline.first_shift_us,
        )

    async def _reading(self, recording: Recording) -> Literal["end", "rewind"]:
        """Reads the recording once from its beginning, and sends each entry that is chosen when it is due."""
        for entry in recording:
            if entry not in self._selection:
                continue
            self._next_us = entry.logged_us
            turn = await self._deck.turn(entry.logged_us, self._stop, self._waiting)
            if turn.action == "skip":
                self._at_us = None
            elif turn.action == "send":
                await self._play(entry, landed=turn.landed)
            else:
                return "rewind" if turn.action == "rewind" else "end"
        return "end"

    async def _play(self, entry: Entry, *, landed: bool) -> None:
        if self._began is None:
            self._began = time.monotonic()
        first, breaks = self._timeline.empty, self._deck.transport.breaks
        shift_us = self._timeline.place(entry, time.time_ns() // 1000, held=breaks != self._breaks, sought=landed)
        self._breaks = breaks
        at_us = entry.logged_us + shift_us
        if first:
            self._choose_stamps(at_us)
        elif landed and self._selection.with_ticks:
            # what is observed too long after the newest tick would be refused
            await self._send(self._outgoing.message(Record(at_us, Tick(ticked_at=instant(at_us)))))
        await self._send(self._outgoing.message(entry, shift_us))
        if self._at_us is not None and not landed:
            self._played_us += max(0, entry.logged_us - self._at_us)
        self._at_us, self._entry = entry.logged_us, entry
        self._report(entry.logged_us)

    def _choose_stamps(self, first_us: int) -> None:
        """Of topics that do not keep everything, those that would delete what is as old as this."""
        kept_ms = int(self._settings.topics.traffic_readings.config["retention.ms"])
        if time.time() * 1000 - first_us / 1000 >= kept_ms:
            live = self._settings.namespace == Settings.namespace
            self._unstamped = {name for name in self._partitions if live or name in self._mapped}

    def _waiting(self) -> None:
        self._report(self._next_us if self._at_us is None else self._at_us)

    @property
    def _seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

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
        stamp = None if topic in self._unstamped else message.logged_us // 1000
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
        moment, transport = time.monotonic(), self._deck.transport
        if now or moment - self._reported >= _REPORT_EVERY_S:
            self._reported = moment
            counts = (self._events, self._rows, self._bytes, self._seconds, logged_us, self._passes)
            entry = None if self._entry is None else (kind_of(self._entry), device_of(self._entry))
            self._on_progress(Progress(*counts, self._played_us, transport.speed, transport.paused, entry))
