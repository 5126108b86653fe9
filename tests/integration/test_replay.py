"""Replay, ticker, topics and lag on a real broker."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from ioc.embedded.kafka import EmbeddedKafka
from streams.admin import consumer_lag, delete_topics, ensure_topics, total, wait_until_drained
from streams.replay.outgoing import Outgoing
from streams.replay.player import play
from streams.replay.recording import Entry, Recording, Verbatim
from streams.schema.codec import decode
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import Tick
from streams.schema.settings import Settings
from streams.ticker import Ticker
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

pytestmark = pytest.mark.integration
Log = dict[tuple[str, int], list[tuple[bytes | None, bytes, int]]]


@pytest.fixture
async def settings(kafka_bootstrap: str) -> AsyncIterator[Settings]:
    """A namespace of its own, with its topics, removed at the end."""
    own = Settings(kafka_bootstrap=kafka_bootstrap, namespace=f"t{uuid.uuid4().hex[:12]}", partitions=3)
    assert len(await ensure_topics(own)) == len(own.topics.all)
    yield own
    await delete_topics(own)


async def read_log(settings: Settings) -> Log:
    """Everything in the input topics, by partition, in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(t.name, n) for t in settings.topics.inputs for n in range(t.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        log: Log = {(place.topic, place.partition): [] for place in places}
        async with asyncio.timeout(60):
            while any([await consumer.position(place) < ends[place] for place in places]):
                for place, messages in (await consumer.getmany(timeout_ms=200)).items():
                    log[place.topic, place.partition] += [(m.key, m.value, m.timestamp) for m in messages]
        return log
    finally:
        await consumer.stop()


def expected_log(recording: Recording, settings: Settings, log: Log) -> Log:
    """What each partition must hold, with the partition of each key taken from where it was found."""
    place_of = {key: place for place, messages in log.items() for key, _, _ in messages if key}
    found: Log = {place: [] for place in log}
    for entry in recording:
        message = Outgoing(settings.topics).message(entry)
        stamp = message.logged_us // 1000
        if message.topic is None:
            for messages in found.values():
                messages.append((None, message.payload, stamp))
        else:
            place = place_of[message.key.encode()]
            assert place[0] == message.topic
            found[place].append((message.key.encode(), message.payload, stamp))
    return found


def busy_recording(seconds: int, corridors: int = 7, rows: int = 40) -> Recording:
    entries: list[Entry] = []
    for second in range(seconds):
        entries += [reading(second, rows, f"corridor-{number}") for number in range(corridors)]
        entries += [observation(second, f"camera-{number}") for number in range(5)]
        entries.append(verbatim(second + 1, "{ broken", "corridor-1"))
        entries.append(tick(second + 1))
    return Recording.of(entries)


async def test_the_log_of_each_partition_has_the_order_of_the_recording(settings: Settings) -> None:
    recording = busy_recording(120)
    result = await play(recording, settings)
    log = await read_log(settings)
    assert log == expected_log(recording, settings, log)
    assert result.messages == sum(len(messages) for messages in log.values())
    assert result.ticks == 120 and result.events == 120 * 13
    assert sum(any(key for key, _, _ in messages) for messages in log.values()) >= 4  # several partitions have data


async def test_compressed_gives_the_same_log(settings: Settings) -> None:
    recording = busy_recording(20)
    await play(recording, settings, compression="gzip")
    log = await read_log(settings)
    assert log == expected_log(recording, settings, log)


async def test_a_message_of_ten_megabytes_passes(settings: Settings) -> None:
    huge = Verbatim(tick(0).logged_us, b"x" * 10_000_000, "observations.traffic", "big")
    await play(Recording.of([reading(-5), huge, tick(1)]), settings)
    log = await read_log(settings)
    assert sorted(len(value) for messages in log.values() for _, value, _ in messages)[-1] == 10_000_000


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_that_goes_away_in_the_middle_loses_and_doubles_nothing(
    settings: Settings, kafka: EmbeddedKafka, how: str
) -> None:
    recording = busy_recording(60)
    began = time.monotonic()
    task = asyncio.create_task(play(recording, settings, speed=10))
    await asyncio.sleep(1.5)
    await asyncio.to_thread(kafka.stop if how == "stop" else kafka.kill)
    await asyncio.sleep(3)
    assert not task.done()
    await asyncio.to_thread(kafka.start)
    result = await asyncio.wait_for(task, 120)
    assert time.monotonic() - began > 4
    log = await read_log(settings)
    assert log == expected_log(recording, settings, log)
    assert result.messages == sum(len(messages) for messages in log.values())


async def test_topics_are_made_once_and_keep_everything_in_an_isolated_run(settings: Settings) -> None:
    assert await ensure_topics(settings) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        name = settings.topics.traffic_readings.name
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        config: dict[str, Any] = {each[0]: each[1] for each in answer.resources[0][4]}
    finally:
        await admin.close()
    assert (config["retention.ms"], config["max.message.bytes"]) == ("-1", str(16 * 1024 * 1024))


async def test_another_number_of_partitions_is_refused_with_both_numbers(settings: Settings) -> None:
    other = replace(settings, partitions=5)
    with pytest.raises(ConfigurationInvalid, match="has 3 partitions, IOC_PARTITIONS says 5") as fault:
        await ensure_topics(other)
    assert fault.value.path == settings.topics.camera_observations.name
    with pytest.raises(ConfigurationInvalid, match="it has 3 partitions, IOC_PARTITIONS says 5"):
        await play(Recording.of([tick(0)]), other)


async def test_without_topics_a_replay_is_refused(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Settings(kafka_bootstrap=kafka_bootstrap, namespace="nowhere")
    with pytest.raises(ConfigurationInvalid, match=r"nowhere\.observations\.camera: there is no such topic"):
        await play(Recording.of([tick(0)]), nowhere)
    with pytest.raises(ConfigurationInvalid, match="there is no such topic"):
        await consumer_lag(nowhere, "group")


async def test_the_live_topics_are_never_deleted(kafka_bootstrap: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="never deleted"):
        await delete_topics(Settings(kafka_bootstrap=kafka_bootstrap))


async def test_deleting_takes_only_the_own_namespace(settings: Settings) -> None:
    other = replace(settings, namespace=settings.namespace + "x")
    await ensure_topics(other)
    await delete_topics(other)
    assert await ensure_topics(settings) == []
    assert len(await ensure_topics(other)) == len(other.topics.all)
    await delete_topics(other)
    await delete_topics(other)  # nothing there is nothing to do


async def test_lag_is_what_the_group_has_not_acknowledged(settings: Settings) -> None:
    group = f"{settings.namespace}-group"
    recording = busy_recording(10)
    result = await play(recording, settings)
    lag = await consumer_lag(settings, group)
    assert total(lag) == result.messages
    assert {topic: len(partitions) for topic, partitions in lag.items()} == {t.name: 3 for t in settings.topics.inputs}
    with pytest.raises(TimeoutError, match="not drained after"):
        await wait_until_drained(settings, group, timeout_s=1)

    async def consume() -> None:
        consumer = AIOKafkaConsumer(
            *(topic.name for topic in settings.topics.inputs),
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            read = 0
            while read < result.messages:
                read += sum(len(messages) for messages in (await consumer.getmany(timeout_ms=200)).values())
            await consumer.commit()
        finally:
            await consumer.stop()

    task = asyncio.create_task(consume())
    assert await wait_until_drained(settings, group, timeout_s=30) < 30
    await task
    assert total(await consumer_lag(settings, group)) == 0
    await play(Recording.of([tick(0)]), settings)
    assert total(await consumer_lag(settings, group)) == 6
    assert total(await consumer_lag(settings, group, [settings.topics.alarms.name])) == 0


async def test_no_broker_is_retry_later() -> None:
    nobody = Settings(kafka_bootstrap="127.0.0.1:1", namespace="t")
    for call in (ensure_topics(nobody), consumer_lag(nobody, "g"), play(Recording.of([tick(0)]), nobody)):
        with pytest.raises(RetryLater):
            await call


async def test_the_ticker_ticks_and_survives_a_broker_that_is_away(settings: Settings, kafka: EmbeddedKafka) -> None:
    stop = asyncio.Event()
    ticker = Ticker(settings, interval_s=0.5)
    task = asyncio.create_task(ticker.run(stop))
    await asyncio.sleep(3)
    before = ticker.last_acknowledged_at
    assert before is not None and time.time() - before.timestamp() < 1.5
    await asyncio.to_thread(kafka.stop)
    await asyncio.sleep(4)
    await asyncio.to_thread(kafka.start)
    async with asyncio.timeout(30):
        while time.time() - (ticker.last_acknowledged_at or before).timestamp() > 1.2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    stop.set()
    await asyncio.wait_for(task, 10)
    for messages in (await read_log(settings)).values():
        times = []
        for key, value, stamp in messages:
            event = decode(value, Tick)
            assert isinstance(event, Tick)
            times.append(event.ticked_at.timestamp())
            assert key is None and times[-1] * 1000 == stamp and times[-1] % 0.5 == 0
        assert times == sorted(times)
        gap = max(b - a for a, b in pairwise(times))
        assert gap >= 3  # the missed ones were skipped
        assert len(times) <= 2 * (times[-1] - times[0] - gap) + 4
