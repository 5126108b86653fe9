"""The order of effects. Kafka and the database are doubles that note what was asked of them, and in which order;
the real ones stand in tests/integration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from streams.agents.pipeline import InputMissed, Pipeline
from streams.core.partition import CLOCK
from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import Event
from streams.schema.tables import Rows
from tests.unit.streams.core.test_partition import CAMERAS, NOW_US, observation, tick


class Effects:
    """Everything that was done, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.outages = 0
        self.fault: Exception | None = None
        self.generation = 1
        self.log_begins = 0

    async def write(self, rows: Sequence[Rows]) -> None:
        if self.fault:
            raise self.fault
        if self.outages:
            self.outages -= 1
            raise RetryLater("away")
        self.done.append("rows")

    def topic(self, name: str) -> Any:
        async def send(*, key: bytes, **_: Any) -> asyncio.Future[None]:
            self.done.append(f"{name} {key.decode()}")
            sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            sent.set_result(None)
            return sent

        return SimpleNamespace(send=send)

    def acknowledge(self, events: Sequence[Any]) -> None:
        self.done.append(f"acknowledged {len(events)}")

    async def next_offset(self, partition: int, since: int) -> int:
        return self.log_begins if since < self.log_begins else since

    async def crash(self, fault: BaseException) -> None:
        self.done.append("crash")

    def pipeline(self, data: dict[bytes, bytes] | None = None) -> Pipeline:
        table: Any = SimpleNamespace(data={} if data is None else data, changelog_topic=self.topic("state"))
        return Pipeline(
            "t",
            CAMERAS,
            table,
            self,
            self.topic("alarm"),
            self.topic("letter"),
            generation=lambda: self.generation,
            next_offset=self.next_offset,
            crash=self.crash,
        )


def events(*given: Event | bytes, first: int = 0, generation: int = 1) -> list[Any]:
    made = []
    for number, event in enumerate(given):
        value = event if isinstance(event, bytes) else codec.encode(event)
        message = SimpleNamespace(
            partition=0,
            offset=first + number,
            key=b"cam",
            value=value,
            timestamp=NOW_US / 1e6,
            generation_id=generation,
        )
        made.append(SimpleNamespace(message=message))
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.agents.pipeline.FIRST_RETRY_S", 0.001)


async def test_rows_then_letters_then_states_then_the_acknowledgement() -> None:
    effects = Effects()
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2), b"bad", *map(tick, (2, 50, 100, 150, 200))), effects.acknowledge)
    await pipeline.settle()
    # the last tick raises that the camera is silent
    assert effects.done == ["rows", "alarm cam", "letter t-0-1", "state 0/cam", f"state 0/{CLOCK}", "acknowledged 7"]


async def test_nothing_is_acknowledged_while_the_database_is_away() -> None:
    effects = Effects()
    effects.outages = 3
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2), tick(200)), effects.acknowledge)
    await asyncio.sleep(0)
    assert effects.done == []
    await pipeline.settle()
    assert effects.outages == 0 and effects.done[0] == "rows" and effects.done[-1] == "acknowledged 2"


async def test_a_batch_whose_partitions_may_have_moved_keeps_no_state() -> None:
    effects = Effects()
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2), tick(200)), effects.acknowledge)
    effects.generation = 2
    await pipeline.settle()
    # rows are idempotent; states and acknowledgements are the new owner's
    assert effects.done == ["rows"]


async def test_after_a_rebalance_states_come_from_the_table_again() -> None:
    effects = Effects()
    data: dict[bytes, bytes] = {}
    pipeline = effects.pipeline(data)
    await pipeline.run(events(observation(1, 2)), effects.acknowledge)
    await pipeline.settle()
    kept = dict(data)
    await pipeline.run(events(observation(2, 2), first=1), effects.acknowledge)
    effects.generation = 2
    await pipeline.settle()
    assert data == kept
    await pipeline.run(events(observation(2, 2), first=1, generation=2), effects.acknowledge)
    await pipeline.settle()
    assert data != kept and effects.done[-1] == "acknowledged 1"


async def test_an_unexpected_fault_ends_the_worker_and_acknowledges_nothing() -> None:
    effects = Effects()
    effects.fault = KeyError("a bug")
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2), tick(200)), effects.acknowledge)
    with pytest.raises(KeyError):
        await pipeline.settle()
    assert effects.done == ["crash"]


async def test_one_batch_is_computed_while_one_is_written_and_order_stays() -> None:
    effects = Effects()
    effects.outages = 2
    pipeline = effects.pipeline()
    await pipeline.run(events(tick(1), observation(1, 2), tick(200)), effects.acknowledge)
    await pipeline.run(events(observation(201, 2), first=3), effects.acknowledge)
    await pipeline.settle()
    assert [told for told in effects.done if told.startswith("ack")] == ["acknowledged 3", "acknowledged 1"]


async def test_a_state_of_another_version_ends_the_worker() -> None:
    effects = Effects()
    data: dict[bytes, bytes] = {}
    first = effects.pipeline(data)
    await first.run(events(observation(1, 2)), effects.acknowledge)
    await first.settle()
    data[b"0/cam"] = data[b"0/cam"].replace(b"\x93\x01", b"\x93\x07", 1)
    with pytest.raises(ConfigurationInvalid, match="another version"):
        await effects.pipeline(data).run(events(observation(2, 2), first=1), effects.acknowledge)
    assert effects.done[-1] == "crash"


async def test_what_was_given_before_a_rebalance_is_left_out_of_a_batch_after_it() -> None:
    effects = Effects()
    pipeline = effects.pipeline()
    effects.generation = 2
    stale = events(observation(3, 2), observation(5, 2), first=3)
    fresh = events(tick(1), observation(1, 2), observation(2, 2), observation(3, 2), generation=2)
    await pipeline.run([*stale, *fresh], effects.acknowledge)
    await pipeline.settle()
    assert effects.done[-1] == "acknowledged 4"
    assert pipeline.included(0) == 3


async def test_a_hole_in_what_is_delivered_ends_the_worker() -> None:
    effects = Effects()
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2)), effects.acknowledge)
    with pytest.raises(InputMissed, match="3 came after 0"):
        await pipeline.run(events(observation(4, 2), first=3), effects.acknowledge)
    assert effects.done[-1] == "crash"


async def test_what_the_log_does_not_hold_is_no_hole() -> None:
    effects = Effects()
    effects.log_begins = 3
    pipeline = effects.pipeline()
    await pipeline.run(events(observation(1, 2)), effects.acknowledge)
    await pipeline.run(events(observation(4, 2), first=3), effects.acknowledge)
    await pipeline.settle()
    assert effects.done[-1] == "acknowledged 1"
