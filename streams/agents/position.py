"""Where a worker goes on after a rebalance, and what it has acknowledged: what its states say, not what Faust says.

Four habits of Faust lose input or stand still. Events that it skips because a rebalance came between are acknowledged
as if they had been processed. Its account of acknowledged offsets, with gaps and what it believes to be committed, is
not sound once a commit failed. It goes on where the group's committed offset stands, even where that is ahead of the
states. And a table takes the last state that its changelog holds, though a worker that was paused may have sent an old
one after its successor sent newer ones.

So here only a durable batch is acknowledged, and told again until Kafka has it; a partition is never read from beyond
its state; and of two states the one that includes more wins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.core.partition import CLOCK, included_offset

log = logging.getLogger(__name__)
Included = Callable[[int], int]
"""A partition's number to the offset that its state includes, -1 where there is none."""


def state_key(number: int, name: str) -> bytes:
    """The key in the table for a state of a partition, by the name that a Batch gives it."""
    return f"{number}/{name}".encode()


def states_of(number: int, data: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """A partition's states by name."""
    prefix = state_key(number, "")
    return {key.removeprefix(prefix).decode(): value for key, value in data.items() if key.startswith(prefix)}


def included_in(data: Mapping[bytes, bytes], number: int) -> int:
    """The offset up to which a partition's states include everything, -1 where there are none."""
    clock = data.get(state_key(number, CLOCK))
    return -1 if clock is None else included_offset(CLOCK, clock)


def _included(key: bytes, state: bytes) -> int:
    return included_offset(key.partition(b"/")[2].decode(), state)


class States(faust.Table):  # type: ignore[misc]
    """A pipeline's states."""

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Of the states of one key the one that includes most."""
        newest: dict[bytes, int] = {}
        chosen: dict[bytes, Any] = {}
        for event in batch:
            key = event.key
            if key not in newest:
                known = self.data.get(key)
                newest[key] = -1 if known is None else _included(key, known)
            offset = _included(key, event.value)
            if offset >= newest[key]:
                newest[key], chosen[key] = offset, event
        super().apply_changelog_batch(chosen.values())


class Consumer(driver.Consumer):  # type: ignore[misc]
    """included: by input topic, what the states of its partitions include."""

    def __init__(self, *given: Any, included: Mapping[str, Included], **options: Any) -> None:
        super().__init__(*given, **options)
        self._included = included
        self._durable: dict[TP, int] = {}
        """Next offset after what is durable, of the present generation."""
        self._told: dict[TP, int] = {}
        """What of it Kafka has."""

    def ack(self, message: Any) -> bool:
        """Faust's own acknowledgement, of what it skips, is not heard."""
        return False

    def acknowledge(self, message: Any) -> None:
        """The effects of this message, and of all before it in its partition, are durable."""
        if message.generation_id == self.app.consumer_generation_id:
            self._durable[message.tp] = message.offset + 1
            self._unacked_messages.discard(message)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """A generation begins; what the one before had still to tell is given again to the partition's owner."""
        self._durable.clear()
        self._told.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([place for place, offset in self._durable.items() if self._told.get(place) != offset])

    def _new_offset(self, tp: TP) -> int | None:
        return self._durable.get(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return self._told.get(tp) != offset

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done = bool(await super()._commit(offsets))
        if done:
            self._told.update({place: offset for place, offset in offsets.items() if place in self._durable})
        return done

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go on at the committed offset, or where the state ends if that is before it."""
        positions = dict(await super().seek_to_committed())
        back: dict[TP, int] = {}
        for place, committed in positions.items():
            included = self._included.get(place.topic)
            if included is None:
                continue
            after = included(place.partition) + 1
            if committed is None or after < committed:
                log.info("%s: read from %d, where its state ends; committed is %s", place, after, committed)
                back[TP(place.topic, place.partition)] = after
        if back:
            await self.seek_wait(back)
        return positions | back
