"""Takes from a recording what tells which place it is: names become pseudonyms, times may move by whole weeks.

Decides what is a name: cameras, corridors, zones, counting lines, stations and gateways. A pseudonym is the HMAC of
the name under a key that is not kept, so the same name has the same pseudonym throughout, and nobody can try names
until one fits. Zones, lines and stations get theirs together with their camera or corridor: the same word in two halls
is not the same pseudonym. Messages that are no events may hold anything and are left out.

Refuses to promise more: counts, intervals, the number of zones and the hours of a day stay, and whoever knows a place
well may know it by them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import lru_cache

from msgspec.structs import replace

from streams.replay.outgoing import shifted
from streams.replay.recording import Entry, Record, Verbatim
from streams.schema.codec import encode
from streams.schema.events import CameraObservation, InputEvent, TrafficReading
from streams.schema.instants import duration_us

KEY_BYTES = 32
_DIGITS = 16
_NAMES_AT_ONCE = 100_000


class Anonymiser:
    """One key, one set of pseudonyms."""

    def __init__(self, key: bytes, *, shift_weeks: int = 0) -> None:
        """key: at least KEY_BYTES random bytes. Raises ValueError."""
        if len(key) < KEY_BYTES:
            raise ValueError(f"a key has at least {KEY_BYTES} bytes")
        self._key, self._by = key, timedelta(weeks=shift_weeks)
        self.left_out = 0
        """Messages that are no events."""
        self._pseudonym = lru_cache(_NAMES_AT_ONCE)(self._made)

    def entries(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries without names."""
        shift_us = duration_us(self._by.total_seconds())
        for entry in entries:
            if isinstance(entry, Verbatim):
                self.left_out += 1
                continue
            event = self._event(shifted(entry.event, self._by) if self._by else entry.event)
            yield Record(entry.logged_us + shift_us, event, encode(event))

    def _event(self, event: InputEvent) -> InputEvent:
        name = self._pseudonym
        if isinstance(event, CameraObservation):
            camera = event.camera
            return replace(
                event,
                camera=name("cam", camera),
                zones=[replace(zone, zone=name("zone", camera, zone.zone)) for zone in event.zones],
                crossings=[replace(line, line=name("line", camera, line.line)) for line in event.crossings],
            )
        if isinstance(event, TrafficReading):
            corridor = event.corridor
            return replace(
                event,
                corridor=name("road", corridor),
                station=[name("station", corridor, station) for station in event.station],
                gateway=name("gateway", event.gateway) if event.gateway else "",
            )
        return event

    def _made(self, role: str, *names: str) -> str:
        said = "\0".join((role, *(f"{len(name)}:{name}" for name in names)))
        digest = hmac.new(self._key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"{role}-{digest[:_DIGITS]}"
