"""Builds the faust.App: which topic feeds which agent, and how Faust is set up. The composition root of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

import faust
from faust.exceptions import ConsumerNotStarted

from streams.admin import next_offset
from streams.agents.pipeline import Pipeline
from streams.agents.position import Consumer, Included, States
from streams.agents.sources import camera_kind, corridor_kind
from streams.core.partition import SourceKind
from streams.core.progress import Place
from streams.schema.settings import Settings
from streams.schema.site import Site
from streams.schema.topics import MAX_MESSAGE_BYTES, Topic
from streams.storage.sink import Sink
from streams.watchdog import END_WITHIN_S, Watchdog, end_within

BEAT_S = 5.0
SESSION_TIMEOUT_S = 6.0
"""The least that a broker takes by default: so long a killed worker's partitions wait for the next one."""
TAKE_WITHIN_S = 0.05
BUFFERED_EVENTS = 4096


def build_app(settings: Settings, site: Site, beat: Callable[[], None] = lambda: None) -> faust.App:
    """A Faust app that turns the input topics of the settings' namespace into rows and alarms.

    beat is called every few seconds while the worker's event loop runs.
    """
    settings.health_dir.mkdir(parents=True, exist_ok=True)
    app = _WatchedApp(
        settings.topics.group,
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        datadir=str(settings.health_dir / f"{settings.namespace}-faust"),
        topic_partitions=settings.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        stream_buffer_maxsize=BUFFERED_EVENTS,
        stream_wait_empty=False,
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=SESSION_TIMEOUT_S / 4,
        producer_acks=-1,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        Table=States,
    )
    included: dict[str, Included] = {}
    app.transport.Consumer = partial(Consumer, included=included)
    topics = settings.topics
    alarms, dead_letters = _topic(app, topics.alarms), _topic(app, topics.dead_letters)
    inputs = (
        (topics.camera_observations, camera_kind(site)),
        (topics.traffic_readings, corridor_kind(site, store_readings=settings.store_readings)),
    )
    pipelines = {topic.name: _add_agent(app, settings, topic, kind, alarms, dead_letters) for topic, kind in inputs}
    included.update({name: pipeline.included for name, pipeline in pipelines.items()})

    async def show_life() -> None:
        beat()

    app.timer(interval=BEAT_S)(show_life)

    app.watchdog = _watchdog(app, settings, list(pipelines.values()))
    return app


class _WatchedApp(faust.App):  # type: ignore[misc]
    """Its watchdog looks from the start on, while tables are still recovered; and a crash surely ends the process."""

    watchdog: Watchdog

    async def on_first_start(self) -> None:
        await super().on_first_start()
        self.watchdog.start()

    async def crash(self, reason: BaseException) -> None:
        """Faust's stopping may wait for ever for something that is itself stopped."""
        end_within(END_WITHIN_S)
        await super().crash(reason)


def _watchdog(app: faust.App, settings: Settings, pipelines: Sequence[Pipeline]) -> Watchdog:
    names = {topic.name for topic in settings.topics.inputs}

    def holding() -> Collection[Place]:
        try:
            return {(place.topic, place.partition) for place in app.consumer.assignment() if place.topic in names}
        except ConsumerNotStarted:
            return ()

    def excused() -> bool:
        return any(pipeline.waits_for_database for pipeline in pipelines)

    def end(stalled: str) -> None:
        asyncio.run_coroutine_threadsafe(app.crash(RuntimeError(f"no progress: {stalled}")), app.loop)

    return Watchdog(settings, holding, excused, end)


def _topic(app: faust.App, topic: Topic) -> faust.TopicT:
    return app.topic(
        topic.name, key_serializer="raw", value_serializer="raw", partitions=topic.partitions, allow_empty=True
    )


def _add_agent(
    app: faust.App,
    settings: Settings,
    topic: Topic,
    kind: SourceKind,
    alarms: faust.TopicT,
    dead_letters: faust.TopicT,
) -> Pipeline:
    table = app.Table(
        settings.topics.table(topic),
        key_type=bytes,
        value_type=bytes,
        partitions=topic.partitions,
    )
    pipeline = Pipeline(
        topic.name,
        kind,
        table,
        Sink(settings.database_url, settings.namespace),
        alarms,
        dead_letters,
        generation=lambda: app.consumer_generation_id,
        next_offset=partial(next_offset, settings, topic.name),
        crash=app.crash,
    )

    async def process(stream: faust.StreamT[bytes]) -> None:
        async for events in stream.noack_take(settings.batch_events, within=TAKE_WITHIN_S):
            await pipeline.run(events, acknowledge)

    def acknowledge(events: Sequence[faust.EventT]) -> None:
        for event in events:
            app.consumer.acknowledge(event.message)

    app.agent(_topic(app, topic), name=topic.name)(process)
    return pipeline
