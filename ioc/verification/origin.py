"""Which entry of a recording makes a row: the core, run over the recording in this process, one entry at a time.

Asked only when something differs. Knows no server: what Kafka, Faust and the database do to a row it cannot see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ioc.verification.golden import Key, key_columns
from streams.agents.sources import camera_kind, corridor_kind
from streams.core.partition import Partition, Record
from streams.replay.outgoing import Message, Outgoing
from streams.replay.recording import Entry
from streams.replay.recording import Record as Recorded
from streams.schema.events import Tick
from streams.schema.instants import instant
from streams.schema.site import Site
from streams.schema.tables import DEAD_LETTER, Rows
from streams.schema.topics import Topics


@dataclass(frozen=True)
class Origin:
    """number: of the entry, from 1; what: the entry in words."""

    number: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.number} of the recording ({self.what})"


def origins(entries: Iterable[Entry], site: Site, *, store_readings: bool) -> dict[str, dict[Key, Origin]]:
    """By table and key: the entry that made the row what it is in the end."""
    topics = Topics("verify", 1)
    kinds = {
        topics.camera_observations.name: camera_kind(site),
        topics.traffic_readings.name: corridor_kind(site, store_readings=store_readings),
    }
    partitions = {name: Partition(name, 0, kind, {}) for name, kind in kinds.items()}
    offsets = dict.fromkeys(kinds, 0)
    outgoing = Outgoing(topics)
    found: dict[str, dict[Key, Origin]] = {}
    for number, entry in enumerate(entries, 1):
        message = outgoing.message(entry, 0)
        origin = Origin(number, _words(entry, message))
        for name in kinds if message.topic is None else (message.topic,):
            key = None if message.topic is None else message.key.encode() or None
            record = Record(offsets[name], key, message.payload, message.logged_us // 1000 * 1000)
            offsets[name] += 1
            for rows in partitions[name].process([record]).rows:
                for place in _keys(rows, topics.namespace):
                    found.setdefault(rows.table.name, {})[place] = origin
    return found


def _words(entry: Entry, message: Message) -> str:
    at = f"logged {instant(message.logged_us):%Y-%m-%d %H:%M:%S.%f}"
    if not isinstance(entry, Recorded):
        return f"as it came, to {message.topic}, {at}"
    if isinstance(entry.event, Tick):
        return f"tick of {entry.event.ticked_at:%Y-%m-%d %H:%M:%S}"
    kind = type(entry.event).__struct_config__.tag
    return f"{kind} of {message.key}, observed {entry.event.observed_at:%Y-%m-%d %H:%M:%S.%f}, {at}"


def _keys(rows: Rows, namespace: str) -> list[Key]:
    texts = [_texts(rows, name, namespace) for name in key_columns(rows.table)]
    return list(zip(*texts, strict=True))


def _texts(rows: Rows, name: str, namespace: str) -> list[str]:
    given = rows.columns[name]
    if rows.table.columns[name] == "timestamptz":
        return [postgresql_instant(int(us)) for us in given]
    texts = [str(value) for value in given]
    if rows.table is DEAD_LETTER and name == "topic":
        return [text.removeprefix(f"{namespace}.") for text in texts]
    return texts


def postgresql_instant(us: int) -> str:
    """Microseconds since 1970 as PostgreSQL writes a timestamptz in UTC."""
    at = instant(us)
    fraction = f"{at.microsecond:06d}".rstrip("0")
    return f"{at:%Y-%m-%d %H:%M:%S}{'.' if fraction else ''}{fraction}+00"
