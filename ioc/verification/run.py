"""Plays a case into an isolated run and gathers what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from ioc.isolated import IsolatedRun
from ioc.verification.golden import Outcome, outcome
from streams.replay.player import Progress, play
from streams.replay.recording import Entry, Record, Recording
from streams.schema import codec
from streams.schema.events import Alarm, Tick
from streams.schema.instants import instant
from streams.schema.settings import Settings
from streams.schema.site import Site

HOUR_US = 3_600_000_000
READ_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Way:
    """How it is played: none of this may change what comes of it. speed: None is as fast as it goes."""

    speed: float | None = None
    partitions: int = 1
    workers: int = 1


def closed(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, and a tick that closes what is open."""
    last_us = None
    for entry in entries:
        last_us = entry.logged_us
        yield entry
    if last_us is not None:
        yield closing_tick(last_us)


def closing_tick(last_us: int) -> Entry:
    """Time after an entry that was logged then, on a full hour 30 to 90 min later (the same one however the end was
    disturbed): every window closes, and no source is silent, as ticks were away."""
    end_us = -(-(last_us + HOUR_US // 2) // HOUR_US) * HOUR_US
    return Record(end_us, Tick(ticked_at=instant(end_us)))


def run_case(
    recording: Recording,
    site: Site,
    base: Settings,
    folder: Path,
    way: Way,
    on_progress: Callable[[Progress], None] | None = None,
    timeout_s: float = 600.0,
) -> Outcome:
    """Everything that an isolated run gives. Raises NotDone, RetryLater, ConfigurationInvalid."""
    last_us = 0

    def passing() -> Iterator[Entry]:
        nonlocal last_us
        for entry in recording:
            last_us = entry.logged_us
            yield entry

    with IsolatedRun(base, site, folder, partitions=way.partitions) as run:
        for _ in range(way.workers):
            run.start_worker()
        asyncio.run(play(Recording(recording.info, passing), run.settings, speed=way.speed, on_progress=on_progress))
        run.play([closing_tick(last_us)])
        run.wait_until_drained(timeout_s, supervise=True)
        return outcome(run.exports(), asyncio.run(_alarms(run.settings)), run.settings.namespace)


async def _alarms(settings: Settings) -> list[Alarm]:
    """Every decision in the alarms topic, repeats and all."""
    topic = settings.topics.alarms
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[Alarm] = []
        async with asyncio.timeout(READ_TIMEOUT_S):
            while any([await consumer.position(place) < ends[place] for place in places]):
                batches = await consumer.getmany(timeout_ms=200)
                found += [codec.decode(message.value, Alarm) for message in chain(*batches.values())]
        return found
    finally:
        await consumer.stop()
