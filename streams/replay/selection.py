"""Which entries of a recording are played: by device and by kind. Pure; decides nothing about when.

A device is a camera, a corridor or, for a message sent as it stands, its key. Ticks are the clock of a recording and
belong to no device and no kind of data: they are played with every choice, unless they are left out by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Literal

from streams.replay.recording import Entry, Verbatim
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import CameraObservation, Tick

Kind = Literal["camera", "traffic", "tick"]
KINDS: tuple[Kind, ...] = ("camera", "traffic", "tick")
_NEAR = 3


class Selection:
    """devices, kinds: only these (none given: all). kinds of ``tick`` alone: nothing but ticks."""

    def __init__(self, *, devices: Collection[str] = (), kinds: Collection[Kind] = (), with_ticks: bool = True) -> None:
        if "tick" in kinds and not with_ticks:
            raise ConfigurationInvalid("--kind", "ticks are asked for and left out at once; drop one of the two")
        self._devices, self._kinds = frozenset(devices), frozenset(kinds)
        self.with_ticks = with_ticks
        self._everything = with_ticks and not devices and not kinds

    @property
    def only_ticks(self) -> bool:
        return self._kinds == {"tick"}

    def __contains__(self, entry: Entry) -> bool:
        if self._everything:
            return True
        kind = kind_of(entry)
        if kind == "tick":
            return self.with_ticks
        if self._kinds and kind not in self._kinds:
            return False
        return not self._devices or device_of(entry) in self._devices

    def check_devices(self, entries: Iterable[Entry]) -> None:
        """Reads entries until every device asked for was seen. Raises ConfigurationInvalid with the near names."""
        missing, known = set(self._devices), set()
        for entry in entries:
            if not missing:
                return
            if kind_of(entry) != "tick":
                device = device_of(entry)
                known.add(device)
                missing.discard(device)
        for device in sorted(missing):
            near = difflib.get_close_matches(device, sorted(known), _NEAR, 0.5)
            there = f"near it are {', '.join(near)}" if near else f"there are {len(known)}, such as {_some(known)}"
            raise ConfigurationInvalid("--device", f"the recording has no {device!r}; {there}")


def kind_of(entry: Entry) -> Kind:
    if isinstance(entry, Verbatim):
        return "camera" if entry.topic == "observations.camera" else "traffic"
    if isinstance(entry.event, Tick):
        return "tick"
    return "camera" if isinstance(entry.event, CameraObservation) else "traffic"


def device_of(entry: Entry) -> str:
    """The camera, the corridor, or the key; a tick has none."""
    if isinstance(entry, Verbatim):
        return entry.key
    if isinstance(entry.event, Tick):
        return ""
    return entry.event.camera if isinstance(entry.event, CameraObservation) else entry.event.corridor


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:_NEAR]) or "none"
