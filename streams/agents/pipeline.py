"""From messages to durable effects, in the order that loses nothing: rows, told events, states, acknowledgement.

While one batch is being written the next is already computed; never more than these two are held. While the database
is away the write is tried again and nothing is acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import faust

from streams.agents.position import included_in, state_key, states_of
from streams.core.partition import Batch, Partition, Record, SourceKind
from streams.schema import codec
from streams.schema.errors import RetryLater
from streams.schema.tables import Rows

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 5.0
Batches = dict[int, Batch]
Records = dict[int, list[Record]]
Acknowledge = Callable[[Sequence[Any]], None]
NextOffset = Callable[[int, int], Awaitable[int]]
"""Partition and offset to the first offset from there on at which the log holds a message."""
log = logging.getLogger(__name__)


class InputMissed(Exception):
    """Messages that the log holds were not delivered: the worker must begin again where its states end."""


class RowSink(Protocol):
    async def write(self, rows: Sequence[Rows]) -> None:
        """Store all or none. Raises RetryLater while the database is away."""


class Pipeline:
    """One input topic's sources on this worker: their states live in a changelogged table.

    acknowledge: called with the events whose effects are durable; generation: the consumer group's, as of now;
    next_offset: asks Kafka; crash: ends the worker.
    """

    def __init__(
        self,
        topic: str,
        kind: SourceKind,
        table: faust.Table,
        sink: RowSink,
        alarms: faust.TopicT,
        dead_letters: faust.TopicT,
        generation: Callable[[], int],
        next_offset: NextOffset,
        crash: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._topic = topic
        self._kind = kind
        self._table = table
        self._sink = sink
        self._alarms = alarms
        self._dead_letters = dead_letters
        self._current_generation = generation
        self._next_offset = next_offset
        self._crash = crash
        self._generation: int | None = None
        self._partitions: dict[int, Partition] = {}
        self._writing: asyncio.Task[None] | None = None
        self.waits_for_database = False
        """Whether it stands still for a reason that is known and told."""

    async def run(self, events: Sequence[Any], acknowledge: Acknowledge) -> None:
        """Compute what comes of these Faust events and hand it to the writer, once the batch before is written.

        Any fault that is not expected ends the worker: Faust would start the agent again and again, and look alive.
        """
        generation = events[-1].message.generation_id
        # what was given before a rebalance is given again after it, from the beginning
        events = [event for event in events if event.message.generation_id == generation]
        if generation != self._generation:
            await self.settle()
            # states in memory may be ahead of the table where a rebalance interrupted a batch: load them again
            self._partitions.clear()
            self._generation = generation
        try:
            records = _by_partition(events)
            await self._refuse_holes(records)
            batches = {number: self._partition(number).process(given) for number, given in records.items()}
        except Exception as fault:
            log.exception("a batch could not be computed: the worker ends and is to be started again")
            await self._crash(fault)
            raise
        await self.settle()
        self._writing = asyncio.create_task(self._persist(batches, generation, events, acknowledge))

    async def settle(self) -> None:
        """Wait until the batch under way is written; raises what went wrong with it."""
        if self._writing is not None:
            await self._writing

    def included(self, number: int) -> int:
        """The offset that the states of a partition include, by the table; -1 where there are none."""
        return included_in(self._table.data, number)

    async def _refuse_holes(self, records: Records) -> None:
        """Raises InputMissed. Offsets that the log does not hold (deleted by age, a transaction's mark) are none."""
        for number, given in records.items():
            before = self._partition(number).included
            for record in given:
                if record.offset > before + 1 and await self._next_offset(number, before + 1) < record.offset:
                    raise InputMissed(f"{self._topic}-{number}: {record.offset} came after {before}")
                before = max(before, record.offset)

    def _partition(self, number: int) -> Partition:
        partition = self._partitions.get(number)
        if partition is None:
            kept = states_of(number, self._table.data)
            partition = self._partitions[number] = Partition(self._topic, number, self._kind, kept)
        return partition

    async def _persist(
        self, batches: Batches, generation: int, events: Sequence[Any], acknowledge: Acknowledge
    ) -> None:
        try:
            await self._store([rows for batch in batches.values() for rows in batch.rows])
            await self._tell(batches.values())
            if generation == self._current_generation():
                await self._keep(batches)
                acknowledge(events)
            # else the partitions may have a new owner, who is given these events again
        except Exception as fault:
            log.exception("a batch could not be made durable: the worker ends and is to be started again")
            await self._crash(fault)
            raise

    async def _store(self, rows: Sequence[Rows]) -> None:
        retry_s = FIRST_RETRY_S
        while rows:
            try:
                await self._sink.write(rows)
                self.waits_for_database = False
                return
            except RetryLater as fault:
                self.waits_for_database = True
                log.warning("database away, %d row groups wait: %s", len(rows), fault)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)

    async def _tell(self, batches: Iterable[Batch]) -> None:
        sent = []
        for batch in batches:
            for alarm in batch.alarms:
                sent.append(await self._alarms.send(key=alarm.source.encode(), value=codec.encode(alarm)))
            for letter in batch.dead_letters:
                place = f"{letter.topic}-{letter.partition}-{letter.offset}"
                sent.append(await self._dead_letters.send(key=place.encode(), value=codec.encode(letter)))
        await asyncio.gather(*sent)

    async def _keep(self, batches: Batches) -> None:
        sent = []
        for number, batch in batches.items():
            for name, state in batch.states.items():
                key = state_key(number, name)
                self._table.data[key] = state
                sent.append(
                    await self._table.changelog_topic.send(
                        key=key, value=state, partition=number, key_serializer="raw", value_serializer="raw"
                    )
                )
        await asyncio.gather(*sent)


def _by_partition(events: Sequence[Any]) -> Records:
    records: Records = defaultdict(list)
    for event in events:
        message = event.message
        logged_us = round(message.timestamp * 1e6)
        records[message.partition].append(Record(message.offset, message.key, message.value, logged_us))
    return records
