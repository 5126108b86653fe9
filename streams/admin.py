"""Topics and lag: creates what is missing, removes what an isolated run made, tells how far a group is behind.

Decides nothing about the shape of topics (streams.schema.topics), with one exception: an isolated namespace keeps
its messages for ever, because a replay carries the times of its recording and Kafka deletes by those times.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.core.progress import Place, Position
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.settings import Settings
from streams.schema.topics import Topic

T = TypeVar("T")
Lag = dict[str, dict[int, int]]
_REQUEST_TIMEOUT_MS = 20_000
_APPEAR_S = 20.0
_REPLICAS = 3
"""Copies of each topic, where there are so many brokers."""


def is_isolated(settings: Settings) -> bool:
    """Whether this is a run of its own (a replay, a test), away from the live system."""
    return settings.namespace != Settings.namespace


async def ensure_topics(settings: Settings) -> list[str]:
    """Creates the topics that are missing; returns their names.

    Raises ConfigurationInvalid where a topic has another number of partitions, RetryLater where Kafka is away.
    """
    async with _admin(settings) as admin:
        found = await _partition_counts(admin)
        for topic in settings.topics.all:
            _check_partitions(topic, found.get(topic.name))
        missing = [topic for topic in settings.topics.all if topic.name not in found]
        if not missing:
            return []
        replicas = min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        response = await admin.create_topics([_new_topic(topic, settings, replicas) for topic in missing])
        for name, code, *detail in response.topic_errors:
            fault = for_code(code)
            if code and fault is not TopicAlreadyExistsError:
                raise ConfigurationInvalid(name, f"Kafka refused to create the topic: {fault.__name__} {detail}")
        await _until(admin, lambda counts: all(counts.get(topic.name) for topic in missing))
        return [topic.name for topic in missing]


async def missing_topics(settings: Settings) -> list[str]:
    """Names of the topics that are not there. Raises as ensure_topics does."""
    async with _admin(settings) as admin:
        found = await _partition_counts(admin)
    for topic in settings.topics.all:
        _check_partitions(topic, found.get(topic.name))
    return [topic.name for topic in settings.topics.all if topic.name not in found]


async def delete_topics(settings: Settings) -> None:
    """Removes every topic of an isolated namespace, those that Faust made (changelogs) too.

    Raises ConfigurationInvalid for the live namespace.
    """
    if not is_isolated(settings):
        raise ConfigurationInvalid("IOC_NAMESPACE", f"the topics of {settings.namespace!r} are never deleted")
    async with _admin(settings) as admin:
        prefixes = (f"{settings.namespace}.", f"{settings.namespace}-")
        names = [name for name in await _partition_counts(admin) if name.startswith(prefixes)]
        if not names:
            return
        response = await admin.delete_topics(names)
        for name, code, *_ in response.topic_error_codes:
            if code and for_code(code) is not UnknownTopicOrPartitionError:
                raise RetryLater(f"Kafka refused to delete {name}: {for_code(code).__name__}")
        await _until(admin, lambda counts: not any(name in counts for name in names))


async def consumer_lag(settings: Settings, group: str, topics: Iterable[str] | None = None) -> Lag:
    """Messages that the group has not acknowledged, by topic and partition.

    ``topics``: names; None: the input topics. A partition that the group never acknowledged lags by all it holds.
    Raises RetryLater where Kafka is away, ConfigurationInvalid where a topic is missing.
    """
    async with group_reader(settings) as reader:
        return await reader.lag(group, topics)


async def namespaces(settings: Settings) -> dict[str, int]:
    """The namespaces that have topics on the broker -> how many messages they hold. Raises RetryLater."""
    last = settings.topics.camera_observations.name.removeprefix(settings.namespace)
    async with group_reader(settings) as reader:
        return await reader.held(last)


async def running_members(settings: Settings) -> int:
    """Workers that are in the consumer group of the namespace just now. Raises RetryLater."""
    async with _admin(settings) as admin:
        described = await _coordinated(lambda: admin.describe_consumer_groups([settings.topics.group]))
    return sum(len(group[5]) for answer in described for group in answer.groups)


async def wait_until_drained(
    settings: Settings,
    group: str,
    *,
    timeout_s: float,
    topics: Iterable[str] | None = None,
    poll_s: float = 0.2,
) -> float:
    """Waits until the group has acknowledged everything; returns the seconds. Raises TimeoutError with the lag.

    A broker that goes away meanwhile counts as not drained.
    """
    began = time.monotonic()
    rest: Lag | str = "unknown"
    while (left := timeout_s - (time.monotonic() - began)) > 0:
        try:
            async with asyncio.timeout(left), group_reader(settings) as reader:
                while total(rest := await reader.lag(group, topics)):  # noqa: ASYNC110  nobody tells us
                    await asyncio.sleep(poll_s)
                return time.monotonic() - began
        except RetryLater as fault:
            rest = str(fault)
            await asyncio.sleep(min(1.0, left))
        except TimeoutError:
            break
    raise TimeoutError(f"group {group} is not drained after {timeout_s:g} s: {rest}")


async def next_offset(settings: Settings, topic: str, partition: int, since: int) -> int:
    """The first offset, from ``since`` on, at which the log holds a message; waits for one.

    Raises RetryLater where Kafka is away or no message comes.
    """
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        consumer.assign([place])
        consumer.seek(place, since)
        return int((await asyncio.wait_for(consumer.getone(), _APPEAR_S)).offset)
    except (KafkaError, OSError, TimeoutError) as fault:
        raise RetryLater(f"Kafka at {settings.kafka_bootstrap}: {fault or type(fault).__name__}") from fault
    finally:
        await consumer.stop()


def total(lag: Mapping[str, Mapping[int, int]]) -> int:
    return sum(sum(partitions.values()) for partitions in lag.values())


def _names(settings: Settings, topics: Iterable[str] | None) -> list[str]:
    return [topic.name for topic in settings.topics.inputs] if topics is None else list(topics)


def _new_topic(topic: Topic, settings: Settings, replicas: int) -> NewTopic:
    config = dict(topic.config)
    if is_isolated(settings):
        config["retention.ms"] = "-1"
    return NewTopic(topic.name, topic.partitions, replicas, topic_configs=config)


def _check_partitions(topic: Topic, found: int | None) -> None:
    if found is None or found == topic.partitions:
        return
    raise ConfigurationInvalid(
        topic.name,
        f"the topic has {found} partitions, IOC_PARTITIONS says {topic.partitions}. Set IOC_PARTITIONS={found}, or"
        " take another IOC_NAMESPACE: state and order hang on the number, it cannot change in place",
    )


async def _partition_counts(admin: Any) -> dict[str, int]:
    return {
        topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics() if not topic["error_code"]
    }


async def _coordinated(ask: Callable[[], Awaitable[T]]) -> T:
    """A new broker makes its offsets topic at the first question about a group and answers a moment later."""
    async with asyncio.timeout(_APPEAR_S):
        while True:
            try:
                return await ask()
            except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                await asyncio.sleep(0.1)


async def _until(admin: Any, condition: Any) -> None:
    """Creation and deletion are told to the brokers after they are decided: wait until they show."""
    async with asyncio.timeout(_APPEAR_S):
        while not condition(await _partition_counts(admin)):  # noqa: ASYNC110  nobody tells us
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError, TimeoutError) as fault:
        if isinstance(fault, KafkaError) and not (fault.retriable or isinstance(fault, KafkaConnectionError)):
            raise
        raise RetryLater(f"Kafka at {settings.kafka_bootstrap}: {fault or type(fault).__name__}") from fault
    finally:
        await admin.close()


class GroupReader:
    """Where a group of workers stands. Not for use from several tasks at once."""

    def __init__(self, admin: Any, consumer: Any, settings: Settings) -> None:
        self._admin, self._consumer, self._settings = admin, consumer, settings
        self._partitions: dict[str, list[TopicPartition]] = {}

    async def positions(self, group: str | None = None, topics: Iterable[str] | None = None) -> dict[Place, Position]:
        """What the group (None: the workers') has acknowledged of topics (None: the input topics), and their ends.

        A partition that the group never acknowledged stands at the first message it holds. Raises RetryLater where
        Kafka is away, ConfigurationInvalid where a topic is missing.
        """
        names = _names(self._settings, topics)
        partitions = [place for name in names for place in await self._partitions_of(name)]
        # the acknowledged first: what arrives between the two questions then counts as lag, never the other way
        acknowledged = await self._acknowledged(group or self._settings.topics.group)
        ends = await self._consumer.end_offsets(partitions)
        starts = await self._consumer.beginning_offsets(partitions)
        found = {}
        for place in partitions:
            known = acknowledged.get(place)
            since = max(starts[place], known.offset if known is not None else 0)
            found[place.topic, place.partition] = Position(min(since, ends[place]), ends[place])
        return found

    async def lag(self, group: str, topics: Iterable[str] | None) -> Lag:
        lag: Lag = {topic: {} for topic in _names(self._settings, topics)}
        for (topic, number), position in (await self.positions(group, lag)).items():
            lag[topic][number] = position.end - position.acknowledged
        return lag

    async def _partitions_of(self, topic: str) -> list[TopicPartition]:
        if topic not in self._partitions:
            counts = await _partition_counts(self._admin)
            if topic not in counts:
                raise ConfigurationInvalid(topic, "there is no such topic")
            self._partitions[topic] = [TopicPartition(topic, number) for number in range(counts[topic])]
        return self._partitions[topic]

    async def held(self, last: str) -> dict[str, int]:
        """Messages by namespace; ``last`` is how the name of a topic ends that each namespace has."""
        counts = await _partition_counts(self._admin)
        known = [name.removesuffix(last) for name in counts if name.endswith(last)]
        places = {
            TopicPartition(name, number): namespace
            for namespace in known
            for name in counts
            if name.startswith(f"{namespace}.")
            for number in range(counts[name])
        }
        if not places:
            return {}
        ends = await self._consumer.end_offsets(list(places))
        starts = await self._consumer.beginning_offsets(list(places))
        found = dict.fromkeys(sorted(known), 0)
        for place, namespace in places.items():
            found[namespace] += ends[place] - starts[place]
        return found

    async def _acknowledged(self, group: str) -> dict[TopicPartition, Any]:
        return dict(await _coordinated(lambda: self._admin.list_consumer_group_offsets(group)))


@asynccontextmanager
async def group_reader(settings: Settings) -> AsyncIterator[GroupReader]:
    """A connection that answers where groups stand. Raises RetryLater where Kafka is away or goes away."""
    async with _admin(settings) as admin:
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await consumer.start()
            yield GroupReader(admin, consumer, settings)
        finally:
            await consumer.stop()
