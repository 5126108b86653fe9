"""What is acknowledged, where reading goes on, and which of two states wins. Faust's Kafka side is a double."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.agents.position import Consumer, States, included_in, state_key
from streams.core.partition import CLOCK, Batch, Partition, Record
from streams.schema import codec
from tests.unit.streams.core.test_partition import CAMERAS, NOW_US, observation

PLACE = TP("t", 0)


def batch(*offsets: int) -> Batch:
    """What a partition keeps after it was given these offsets."""
    records = [Record(offset, b"cam", codec.encode(observation(1 + offset, 2)), NOW_US) for offset in offsets]
    return Partition("t", 0, CAMERAS, {}).process(records)


def changes(*batches: Batch) -> list[Any]:
    return [
        SimpleNamespace(key=state_key(0, name), value=state, message=SimpleNamespace(value=state, partition=0))
        for made in batches
        for name, state in made.states.items()
    ]


class Store(dict[bytes, bytes]):
    def apply_changelog_batch(self, events: Any, **_: Any) -> None:
        self.update({event.key: event.value for event in events})


def recovered(*lots: list[Any]) -> Store:
    table = object.__new__(States)
    store = Store()
    table.__dict__["_data"] = store
    for lot in lots:
        table.apply_changelog_batch(lot)
    return store


def test_an_old_state_that_comes_after_a_newer_one_does_not_win() -> None:
    newer, old = batch(0, 1, 2), batch(0)
    for found in (recovered(changes(newer, old)), recovered(changes(newer), changes(old))):
        assert included_in(found, 0) == 2
        assert found[state_key(0, "cam")] == newer.states["cam"]


def test_the_state_that_comes_last_wins_among_those_that_include_the_same() -> None:
    first = batch(0)
    again = Batch(states={**first.states, CLOCK: msgspec.msgpack.encode((0, (5, 5)))})
    assert recovered(changes(first, again))[state_key(0, CLOCK)] == again.states[CLOCK]


def test_no_state_includes_nothing() -> None:
    assert included_in({}, 0) == -1


class Kafka:
    """The driver's side: what it was told to commit, and from where to read."""

    def __init__(self) -> None:
        self.fails = False
        self.committed: dict[TP, int | None] = {PLACE: None, TP("other", 0): 7}
        self.sought: dict[TP, int] = {}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()

    async def commit(_: Any, offsets: dict[TP, int]) -> bool:
        if not made.fails:
            made.committed.update(offsets)
        return not made.fails

    async def seek_to_committed(_: Any) -> dict[TP, int | None]:
        return dict(made.committed)

    async def seek_wait(_: Any, places: dict[TP, int]) -> None:
        made.sought.update(places)

    async def assigned(*_: Any) -> None:
        return

    monkeypatch.setattr(driver.Consumer, "_commit", commit)
    monkeypatch.setattr(driver.Consumer, "seek_to_committed", seek_to_committed)
    monkeypatch.setattr(driver.Consumer, "seek_wait", seek_wait)
    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", assigned)
    return made


def consumer(included: int = -1) -> Any:
    made = object.__new__(Consumer)
    made._included = {"t": lambda _: included}
    made._durable, made._told, made._unacked_messages = {}, {}, set()
    made.app = SimpleNamespace(consumer_generation_id=1)
    return made


@dataclass(frozen=True)
class Given:
    offset: int
    generation_id: int = 1
    tp: TP = PLACE


def to_commit(made: Any) -> dict[TP, int]:
    return dict(made._filter_committable_offsets(made._filter_tps_with_pending_acks()))


async def test_only_what_is_durable_is_acknowledged_and_until_kafka_has_it(kafka: Kafka) -> None:
    made = consumer()
    assert made.ack(Given(9)) is False
    assert to_commit(made) == {}
    made.acknowledge(Given(3))
    kafka.fails = True
    assert not await made._commit(to_commit(made))
    assert to_commit(made) == {PLACE: 4}
    kafka.fails = False
    assert await made._commit(to_commit(made))
    assert to_commit(made) == {}
    assert kafka.committed[PLACE] == 4


async def test_nothing_of_an_earlier_generation_is_acknowledged(kafka: Kafka) -> None:
    made = consumer()
    made.acknowledge(Given(3))
    made.app.consumer_generation_id = 2
    await made.on_partitions_assigned(set(), 2)
    made.acknowledge(Given(4))
    assert to_commit(made) == {}
    made.acknowledge(Given(3, generation_id=2))
    assert to_commit(made) == {PLACE: 4}


@pytest.mark.parametrize(
    ("committed", "included", "position"), [(None, -1, 0), (None, 4, 5), (10, 4, 5), (10, 9, 10), (10, 12, 10)]
)
async def test_reading_goes_on_no_later_than_where_the_state_ends(
    kafka: Kafka, committed: int | None, included: int, position: int
) -> None:
    kafka.committed[PLACE] = committed
    positions = await consumer(included).seek_to_committed()
    assert positions == {PLACE: position, TP("other", 0): 7}
    assert kafka.sought == ({PLACE: position} if position != committed else {})
