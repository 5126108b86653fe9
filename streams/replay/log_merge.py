"""Several partitions of Kafka in one order: that of a recording. Pure; the time at which messages came in is given.

Decides:

- The message with the earliest time stamp of those that stand first in their partition is next; of equals a tick
  last, then by topic and partition. So the order within a partition is never changed, and the same log gives the same
  order. A message whose stamp is earlier than one already given gets that one's: recordings are sorted.
- A tick is given once, though each partition has its own copy: play gives it to every partition. It waits until every
  partition that has a copy has come to it, so that it keeps its place among the data of all of them. A partition has
  no copy that counts if a later tick, or a message SKEW_US later, comes first.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from streams.replay.incoming import Arrived, Place
from streams.replay.recording import Entry

REMEMBERED_TICKS = 4096
SKEW_US = 5_000_000
FUTURE_US = 60_000_000
"""A tick so far after its own time stamp is refused by the workers (docs/adr/0006) and makes nobody wait."""


class Given(NamedTuple):
    """What comes next. ``entry`` None: one more copy of a tick. ``raised``: it got the time of one before it."""

    place: Place
    next_offset: int
    entry: Entry | None
    raised: bool


class _Waiting(NamedTuple):
    at_s: float
    message: Arrived
    tick: int | None
    """The tick's time where it makes others wait."""


class _Queue:
    """What waits of one partition."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.ticks: set[int] = set()
        self.open, self.bytes = True, 0
        self._newest_tick = self._newest_stamp = -1

    def put(self, message: Arrived, at_s: float) -> None:
        stamp, tick = message.stamp_us, message.tick_us
        if tick is not None and tick > stamp + FUTURE_US:
            tick = None
        if tick is not None:
            if not self.has_passed(tick, stamp):
                self.ticks.add(tick)
            self._newest_tick = max(self._newest_tick, tick)
        self._newest_stamp = max(self._newest_stamp, stamp)
        self.waiting.append(_Waiting(at_s, message, tick))
        self.bytes += message.size_bytes

    def pop(self) -> _Waiting:
        head = self.waiting.popleft()
        self.bytes -= head.message.size_bytes
        if head.tick is not None:
            self.ticks.discard(head.tick)
        return head

    def has_passed(self, tick: int, stamp_us: int) -> bool:
        return self._newest_tick > tick or self._newest_stamp > stamp_us + SKEW_US


class TicksOnce:
    """Remembers the last REMEMBERED_TICKS ticks, so that each is given once."""

    def __init__(self) -> None:
        self._given: OrderedDict[int, None] = OrderedDict()

    def __contains__(self, tick: int) -> bool:
        return tick in self._given

    def remember(self, tick: int) -> bool:
        """Takes note of a tick that is given; False where it was before."""
        if tick in self._given:
            return False
        self._given[tick] = None
        if len(self._given) > REMEMBERED_TICKS:
            self._given.popitem(last=False)
        return True


class LogMerge:
    """Give it what comes in, partition by partition; take what is certain to be next.

    A partition that is open and has nothing waiting holds the others back: what it brings may be earlier.
    """

    def __init__(self, places: Iterable[Place], *, last_us: int = 0) -> None:
        """last_us: nothing is given an earlier time."""
        self._queues = {place: _Queue() for place in places}
        self._first: list[tuple[int, bool, Place]] = []
        self._empty = set(self._queues)
        self.ticks = TicksOnce()
        self.last_us = last_us
        self.wanting: Collection[Place] = self._empty
        """Partitions without whose next message nothing more can be given."""

    @property
    def done(self) -> bool:
        return not any(queue.open or queue.waiting for queue in self._queues.values())

    def waiting_bytes(self, place: Place) -> int:
        return self._queues[place].bytes

    def is_closed(self, place: Place) -> bool:
        return not self._queues[place].open

    def close(self, place: Place) -> None:
        """Nothing more comes from there."""
        self._queues[place].open = False
        self._empty.discard(place)

    def put(self, place: Place, messages: Iterable[Arrived], at_s: float = 0.0) -> None:
        """Messages of a partition, in the order of its log, that came in at ``at_s``."""
        queue = self._queues[place]
        for message in messages:
            queue.put(message, at_s)
            if len(queue.waiting) == 1:
                heapq.heappush(self._first, _rank(queue, place))
                self._empty.discard(place)

    def take(self, not_after_s: float | None = None) -> Iterator[Given]:
        """What is next, as long as that is certain. not_after_s: what came in until then waits for nobody."""
        while (place := self._next(not_after_s)) is not None:
            queue = self._queues[place]
            message = queue.pop().message
            if queue.waiting:
                heapq.heappush(self._first, _rank(queue, place))
            elif queue.open:
                self._empty.add(place)
            raised = message.stamp_us < self.last_us
            self.last_us = max(message.stamp_us, self.last_us)
            is_copy = message.tick_us is not None and not self.ticks.remember(message.tick_us)
            yield Given(place, message.offset + 1, None if is_copy else message.entry(self.last_us), raised)

    def _next(self, not_after_s: float | None) -> Place | None:
        """Takes the partition whose turn it is from ``_first``; None where that is not certain yet."""
        self.wanting = self._empty
        if not self._first:
            return None
        place = self._first[0][2]
        head = self._queues[place].waiting[0]
        patient = not_after_s is None or head.at_s > not_after_s
        if self._empty and patient:
            return None
        tick = head.tick
        if tick is not None and tick not in self.ticks:
            before = [ranked for ranked in self._first if self._keeps_waiting(ranked[2], tick)]
            if before:
                return self._take_out(min(ranked for ranked in self._first if self._is_data(ranked[2])))
            self.wanting = [
                other
                for other, queue in self._queues.items()
                if queue.open and tick not in queue.ticks and not queue.has_passed(tick, head.message.stamp_us)
            ]
            if self.wanting and patient:
                return None
        return heapq.heappop(self._first)[2]

    def _keeps_waiting(self, place: Place, tick: int) -> bool:
        """Whether that partition has data before its copy of the tick."""
        return tick in self._queues[place].ticks and self._is_data(place)

    def _is_data(self, place: Place) -> bool:
        tick = self._queues[place].waiting[0].tick
        return tick is None or tick in self.ticks

    def _take_out(self, ranked: tuple[int, bool, Place]) -> Place:
        self._first.remove(ranked)
        heapq.heapify(self._first)
        return ranked[2]


def _rank(queue: _Queue, place: Place) -> tuple[int, bool, Place]:
    head = queue.waiting[0]
    return head.message.stamp_us, head.tick is not None, place
