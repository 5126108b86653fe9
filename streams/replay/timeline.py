"""By how much what a replay sends is moved in time: not at all, to now, and on with each pass of a loop.

Pure. The one promise: time never runs back. What is played a second time (a loop, a seek back) is moved on behind
what was sent before, so that neither its arrivals nor what was observed is taken for the first one's copy.
"""

from __future__ import annotations

from streams.replay.recording import Entry, Record
from streams.schema.events import Tick
from streams.schema.instants import microseconds


class Timeline:
    """to_now: the first entry arrives now, and again the first one after each pause or seek. gap_us: between what
    was played and what is played again.
    """

    def __init__(self, *, to_now: bool, gap_us: int) -> None:
        self._to_now, self._gap_us = to_now, gap_us
        self.shift_us = self.first_shift_us = 0
        self.empty = True
        self._first_us = self._last_us = 0
        self._observed_first_us = self._observed_last_us = 0
        self._spread_us = 0
        self._sent_until_us = 0

    def place(self, entry: Entry, now_us: int, *, held: bool = False, sought: bool = False) -> int:
        """The shift for the entry that is sent next. held: the first after a pause or a step; sought: after a seek."""
        at_us = entry.logged_us
        to_now_us = now_us - at_us
        behind_us = self._sent_until_us + self._spread_us - at_us
        if self.empty:
            if self._to_now:
                self.shift_us = self.first_shift_us = to_now_us
        elif at_us + self.shift_us < self._sent_until_us:
            behind_us += self._gap_us
            self.shift_us = max(to_now_us, behind_us) if self._to_now else behind_us
        elif sought and self._to_now:
            self.shift_us = max(to_now_us, min(self.shift_us, behind_us))
        elif held and self._to_now:
            self.shift_us = max(to_now_us, self.shift_us)
        self._include(entry)
        return self.shift_us

    def begin_again(self) -> int:
        """The next pass of a loop; the recorded time between the last entry and the one that is then the first."""
        length_us = max(self._last_us - self._first_us, self._observed_last_us - self._observed_first_us)
        self.shift_us += length_us + self._gap_us
        return length_us + self._gap_us - (self._last_us - self._first_us)

    @property
    def last_us(self) -> int:
        """Recorded time up to which entries were sent."""
        return self._last_us

    def _include(self, entry: Entry) -> None:
        observed_us = at_us = entry.logged_us
        if isinstance(entry, Record) and not isinstance(entry.event, Tick):
            observed_us = microseconds(entry.event.observed_at)
        if self.empty:
            self._first_us, self._observed_first_us, self._observed_last_us = at_us, observed_us, observed_us
            self.empty = False
        self._first_us, self._last_us = min(self._first_us, at_us), max(self._last_us, at_us)
        self._observed_first_us = min(self._observed_first_us, observed_us)
        self._observed_last_us = max(self._observed_last_us, observed_us)
        self._spread_us = max(self._spread_us, abs(at_us - observed_us))
        self._sent_until_us = at_us + self.shift_us
