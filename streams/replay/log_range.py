"""Which stretch of Kafka's log is recorded: from times to offsets, once, when a recorder begins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.replay.incoming import Place
from streams.replay.mcap_file import CHUNK_BYTES
from streams.replay.recording import InputTopic, RecordingInfo
from streams.replay.recording_files import Plan
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings

REQUEST_S = 10.0
_TOPICS: tuple[InputTopic, ...] = ("observations.camera", "observations.traffic")


@dataclass(frozen=True)
class Wanted:
    """What to record. Times by Kafka's time stamps, microseconds since 1970: from_us inclusive, to_us exclusive."""

    topics: tuple[InputTopic, ...] = _TOPICS
    devices: tuple[str, ...] = ()
    from_us: int | None = None
    """None: from the oldest that Kafka has; live, from now."""
    to_us: int | None = None
    follow: bool = False
    chunk_bytes: int = CHUNK_BYTES
    split_bytes: int | None = None
    split_us: int | None = None
    title_vi: str = ""
    title_en: str = ""


async def find_plan(settings: Settings, consumer: Any, wanted: Wanted) -> Plan:
    """The offsets that are wanted. Raises KafkaError or TimeoutError where Kafka is away, ConfigurationInvalid where a
    topic is missing.
    """
    places = await _find_places(settings, wanted.topics)
    partitions = [partition_at(settings, place) for place in places]

    async def ask(question: Any) -> Any:
        return await asyncio.wait_for(question, REQUEST_S)

    async def at(us: int) -> dict[TopicPartition, int]:
        """The first offset of that time or later; the end where there is none."""
        found = await ask(consumer.offsets_for_times(dict.fromkeys(partitions, -(-us // 1000))))
        return {each: found[each].offset if found[each] is not None else ends[each] for each in partitions}

    ends = await ask(consumer.end_offsets(partitions))
    if wanted.from_us is not None:
        starts = await at(wanted.from_us)
    else:
        starts = ends if wanted.follow else await ask(consumer.beginning_offsets(partitions))
    if wanted.to_us is not None:
        ends = await at(wanted.to_us)
    named = {place_name(place): partition_at(settings, place) for place in places}
    return Plan(
        namespace=settings.namespace,
        topics=wanted.topics,
        devices=wanted.devices,
        start={name: starts[partition] for name, partition in named.items()},
        end=None if wanted.follow else {name: ends[partition] for name, partition in named.items()},
        chunk_bytes=wanted.chunk_bytes,
        split_bytes=wanted.split_bytes,
        split_us=wanted.split_us,
    )


async def _find_places(settings: Settings, topics: Iterable[InputTopic]) -> list[Place]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=int(REQUEST_S * 1000))
    try:
        await admin.start()
        described = {each["topic"]: each for each in await admin.describe_topics() if not each["error_code"]}
    finally:
        await admin.close()
    places: list[Place] = []
    for topic in topics:
        name = f"{settings.namespace}.{topic}"
        if name not in described:
            raise ConfigurationInvalid(name, "there is no such topic; is IOC_NAMESPACE right?")
        places += [(topic, number) for number in range(len(described[name]["partitions"]))]
    return places


def info(plan: Plan, wanted: Wanted) -> RecordingInfo:
    """Titles as given, or ones that say where it comes from."""
    return RecordingInfo(
        wanted.title_vi or f"Bản ghi từ Kafka, không gian {plan.namespace}",
        wanted.title_en or f"Recorded from Kafka, namespace {plan.namespace}",
        "ioc record",
    )


def place_name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def place_named(name: str) -> Place:
    topic, _, number = name.rpartition("/")
    for known in _TOPICS:
        if topic == known:
            return known, int(number)
    raise ConfigurationInvalid(name, "an unfinished recording of a topic that is not known")


def partition_at(settings: Settings, place: Place) -> TopicPartition:
    return TopicPartition(f"{settings.namespace}.{place[0]}", place[1])


def place_of(settings: Settings, partition: TopicPartition) -> Place:
    return place_named(f"{partition.topic.removeprefix(settings.namespace + '.')}/{partition.partition}")
