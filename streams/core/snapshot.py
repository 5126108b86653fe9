"""Windows as bytes and back: what a changelogged table keeps of one source.

Items are kept by name, so that a site file that adds, drops or reorders lanes or zones keeps the samples of those
that stayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from streams.core.watermark import Lateness, Watermark
from streams.core.windows import Sample, Windows


class WindowsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """present: (samples, items) bytes of bool; values: (samples, fields, items) bytes of float64."""

    items: list[str]
    newest_us: int
    clock_us: int
    pane_us: list[int]
    observed_us: list[int]
    interval_us: list[int]
    present: bytes
    values: bytes
    revisions: list[tuple[int, int, int]]
    open: list[tuple[int, int]]


def take(windows: Windows, items: Sequence[str]) -> WindowsSnapshot:
    """The windows' whole state; items: their names, in order."""
    kept = [(pane_us, sample) for pane_us, pane in windows.panes.items() for sample in pane.values()]
    return WindowsSnapshot(
        items=list(items),
        newest_us=windows.watermark.newest_us,
        clock_us=windows.watermark.clock_us,
        pane_us=[pane_us for pane_us, _ in kept],
        observed_us=[sample.observed_us for _, sample in kept],
        interval_us=[sample.interval_us for _, sample in kept],
        present=b"".join(sample.present.tobytes() for _, sample in kept),
        values=b"".join(sample.values.tobytes() for _, sample in kept),
        revisions=[(size, start, revision) for (size, start), revision in windows.revisions.items()],
        open=sorted(windows.open),
    )


def restore(
    snapshot: WindowsSnapshot,
    sizes_us: tuple[int, ...],
    items: Sequence[str],
    fields: int,
    lateness: Lateness,
) -> Windows:
    """Windows as they were, for the items of today."""
    samples, kept_items = len(snapshot.pane_us), len(snapshot.items)
    present = np.frombuffer(snapshot.present, dtype=bool).reshape(samples, kept_items)
    values = np.frombuffer(snapshot.values, dtype=np.float64).reshape(samples, fields, kept_items)
    if snapshot.items != list(items):
        present, values = _rearranged(present, values, snapshot.items, items)
    windows = Windows(sizes_us, len(items), Watermark(lateness, snapshot.newest_us, snapshot.clock_us))
    for index, pane_us in enumerate(snapshot.pane_us):
        sample = Sample(snapshot.observed_us[index], snapshot.interval_us[index], present[index], values[index])
        windows.panes.setdefault(pane_us, {})[sample.observed_us] = sample
    windows.revisions = {(size, start): revision for size, start, revision in snapshot.revisions if size in sizes_us}
    windows.open = {window for window in snapshot.open if window[1] in sizes_us}
    windows.next_close_us = min((end_us for end_us, _ in windows.open), default=2**62)
    return windows


def _rearranged(
    present: np.ndarray, values: np.ndarray, old: Sequence[str], new: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    at = {name: index for index, name in enumerate(old)}
    source = np.array([at.get(name, -1) for name in new])
    known = source >= 0
    return (
        np.where(known, present[:, source], False),
        np.where(known, values[:, :, source], np.nan),
    )
