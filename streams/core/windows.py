"""Tumbling windows in event time over the samples of one source, with lateness, grace and corrections.

Decides which window a sample belongs to, when a window closes, and what a late sample changes. Samples are kept until
no correction can come any more, and a window is always computed from its samples in order of observation: so any
arrival order within the lateness, and any duplication, gives the same rows to the last bit. What the numbers mean is
the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.core.watermark import Lateness, Watermark

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass
class Sample:
    """One observation. present: (items,); values: (fields, items), NaN where not measured."""

    observed_us: int
    interval_us: int
    present: Mask
    values: Values


@dataclass(frozen=True)
class Closing:
    """A window to be computed: because it ended (revision 1), or because a late sample changes it (revision > 1
    where it had rows before).

    items: (items,) which items to compute. samples: those of the window, in order of observation.
    """

    size_us: int
    start_us: int
    revision: int
    items: Mask
    samples: list[Sample]

    @property
    def end_us(self) -> int:
        return self.start_us + self.size_us

    def present(self) -> Mask:
        """(samples, items)"""
        return np.array([sample.present for sample in self.samples])

    def values(self, index: int) -> Values:
        """(samples, items) of one field, NaN where absent."""
        return np.array([sample.values[index] for sample in self.samples])

    def intervals_s(self) -> Values:
        """(samples, 1)"""
        return np.array([[sample.interval_us / 1e6] for sample in self.samples])


@dataclass(frozen=True)
class Placement:
    """What became of a sample. fresh: (items,) what was not known before; corrections: windows it changes now."""

    fresh: Mask
    beyond_grace: bool = False
    corrections: tuple[Closing, ...] = ()


@dataclass
class Windows:
    """sizes_us: window lengths, ascending, each a multiple of the first; items: how many items a sample has."""

    sizes_us: tuple[int, ...]
    items: int
    watermark: Watermark
    panes: dict[int, dict[int, Sample]] = field(default_factory=dict)
    """Samples by start of the smallest window, then by time of observation."""
    revisions: dict[tuple[int, int], int] = field(default_factory=dict)
    """Revision of each closed window by (size, start)."""
    open: set[tuple[int, int]] = field(default_factory=set)
    """Windows that have samples and are not closed, by (end, size)."""
    next_close_us: int = 2**62

    @classmethod
    def new(cls, sizes_us: tuple[int, ...], items: int, lateness: Lateness) -> Windows:
        return cls(sizes_us, items, Watermark(lateness))

    def add(self, sample: Sample, *, centre: bool) -> Placement:
        """Place a sample. It belongs to the window of its interval's middle (centre) or of its moment."""
        offset_us = sample.interval_us // 2 if centre else 1
        event_us = sample.observed_us - offset_us
        closed_us = self.watermark.position_us
        if event_us // self.sizes_us[-1] * self.sizes_us[-1] + self.sizes_us[-1] <= self.watermark.grace_position_us:
            return Placement(sample.present, beyond_grace=True)
        fresh = self._merge(event_us // self.sizes_us[0] * self.sizes_us[0], sample)
        self.watermark.observe(sample.observed_us)
        if not fresh.any():
            return Placement(fresh)
        corrections = []
        for size_us in self.sizes_us:
            start_us = event_us // size_us * size_us
            if start_us + size_us <= closed_us:
                corrections.append(self._close(size_us, start_us, fresh))
            else:
                self.open.add((start_us + size_us, size_us))
                self.next_close_us = min(self.next_close_us, start_us + size_us)
        return Placement(fresh, corrections=tuple(corrections))

    def _merge(self, pane_us: int, sample: Sample) -> Mask:
        pane = self.panes.setdefault(pane_us, {})
        known = pane.get(sample.observed_us)
        if known is None:
            pane[sample.observed_us] = sample
            return sample.present
        fresh = sample.present & ~known.present
        if fresh.any():
            known.values = np.where(fresh, sample.values, known.values)
            known.present = known.present | fresh
        return fresh

    def close(self) -> list[Closing]:
        """The windows that ended by the watermark, earliest end first; forgets what is beyond grace."""
        position_us = self.watermark.position_us
        if position_us < self.next_close_us:
            return []
        due = sorted(window for window in self.open if window[0] <= position_us)
        self.open.difference_update(due)
        self.next_close_us = min((end_us for end_us, _ in self.open), default=2**62)
        everything = np.ones(self.items, dtype=bool)
        closings = [self._close(size_us, end_us - size_us, everything) for end_us, size_us in due]
        self._forget()
        return closings

    def _close(self, size_us: int, start_us: int, items: Mask) -> Closing:
        revision = self.revisions.get((size_us, start_us), 0) + 1
        self.revisions[size_us, start_us] = revision
        samples = [
            sample
            for pane_us in range(start_us, start_us + size_us, self.sizes_us[0])
            for _, sample in sorted(self.panes.get(pane_us, {}).items())
        ]
        return Closing(size_us, start_us, revision, items, samples)

    def _forget(self) -> None:
        largest_us = self.sizes_us[-1]
        limit_us = self.watermark.grace_position_us
        for pane_us in [p for p in self.panes if p // largest_us * largest_us + largest_us <= limit_us]:
            del self.panes[pane_us]
        for size_us, start_us in [
            k for k in self.revisions if k[1] // largest_us * largest_us + largest_us <= limit_us
        ]:
            del self.revisions[size_us, start_us]
