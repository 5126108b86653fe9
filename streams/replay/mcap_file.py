"""How a recording lies in an MCAP file, and its writer, which needs memory for one chunk.

The format itself is the library's. Knows no Kafka; what reads these files is streams.replay.mcap_reader.

- Channels: one a kind of event, with its JSON Schema (``observations.camera``, ``observations.traffic``, ``ticks``),
  the payload as it stood in Kafka; ``log_time`` is when it was logged, ``publish_time`` when it was observed or ticked,
  ``sequence`` the number of the entry in the file, so that a chunk that is gone is noticed.
- Keys: an event's key is its camera or corridor, so none is kept beside it. A message that is no such event (broken,
  wrong key, no value, not UTF-8) lies in ``<topic>/verbatim`` as the line that the JSON Lines form has for it, key
  included. A channel a key would be shorter, but broken keys are without number and MCAP has 65,535 channels.
- Metadata: ``ioc-recording.v1`` (titles, made_by, seed), ``ioc-source`` (what was asked of Kafka) and, after each
  chunk, ``ioc-position`` (the next offset of each partition), so that a recorder that died can go on.
- Chunks are zstd, each with its CRC, and the data section has one too. Nothing in the file depends on the clock: the
  same entries give the same bytes, with the same version of zstd.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mcap.writer import CompressionType, Writer

from streams.replay.recording import (
    FORMAT,
    Entry,
    RecordingInfo,
    Span,
    Verbatim,
    encode_line,
    line_schema,
)
from streams.schema.codec import encode
from streams.schema.events import CameraObservation, Event, Tick, TrafficReading
from streams.schema.instants import microseconds
from streams.schema.json_schema import kind_name, schema

CHUNK_BYTES = 1024 * 1024
SOURCE, POSITION = "ioc-source", "ioc-position"
_LIBRARY = "haiphong-ioc"
_LARGEST_TIME = 2**64 - 1
_MESSAGE_HEAD = 31
_CHANNELS: dict[type[Event], str] = {
    CameraObservation: "observations.camera",
    TrafficReading: "observations.traffic",
    Tick: "ticks",
}
VERBATIM = "/verbatim"


class McapWriter:
    """Writes entries into a new MCAP file; ``finish`` completes it, ``close`` leaves it as a crash would."""

    def __init__(
        self,
        path: Path,
        info: RecordingInfo,
        *,
        source: Mapping[str, str] | None = None,
        position: Mapping[str, int] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """source: what was asked of Kafka; position: where in Kafka's log this file begins."""
        self._file = path.open("wb")
        self._span, self._said, self._chunk_bytes, self._pending = Span(), info, chunk_bytes, 0
        self._channels: dict[str, int] = {}
        self._writer = Writer(
            self._file, chunk_size=2**62, compression=CompressionType.ZSTD, enable_crcs=True, enable_data_crcs=True
        )
        try:
            self._write_head(source, position)
        except BaseException:
            self.close()
            raise

    @property
    def span(self) -> Span:
        return self._span

    @property
    def bytes_written(self) -> int:
        return self._file.tell()

    def add(self, entry: Entry, position: Mapping[str, int] | None = None) -> bool:
        """Takes one more entry, in order of arrival; whether a chunk was completed, and so is safe on the disk.

        position: the next offset of each partition after this entry. Raises ValueError where the entry is earlier
        than the one before it.
        """
        self._span.include(entry)
        channel, data, at_us = _message(entry)
        self._writer.add_message(
            self._channels[channel],
            log_time=_nanoseconds(entry.logged_us),
            data=data,
            publish_time=_nanoseconds(at_us),
            sequence=sequence(self._span.count - 1),
        )
        self._pending += len(data) + _MESSAGE_HEAD
        if self._pending < self._chunk_bytes:
            return False
        self._settle(position)
        return True

    def finish(self, position: Mapping[str, int] | None = None) -> RecordingInfo:
        """Completes the file. Raises ValueError where there was no entry."""
        info = self._span.info(self._said)
        if self._pending:
            self._settle(position)
        self._writer.finish()
        self._sync()
        self.close()
        return info

    def close(self) -> None:
        self._file.close()

    def _write_head(self, source: Mapping[str, str] | None, position: Mapping[str, int] | None) -> None:
        self._writer.start(profile=FORMAT, library=_LIBRARY)
        said = self._said
        seed = "" if said.seed is None else str(said.seed)
        titles = {"title_vi": said.title_vi, "title_en": said.title_en, "made_by": said.made_by, "seed": seed}
        self._writer.add_metadata(FORMAT, titles)
        if source is not None:
            self._writer.add_metadata(SOURCE, dict(source))
        self._channels = dict(self._registered())
        self._settle(position)

    def _registered(self) -> Iterator[tuple[str, int]]:
        verbatim = self._writer.register_schema("ioc-recording-line.v1", "jsonschema", _json(line_schema()))
        for kind, topic in _CHANNELS.items():
            described = self._writer.register_schema(kind_name(kind), "jsonschema", _json(schema(kind)))
            yield topic, self._writer.register_channel(topic, "json", described)
            if kind is not Tick:
                yield topic + VERBATIM, self._writer.register_channel(topic + VERBATIM, "json", verbatim)

    def _settle(self, position: Mapping[str, int] | None) -> None:
        self._writer.flush()
        self._pending = 0
        if position is not None:
            self._writer.add_metadata(POSITION, {place: str(offset) for place, offset in sorted(position.items())})
        self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def write_mcap(path: Path, entries: Iterable[Entry], info: RecordingInfo) -> RecordingInfo:
    """Writes a whole recording; the file appears whole or not at all. Raises as McapWriter does."""
    part = path.with_name(path.name + ".part")
    try:
        writer = McapWriter(part, info)
        try:
            for entry in entries:
                writer.add(entry)
            written = writer.finish()
        finally:
            writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return written


def sequence(number: int) -> int:
    """MCAP has 32 bits for it."""
    return number % 2**32


def _message(entry: Entry) -> tuple[str, bytes, int]:
    """Channel, data and time of observation."""
    if isinstance(entry, Verbatim):
        return entry.topic + VERBATIM, encode_line(entry), entry.logged_us
    event = entry.event
    at = event.ticked_at if isinstance(event, Tick) else event.observed_at
    return _CHANNELS[type(event)], entry.payload or encode(event), microseconds(at)


def _nanoseconds(us: int) -> int:
    """As MCAP has it: none before 1970 or after 2554."""
    return min(max(us * 1000, 0), _LARGEST_TIME)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
