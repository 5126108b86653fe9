"""Turns the entries of a recording into the messages to send: topic, key, bytes, and times moved by one constant.

Pure. Decides nothing about when and how they are sent (streams.replay.player).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from msgspec.structs import replace

from streams.replay.recording import Entry, Verbatim
from streams.schema.codec import encode
from streams.schema.events import CameraObservation, InputEvent, Tick, TrafficReading
from streams.schema.topics import Topics


class Message(NamedTuple):
    """What goes to Kafka. ``topic`` None: to every partition of every input topic."""

    logged_us: int
    topic: str | None
    key: str
    payload: bytes | None
    rows: int


class Outgoing:
    """Entries to messages for the topics of one namespace, or for other topics that stand in their place."""

    def __init__(self, topics: Topics, mapped: Mapping[str, str] | None = None) -> None:
        """mapped: input topic without its namespace -> another topic's full name."""
        self._topic_of = {
            topic.name.removeprefix(f"{topics.namespace}."): topic.name for topic in topics.inputs
        } | dict(mapped or {})
        self._camera, self._traffic = self._topic_of["observations.camera"], self._topic_of["observations.traffic"]

    @property
    def topics(self) -> list[str]:
        """Where everything goes; ticks go to all of them."""
        return list(dict.fromkeys(self._topic_of.values()))

    def message(self, entry: Entry, shift_us: int = 0) -> Message:
        """The message for an entry, all its times later by ``shift_us``; a verbatim payload stays as it is.

        One exception: without a key and without a value it gets an empty value, as the client sends no other.
        """
        at = entry.logged_us + shift_us
        if isinstance(entry, Verbatim):
            payload = entry.payload if entry.key else entry.payload or b""
            return Message(at, self._topic_of[entry.topic], entry.key, payload, 0)
        if shift_us:
            event: InputEvent = shifted(entry.event, timedelta(microseconds=shift_us))
            payload = encode(event)
        else:
            event, payload = entry.event, entry.payload or encode(entry.event)
        if isinstance(event, TrafficReading):
            return Message(at, self._traffic, event.corridor, payload, len(event.station))
        if isinstance(event, CameraObservation):
            return Message(at, self._camera, event.camera, payload, len(event.zones))
        return Message(at, None, "", payload, 0)


def shifted(event: InputEvent, by: timedelta) -> InputEvent:
    """The event as if everything had happened ``by`` later."""
    if isinstance(event, Tick):
        return Tick(ticked_at=event.ticked_at + by)
    return replace(event, observed_at=event.observed_at + by, received_at=event.received_at + by)
