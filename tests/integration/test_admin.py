"""What Kafka is asked about offsets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from streams.admin import delete_topics, ensure_topics, group_reader, next_offset, total
from streams.core.progress import Position
from tests.integration.platform import wired

pytestmark = pytest.mark.integration


async def test_the_next_offset_is_where_the_log_goes_on_and_the_reader_counts_what_is_acknowledged(
    kafka_bootstrap: str, admin_database_url: str
) -> None:
    settings = replace(wired(kafka_bootstrap, admin_database_url), namespace="run_of_offsets", partitions=1)
    topic = settings.topics.camera_observations.name
    await ensure_topics(settings)
    try:
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            for _ in range(5):
                await producer.send_and_wait(topic, b"x", partition=0)
        assert [await next_offset(settings, topic, 0, since) for since in (0, 3)] == [0, 3]
        place = TopicPartition(topic, 0)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.delete_records({place: RecordsToDelete(before_offset=2)})
        await admin.close()
        assert await next_offset(settings, topic, 0, 0) == 2
        async with group_reader(settings) as reader:
            assert total(await reader.lag(settings.topics.group, [topic])) == 3
            assert (await reader.positions(topics=[topic]))[topic, 0] == Position(2, 5)
            consumer = AIOKafkaConsumer(
                bootstrap_servers=kafka_bootstrap, group_id=settings.topics.group, enable_auto_commit=False
            )
            await consumer.start()
            consumer.assign([place])
            await consumer.commit({place: OffsetAndMetadata(4, "")})
            await consumer.stop()
            assert total(await reader.lag(settings.topics.group, [topic])) == 1
            assert (await reader.positions(topics=[topic]))[topic, 0] == Position(4, 5)
    finally:
        await delete_topics(settings)
