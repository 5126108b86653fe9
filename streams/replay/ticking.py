"""Puts ticks among the entries of a recording that has none, on the clock of arrival.

Decides where: at every whole multiple of the interval, after everything logged up to it, and on beyond the last entry
until every window can have closed. Knows no lateness policy: the caller says how far beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streams.replay.recording import Entry, Record
from streams.schema.events import Tick
from streams.schema.instants import instant

TICK_INTERVAL_S = 60.0
"""Not above StreamPolicy.future_s: what is observed later than that after the newest tick is refused."""
FLUSH_S = 3600.0
"""Enough for any sensible lateness and grace; the caller who knows them gives window + lateness + grace."""


def with_ticks(entries: Iterable[Entry], interval_s: float, flush_s: float = FLUSH_S) -> Iterator[Entry]:
    """The entries (sorted by arrival) with ticks among them and after them."""
    step = round(interval_s * 1e6)
    if step <= 0:
        raise ValueError("the interval between ticks must be above 0 s")
    at = last = 0
    for entry in entries:
        last = entry.logged_us
        if not at:
            at = -(-last // step) * step
        while at < last:
            yield Record(at, Tick(ticked_at=instant(at)))
            at += step
        yield entry
    end = last + round(flush_s * 1e6)
    while at and at < end + step:
        yield Record(at, Tick(ticked_at=instant(at)))
        at += step
