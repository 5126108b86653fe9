"""The ticker: whole seconds, every partition, no catching up; against a producer that answers when told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from hypothesis import given
from hypothesis import strategies as st

from streams.schema.codec import decode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Tick
from streams.schema.settings import Settings
from streams.ticker import Ticker, next_due_s

SETTINGS = Settings(namespace="t", partitions=2)
TOPICS = ("t.observations.camera", "t.observations.traffic")
PLACES = {(topic, partition) for topic in TOPICS for partition in (0, 1)}


class Broker:
    """A clock that runs 20 times as fast as ours, and a producer whose acknowledgements can be held back."""

    def __init__(self) -> None:
        self.answers = True
        self.partitions = 2
        self.start_faults: list[Exception] = []
        self.send_faults: list[Exception] = []
        self.ticks: list[tuple[tuple[str, int], datetime, int]] = []
        self.held: list[asyncio.Future[Any]] = []
        self.started = self.stopped = 0
        self._zero = asyncio.get_running_loop().time()

    def now(self) -> float:
        return 1_700_000_000.3 + (asyncio.get_running_loop().time() - self._zero) * 20

    async def start(self) -> None:
        self.started += 1
        if self.start_faults:
            raise self.start_faults.pop()

    async def stop(self) -> None:
        self.stopped += 1

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions))

    async def send(self, topic: str, value: bytes, *, partition: int, timestamp_ms: int) -> asyncio.Future[Any]:
        if self.send_faults:
            raise self.send_faults.pop()
        tick = decode(value, Tick)
        assert isinstance(tick, Tick)
        self.ticks.append(((topic, partition), tick.ticked_at, timestamp_ms))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.answers:
            future.set_result(None)
        else:
            self.held.append(future)
        return future

    def times(self, place: tuple[str, int]) -> list[float]:
        return [at.timestamp() for where, at, _ in self.ticks if where == place]

    async def until(self, ticks: int) -> None:
        async with asyncio.timeout(10):
            while len(self.ticks) < ticks:  # noqa: ASYNC110
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def ticking(broker: Broker) -> AsyncIterator[Ticker]:
    """A ticker with an interval of one (fast) second."""
    stop = asyncio.Event()
    ticker = Ticker(SETTINGS, now=broker.now, connect=lambda _: broker)
    task = asyncio.create_task(ticker.run(stop))
    try:
        yield ticker
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def test_a_tick_a_second_to_every_partition_on_whole_seconds() -> None:
    broker = Broker()
    async with ticking(broker) as ticker:
        assert ticker.last_acknowledged_at is None
        await broker.until(12)
        await asyncio.sleep(0)
        newest = ticker.last_acknowledged_at
    assert {place for place, _, _ in broker.ticks} == PLACES
    assert all(at.microsecond == 0 and at.timestamp() * 1000 == stamp for _, at, stamp in broker.ticks)
    for place in PLACES:
        times = broker.times(place)
        assert times == sorted(set(times))
        assert times[0] == 1_700_000_001
    assert newest is not None and newest >= datetime.fromtimestamp(1_700_000_002, UTC)
    assert broker.stopped == 1


async def test_a_broker_that_is_away_gets_no_flood_when_it_comes_back() -> None:
    broker = Broker()
    async with ticking(broker) as ticker:
        await broker.until(4)
        await asyncio.sleep(0)
        before = ticker.last_acknowledged_at
        broker.answers = False
        await broker.until(8)
        await asyncio.sleep(0.5)  # ten ticks long
        assert len(broker.ticks) == 8
        assert ticker.last_acknowledged_at == before
        broker.answers = True
        for future in broker.held:
            future.set_result(None)
        await broker.until(12)
    for place in PLACES:
        times = broker.times(place)
        assert times[2] - times[1] >= 9  # those between were skipped


async def test_a_partition_that_does_not_answer_does_not_hold_the_others() -> None:
    broker = Broker()
    async with ticking(broker) as ticker:
        await broker.until(4)
        broker.answers = False
        await broker.until(8)
        broker.answers = True
        held = broker.held.pop()
        for future in broker.held:
            future.set_result(None)
        await broker.until(14)
        stuck = broker.ticks[7][0]
        assert stuck not in {place for place, _, _ in broker.ticks[8:]}
        assert ticker.last_acknowledged_at == broker.ticks[3][1]
        held.set_result(None)


async def test_a_tick_that_failed_is_not_repeated_and_the_next_is_sent() -> None:
    broker = Broker()
    async with ticking(broker):
        broker.answers = False
        await broker.until(4)
        broker.answers = True
        for future in broker.held:
            future.set_exception(RequestTimedOutError())
        await broker.until(8)
    assert all(len(broker.times(place)) == len(set(broker.times(place))) for place in PLACES)


async def test_a_broker_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.ticker._RECONNECT_AFTER_S", 0.01)
    broker = Broker()
    broker.start_faults = [KafkaConnectionError("away"), OSError("refused")]
    broker.send_faults = [RequestTimedOutError()]
    async with ticking(broker):
        await broker.until(4)
    assert broker.started == broker.stopped == 4


async def test_another_number_of_partitions_is_refused() -> None:
    broker = Broker()
    broker.partitions = 3
    with pytest.raises(ConfigurationInvalid, match="it has 3 partitions, IOC_PARTITIONS says 2"):
        await Ticker(SETTINGS, now=broker.now, connect=lambda _: broker).run(asyncio.Event())
    assert broker.stopped == 1


@given(st.floats(1e9, 2e9), st.floats(0, 30), st.sampled_from([0.5, 1.0, 2.0, 10.0]))
def test_the_next_tick_is_a_whole_multiple_after_the_last(last: float, ahead: float, interval_s: float) -> None:
    last_due = next_due_s(last, float("-inf"), interval_s)
    assert last_due >= last and last_due % interval_s == 0
    for now in (last_due + ahead, last_due - ahead):
        due = next_due_s(now, last_due, interval_s)
        assert due % interval_s == 0
        assert due >= now
        assert due > last_due
        assert due - max(now, last_due) <= interval_s
