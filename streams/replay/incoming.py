"""Turns Kafka's messages into the entries of a recording. The counterpart of streams.replay.outgoing.

Pure. Decides what an event is: a well-formed observation or reading under its own key in its own topic, or a tick
without a key. Every other message is kept verbatim.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.replay.recording import Entry, InputTopic, Record, Verbatim
from streams.schema.codec import decode_input
from streams.schema.errors import RejectedEvent
from streams.schema.events import CameraObservation, Tick
from streams.schema.instants import microseconds

LATEST_US = 253_370_764_800_000_000
"""The year 9999: no time stamp is later."""
Place = tuple[InputTopic, int]
"""A partition: topic without its namespace, number."""


class Arrived(NamedTuple):
    """A message of a partition, as bytes: many may have to wait for their turn."""

    topic: InputTopic
    offset: int
    stamp_us: int
    key: bytes | None
    value: bytes | None
    tick_us: int | None
    """What time it tells, where it is a tick."""

    @property
    def size_bytes(self) -> int:
        return len(self.key or b"") + len(self.value or b"")

    def entry(self, logged_us: int) -> Entry:
        """The entry that it makes."""
        return _entry(self.topic, logged_us, self.key, self.value)


def arrived(topic: InputTopic, offset: int, stamp_ms: int, key: bytes | None, value: bytes | None) -> Arrived:
    """A message as Kafka gives it; a time stamp from before 1970 (Kafka's "none" is -1) is taken for 1970."""
    stamp_us = min(max(stamp_ms * 1000, 0), LATEST_US)
    tick = None if key else tick_us(_entry(topic, stamp_us, key, value))
    return Arrived(topic, offset, stamp_us, key, value, tick)


def device(entry: Entry) -> str:
    """Camera or corridor; of a verbatim message its key; of a tick nothing."""
    if isinstance(entry, Verbatim):
        return entry.key
    if isinstance(entry.event, Tick):
        return ""
    return entry.event.camera if isinstance(entry.event, CameraObservation) else entry.event.corridor


def tick_us(entry: Entry) -> int | None:
    """What time a tick tells; None for everything else."""
    if isinstance(entry, Record) and isinstance(entry.event, Tick):
        return microseconds(entry.event.ticked_at)
    return None


def _entry(topic: InputTopic, logged_us: int, key_bytes: bytes | None, value: bytes | None) -> Entry:
    key = (key_bytes or b"").decode("utf-8", "surrogateescape")
    try:
        record = Record(logged_us, decode_input(value), value)
    except RejectedEvent:
        return Verbatim(logged_us, value, topic, key)
    expected = "observations.camera" if isinstance(record.event, CameraObservation) else "observations.traffic"
    in_place = isinstance(record.event, Tick) or topic == expected
    return record if in_place and key == device(record) else Verbatim(logged_us, value, topic, key)
