"""Records the input topics of a namespace from Kafka: a stretch of the past, or live until it is stopped.

Decides what is read, how long it waits and when it ends. What becomes of a message is decided in
streams.replay.incoming, what lies in which file in streams.replay.recording_files.

From the past: it ends at what Kafka held when it began (or at ``to``), so the same stretch of the log gives the same
bytes. Live: a partition that has nothing new holds the others back for LINGER_S only; what comes later than that
keeps its place in its partition but is logged with the time of what was written before it.

Kafka away: it waits and says so; Kafka keeps what is not read. No consumer group is used, nothing is acknowledged.
Memory: WAITING_BYTES and one fetch a partition, one chunk of the file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.replay.incoming import Place, arrived, device, tick_us
from streams.replay.log_merge import LogMerge
from streams.replay.log_range import REQUEST_S, Wanted, find_plan, info, partition_at, place_name, place_named, place_of
from streams.replay.recording import Entry, Record, Verbatim
from streams.replay.recording_files import Plan, RecordingFiles, refuse_existing, resume_files
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import CameraObservation, Tick, TrafficReading
from streams.schema.settings import Settings

LINGER_S = 5.0
WAITING_BYTES = 1024 * 1024
_POLL_MS = 200
_PROBE_AFTER_S = 5.0
_RECONNECT_AFTER_S = 1.0
_REPORT_EVERY_S = 0.2
_YIELD_EVERY = 1024
_CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """How far a recorder is. ``bytes``: of the files; ``logged_us``: of the last entry. ``expected`` None: live,
    without an end."""

    events: int
    rows: int
    bytes: int
    seconds: float
    logged_us: int
    ticks: int
    verbatim: int
    read: int
    """Messages read from Kafka by this run, copies of ticks and what was not wanted too."""
    expected: int | None
    raised: int
    """Messages whose time stamp was earlier than that of one before them."""
    unseen: tuple[str, ...] = ()
    """Devices that were asked for and of which nothing came."""
    stopped: bool = False
    paths: tuple[Path, ...] = ()


async def record(
    settings: Settings,
    out: Path,
    wanted: Wanted | None,
    *,
    force: bool = False,
    on_progress: Callable[[Recorded], None] | None = None,
    on_away: Callable[[str | None], None] | None = None,
    stop: asyncio.Event | None = None,
    linger_s: float = LINGER_S,
) -> Recorded:
    """Records into ``out`` (an .mcap file); ``wanted`` None goes on with the unfinished recording of that name.

    on_away hears once that Kafka is away, and why, and None when it is back. Ends at the end, or when ``stop`` is
    set: then what was read is complete files. Raises ConfigurationInvalid (no topics, files in the way, nothing to
    resume, Kafka no longer has what is asked for) and RetryLater (stopped while Kafka was away, no room on the disk);
    what is written can be resumed.
    """
    recorder = _Recorder(settings, on_progress, on_away or (lambda _: None), stop or asyncio.Event(), linger_s)
    if wanted is None:
        await asyncio.to_thread(recorder.resume, out)
    else:
        refuse_existing(out, force=force)
    try:
        await recorder.connect(out, wanted)
        return await recorder.run()
    finally:
        await recorder.close()


class _Recorder:
    def __init__(
        self,
        settings: Settings,
        on_progress: Callable[[Recorded], None] | None,
        on_away: Callable[[str | None], None],
        stop: asyncio.Event,
        linger_s: float,
    ) -> None:
        self._settings, self._on_progress, self._on_away = settings, on_progress, on_away
        self._stop, self._linger_s = stop, linger_s
        self._consumer: Any = None
        self._files: RecordingFiles | None = None
        self._plan = Plan(namespace=settings.namespace, topics=(), start={})
        self._merge = LogMerge(())
        self._position: dict[str, int] = {}
        self._seen: set[str] = set()
        self._places: dict[Place, TopicPartition] = {}
        self._ends: dict[Place, int] = {}
        self._done = Recorded(0, 0, 0, 0.0, 0, 0, 0, 0, None, 0)
        self._events = self._rows = self._ticks = self._verbatim = self._read = self._raised = 0
        self._began = self._reported = self._heard = time.monotonic()
        self._away = False

    def resume(self, out: Path) -> None:
        self._files, entries = resume_files(out)
        plan = self._files.plan
        if plan.namespace != self._settings.namespace:
            raise ConfigurationInvalid("IOC_NAMESPACE", f"the unfinished recording is of {plan.namespace!r}")
        self._merge = LogMerge(map(place_named, plan.start))
        for entry in entries:
            if plan.devices:
                self._seen.add(device(entry))
            if (tick := tick_us(entry)) is not None:
                self._merge.ticks.remember(tick)
            self._merge.last_us = entry.logged_us

    async def connect(self, out: Path, wanted: Wanted | None) -> None:
        """Waits for Kafka; decides from where to where. Raises RetryLater where it is stopped meanwhile."""
        while True:
            consumer = _consumer(self._settings)
            try:
                await consumer.start()
                if self._files is None:
                    assert wanted is not None
                    plan = await find_plan(self._settings, consumer, wanted)
                    self._files = RecordingFiles(out, info(plan, wanted), plan)
                    self._merge = LogMerge(map(place_named, plan.start))
                await self._begin(consumer, self._files)
                return
            except (KafkaError, OSError, TimeoutError) as fault:
                self._say_away(fault)
                await self._close_consumer(consumer)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _RECONNECT_AFTER_S)
                if self._stop.is_set():
                    raise RetryLater(f"stopped while Kafka at {self._settings.kafka_bootstrap} was away") from None
            except BaseException:
                await self._close_consumer(consumer)
                raise

    async def _begin(self, consumer: Any, files: RecordingFiles) -> None:
        self._plan, self._position = files.plan, dict(files.position)
        self._places = {place_named(name): partition_at(self._settings, place_named(name)) for name in self._position}
        starts = await asyncio.wait_for(consumer.beginning_offsets(list(self._places.values())), REQUEST_S)
        ends = await asyncio.wait_for(consumer.end_offsets(list(self._places.values())), REQUEST_S)
        consumer.assign(list(self._places.values()))
        expected = 0
        for place, partition in self._places.items():
            at, end = self._position[place_name(place)], ends[partition]
            if self._plan.end is not None:
                end = self._plan.end[place_name(place)]
                expected += max(0, end - at)
            self._check_kept(partition, at, end, starts[partition], ends[partition])
            self._ends[place] = end
            consumer.seek(partition, at)
        self._done = replace(self._done, expected=expected if self._plan.end is not None else None)
        self._consumer = consumer

    def _check_kept(self, partition: TopicPartition, at: int, end: int, start: int, newest: int) -> None:
        if at < start and at < end:
            gone = f"Kafka has deleted the offsets {at} to {start - 1}, which are not recorded yet"
            raise ConfigurationInvalid(f"{partition.topic} partition {partition.partition}", f"{gone}. {_KEEP}")
        if at > newest:
            made_anew = f"it ends at offset {newest}, the recording has come to {at}: the topic was made anew"
            raise ConfigurationInvalid(f"{partition.topic} partition {partition.partition}", f"{made_anew}. {_KEEP}")

    async def run(self) -> Recorded:
        assert self._files is not None
        self._began = self._heard = time.monotonic()
        live = self._plan.end is None
        while not self._stop.is_set():
            await self._close_ended()
            await self._emit(await self._certain_until() if live else None)
            self._balance()
            self._report()
            if self._merge.done:
                break
            await self._fetch()
        if live:
            await self._emit(time.monotonic())
        paths = await asyncio.to_thread(self._files.finish)
        self._report(now=True)
        unseen = tuple(name for name in self._plan.devices if name not in self._seen)
        return replace(self._done, unseen=unseen, stopped=self._stop.is_set() and not live, paths=tuple(paths))

    async def close(self) -> None:
        if self._files is not None:
            self._files.close()
        if self._consumer is not None:
            await self._close_consumer(self._consumer)

    async def _fetch(self) -> None:
        try:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as fault:
            raise ConfigurationInvalid("Kafka", f"it has deleted what is not recorded yet: {fault}. {_KEEP}") from None
        now = time.monotonic()
        for partition, messages in batches.items():
            place = place_of(self._settings, partition)
            end = self._ends[place] if self._plan.end is not None else None
            found = [
                arrived(place[0], message.offset, message.timestamp, message.key, message.value)
                for message in messages
                if end is None or message.offset < end
            ]
            self._merge.put(place, found, now)
            self._read += len(found)
        if batches:
            self._heard = now
            self._say_back()
        elif now - self._heard >= _PROBE_AFTER_S:
            await self._probe()

    async def _probe(self) -> None:
        """Nothing came for a while: is there nothing, or is Kafka away?"""
        try:
            await asyncio.wait_for(self._consumer.end_offsets(list(self._places.values())), REQUEST_S)
            self._say_back()
        except (KafkaError, OSError, TimeoutError) as fault:
            self._say_away(fault)
        self._heard = time.monotonic()

    async def _close_ended(self) -> None:
        if self._plan.end is None:
            return
        for place, partition in self._places.items():
            if not self._merge.is_closed(place) and await self._consumer.position(partition) >= self._ends[place]:
                self._merge.close(place)
                self._consumer.pause(partition)

    async def _certain_until(self) -> float | None:
        """Live: what came in until then waits for no partition that has nothing new."""
        if self._away:
            return None
        for place in self._merge.wanting:
            partition = self._places[place]
            end = max(self._ends[place], self._consumer.highwater(partition) or 0)
            if await self._consumer.position(partition) < end:
                return None
        return time.monotonic() - self._linger_s

    async def _emit(self, not_after_s: float | None) -> None:
        assert self._files is not None
        devices = self._plan.devices
        for number, given in enumerate(self._merge.take(not_after_s), 1):
            self._raised += given.raised
            self._position[place_name(given.place)] = given.next_offset
            entry = given.entry
            if entry is not None and (not devices or tick_us(entry) is not None or device(entry) in devices):
                self._files.add(entry, self._position)
                self._count(entry)
                if devices:
                    self._seen.add(device(entry))
            if number % _YIELD_EVERY == 0:
                self._report()
                await asyncio.sleep(0)
                if self._stop.is_set() and self._plan.end is not None:
                    return

    def _balance(self) -> None:
        """A partition with much waiting is not read on until the others have caught up."""
        paused = self._consumer.paused()
        for place, partition in self._places.items():
            full = self._merge.waiting_bytes(place) >= WAITING_BYTES and place not in self._merge.wanting
            if full and partition not in paused:
                self._consumer.pause(partition)
            elif partition in paused and not full and not self._merge.is_closed(place):
                self._consumer.resume(partition)

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, Verbatim):
            self._verbatim += 1
            self._events += 1
        elif isinstance(entry, Record) and isinstance(entry.event, Tick):
            self._ticks += 1
        else:
            self._events += 1
            self._rows += rows(entry)

    def _report(self, now: bool = False) -> None:
        assert self._files is not None
        moment = time.monotonic()
        if not now and moment - self._reported < _REPORT_EVERY_S:
            return
        self._reported = moment
        self._done = replace(
            self._done,
            events=self._events,
            rows=self._rows,
            bytes=self._files.bytes_written,
            seconds=moment - self._began,
            logged_us=self._merge.last_us,
            ticks=self._ticks,
            verbatim=self._verbatim,
            read=self._read,
            raised=self._raised,
        )
        if self._on_progress is not None:
            self._on_progress(self._done)

    def _say_away(self, fault: BaseException) -> None:
        if not self._away:
            self._away = True
            self._on_away(f"{self._settings.kafka_bootstrap}: {fault or type(fault).__name__}")

    def _say_back(self) -> None:
        if self._away:
            self._away = False
            self._on_away(None)

    async def _close_consumer(self, consumer: Any) -> None:
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(consumer.stop(), _CLOSE_TIMEOUT_S)


_KEEP = "What is written stays good: `ioc recording convert --salvage`"


def rows(entry: Entry) -> int:
    """Zones or lanes of an event."""
    if isinstance(entry, Record) and isinstance(entry.event, CameraObservation):
        return len(entry.event.zones)
    return len(entry.event.station) if isinstance(entry, Record) and isinstance(entry.event, TrafficReading) else 0


def _consumer(settings: Settings) -> Any:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_POLL_MS,
        request_timeout_ms=int(REQUEST_S * 1000),
    )
