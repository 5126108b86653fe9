"""Cuts, merges and describes recordings, entry by entry, in bounded memory. Pure; knows no file format."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from streams.replay.incoming import device, tick_us
from streams.replay.log_merge import TicksOnce
from streams.replay.recording import Entry, Verbatim
from streams.schema.events import CameraObservation

Kind = Literal["camera", "traffic", "tick", "verbatim"]
KINDS: tuple[Kind, ...] = ("camera", "traffic", "tick", "verbatim")
DEVICES_COUNTED = 10_000
"""Broken keys are without number; those after so many are counted together, under no name."""


def kind(entry: Entry) -> Kind:
    """``verbatim``: a message that is no event under its own key."""
    if isinstance(entry, Verbatim):
        return "verbatim"
    if tick_us(entry) is not None:
        return "tick"
    return "camera" if isinstance(entry.event, CameraObservation) else "traffic"


def cut(
    entries: Iterable[Entry],
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    devices: Collection[str] = (),
    kinds: Collection[Kind] = (),
) -> Iterator[Entry]:
    """What was logged from ``from_us`` until before ``to_us``, of these devices and kinds (empty: all).

    Ticks belong to every device.
    """
    for entry in entries:
        if to_us is not None and entry.logged_us >= to_us:
            return
        if from_us is not None and entry.logged_us < from_us:
            continue
        what = kind(entry)
        if (not kinds or what in kinds) and (not devices or what == "tick" or device(entry) in devices):
            yield entry


def merge(recordings: Iterable[Iterable[Entry]]) -> Iterator[Entry]:
    """All entries in the order in which they were logged; of equals, those of the first recording first.

    A tick that several of them have is there once.
    """
    ticks = TicksOnce()
    for entry in heapq.merge(*recordings, key=lambda entry: entry.logged_us):
        tick = tick_us(entry)
        if tick is None or ticks.remember(tick):
            yield entry


@dataclass(slots=True)
class Summary:
    """What is in a recording. ``bytes`` are those of the messages, as far as their bytes are known."""

    entries: int = 0
    from_us: int | None = None
    to_us: int | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def include(self, entry: Entry) -> None:
        what = kind(entry)
        self.entries += 1
        self.from_us = entry.logged_us if self.from_us is None else self.from_us
        self.to_us = entry.logged_us
        self.kinds[what] += 1
        self.bytes += len(entry.payload or b"")
        if what == "tick":
            return
        self.topics[entry.topic if isinstance(entry, Verbatim) else f"observations.{what}"] += 1
        name = device(entry)
        self.devices[name if name in self.devices or len(self.devices) < DEVICES_COUNTED else ""] += 1
