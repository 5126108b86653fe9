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

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from streams.replay.incoming import Arrived, Place, tick_us
from streams.replay.recording import Entry, Record, Verbatim

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
        stamp, tick = message.entry.logged_us, tick_us(message.entry)
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

    def remember(self, entry: Entry) -> bool:
        """Takes note of a tick that is given; False where it was before. Anything else is always new."""
        tick = tick_us(entry)
        if tick is None:
            return True
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
        self._queues = {place: _Queue() for place in sorted(places)}
        self.ticks = TicksOnce()
        self.last_us = last_us
        self.wanting: Collection[Place] = tuple(self._queues)
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

    def put(self, place: Place, messages: Iterable[Arrived], at_s: float = 0.0) -> None:
        """Messages of a partition, in the order of its log, that came in at ``at_s``."""
        queue = self._queues[place]
        for message in messages:
            queue.put(message, at_s)

    def take(self, not_after_s: float | None = None) -> Iterator[Given]:
        """What is next, as long as that is certain. not_after_s: what came in until then waits for nobody."""
        while (place := self._next(not_after_s)) is not None:
            message = self._queues[place].pop().message
            stamp = message.entry.logged_us
            raised = stamp < self.last_us
            self.last_us = max(stamp, self.last_us)
            entry = _logged_at(message.entry, self.last_us) if self.ticks.remember(message.entry) else None
            yield Given(place, message.offset + 1, entry, raised)

    def _next(self, not_after_s: float | None) -> Place | None:
        self.wanting = [place for place, queue in self._queues.items() if queue.open and not queue.waiting]
        if self.wanting and not_after_s is None:
            return None
        heads = {place: queue.waiting[0] for place, queue in self._queues.items() if queue.waiting}
        if not heads:
            return None
        first = min(heads, key=lambda place: _rank(heads[place], place))
        patient = not_after_s is None or heads[first].at_s > not_after_s
        if self.wanting and patient:
            return None
        tick = heads[first].tick
        if tick is None or tick in self.ticks:
            return first
        data = [place for place, head in heads.items() if head.tick is None or head.tick in self.ticks]
        if any(tick in self._queues[place].ticks for place in data):
            return min(data, key=lambda place: _rank(heads[place], place))
        stamp = heads[first].message.entry.logged_us
        self.wanting = [
            place
            for place, queue in self._queues.items()
            if queue.open and tick not in queue.ticks and not queue.has_passed(tick, stamp)
        ]
        return None if self.wanting and patient else first


def _rank(head: _Waiting, place: Place) -> tuple[int, bool, Place]:
    return head.message.entry.logged_us, head.tick is not None, place


def _logged_at(entry: Entry, at_us: int) -> Entry:
    if entry.logged_us == at_us:
        return entry
    if isinstance(entry, Verbatim):
        return Verbatim(at_us, entry.payload, entry.topic, entry.key)
    return Record(at_us, entry.event, entry.payload)
