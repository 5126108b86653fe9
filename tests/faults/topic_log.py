"""Topics read whole, in order, partition by partition; and kept in a file where a failure is to be looked into."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

READ_WITHIN_S = 60.0


class Logged(msgspec.Struct, frozen=True):
    """A message as the log holds it."""

    offset: int
    logged_ms: int
    key: bytes | None
    value: bytes | None


TopicLog = dict[int, list[Logged]]


def read_topics(bootstrap: str, topics: Iterable[str]) -> dict[str, TopicLog]:
    """Everything that the topics hold now. Raises TimeoutError."""
    return asyncio.run(asyncio.wait_for(_read(bootstrap, list(topics)), READ_WITHIN_S))


async def _read(bootstrap: str, topics: list[str]) -> dict[str, TopicLog]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", request_timeout_ms=20_000
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        places = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer._client.cluster.partitions_for_topic(topic) or ())
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        logs: dict[str, TopicLog] = {topic: {} for topic in topics}
        for place in places:
            logs[place.topic][place.partition] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, messages in (await consumer.getmany(timeout_ms=200)).items():
                logs[place.topic][place.partition] += [
                    Logged(message.offset, message.timestamp, message.key, message.value) for message in messages
                ]
        return logs
    finally:
        await consumer.stop()


def write_logs(file: Path, logs: Mapping[str, TopicLog]) -> None:
    """One JSON line a message, bytes in base64."""
    with gzip.open(file, "wb") as out:
        for topic, partitions in logs.items():
            for number, messages in partitions.items():
                for message in messages:
                    line = {"topic": topic, "partition": number, **msgspec.to_builtins(message)}
                    out.write(msgspec.json.encode(line) + b"\n")
