from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OutOfOrderSequenceNumber

from streams.ingest.publisher import Publisher
from streams.schema.errors import RetryLater
from tests.unit.streams.ingest.doubles import ProducerDouble, never

MESSAGES = [(b"corridor", b"{}"), (b"corridor", b"[]")]


@asynccontextmanager
async def publisher(*producers: ProducerDouble, acknowledge_s: float = 0.2) -> AsyncIterator[Publisher]:
    """Makes the producers one after the other; the last one again and again."""
    waiting = list(producers)

    def make() -> ProducerDouble:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    made = Publisher(make, acknowledge_s=acknowledge_s, connect_wait_s=0.1, reconnect_s=0.01, retry_after_s=7)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_everything_is_sent_in_order() -> None:
    producer = ProducerDouble()
    async with publisher(producer) as made:
        await made.publish(MESSAGES)
        assert await made.ready()
    assert producer.sent == MESSAGES
    assert producer.stopped == 1


async def test_it_starts_without_kafka_and_connects_when_it_comes() -> None:
    producer = ProducerDouble()
    producer.start_faults = [KafkaConnectionError("refused")] * 20
    async with publisher(producer) as made:
        assert not await made.ready()
        with pytest.raises(RetryLater) as later:
            await made.publish(MESSAGES)
        assert later.value.retry_after_s == 7
        await until(lambda: producer.started == 1)
        await made.publish(MESSAGES)
    assert producer.stopped == 21


async def test_a_request_waits_a_bounded_time_for_its_acknowledgement() -> None:
    producer = ProducerDouble()
    producer.answer = never
    async with publisher(producer) as made:
        started = time.perf_counter()
        with pytest.raises(RetryLater, match="no acknowledgement in time"):
            await made.publish(MESSAGES)
        assert time.perf_counter() - started < 1


@pytest.mark.parametrize("fault", [KafkaTimeoutError(), OutOfOrderSequenceNumber(), None])
async def test_a_producer_that_did_not_deliver_is_replaced(fault: Exception | None) -> None:
    broken, fresh = ProducerDouble(), ProducerDouble()
    broken.answer = never if fault is None else lambda: fault
    async with publisher(broken, fresh) as made:
        with pytest.raises(RetryLater):
            await made.publish(MESSAGES)
        await made.publish(MESSAGES)
        await until(lambda: broken.stopped == 1)
    assert fresh.sent == MESSAGES
    assert (fresh.started, fresh.stopped) == (1, 1)


async def test_one_unacknowledged_message_makes_the_batch_unaccepted() -> None:
    producer = ProducerDouble()
    answers: list[object] = [None, KafkaTimeoutError()]
    producer.answer = lambda: answers.pop(0)
    async with publisher(producer) as made:
        with pytest.raises(RetryLater):
            await made.publish(MESSAGES)


async def test_ready_asks_kafka_now() -> None:
    producer = ProducerDouble()
    async with publisher(producer) as made:
        await until(lambda: producer.started == 1)
        producer.alive = False
        assert not await made.ready()
        producer.alive = True
        assert await made.ready()


async def test_a_fault_of_the_code_is_not_taken_for_an_absence_of_kafka() -> None:
    producer = ProducerDouble()
    producer.start_faults = [ZeroDivisionError("a bug")]
    async with publisher(producer) as made:
        await asyncio.sleep(0.01)
        with pytest.raises(ZeroDivisionError):
            await made.publish(MESSAGES)


async def test_a_wrong_wiring_is_raised_at_the_start() -> None:
    def wrong() -> ProducerDouble:
        raise ValueError("no such host:port")

    with pytest.raises(ValueError, match="no such"):
        await Publisher(wrong).start()
