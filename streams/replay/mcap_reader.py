"""Reads MCAP recordings, a chunk at a time, each checked against its CRC; salvages what is whole of a cut one.

Decides what a sound file is and refuses everything else with its place. How entries lie in a file is decided in
streams.replay.mcap_file.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Footer, Header, Message, Metadata, Statistics
from mcap.stream_reader import StreamReader, breakup_chunk

from streams.replay.mcap_file import POSITION, SOURCE, VERBATIM, sequence
from streams.replay.recording import FORMAT, Entry, Record, Recording, RecordingInfo, decode_line
from streams.schema.codec import decode_input
from streams.schema.errors import ConfigurationInvalid, RejectedEvent

MAGIC = b"\x89MCAP0\r\n"
_FOOTER_BYTES = 9 + 20 + 8
_LARGEST_RECORD = 256 * 1024 * 1024
_DAMAGE = (McapError, ValueError, struct.error, zstandard.ZstdError, MemoryError, OverflowError, KeyError)
_CUT = "the file is cut; go on with `ioc record --resume`, or keep what is whole: `ioc recording convert --salvage`"


@dataclass(frozen=True, slots=True)
class Head:
    """What an MCAP recording says before its first entry."""

    info: RecordingInfo
    source: Mapping[str, str] | None = None
    position: Mapping[str, int] | None = None


@dataclass(slots=True)
class Contents:
    """One chunk: its entries, and the position that follows it."""

    entries: list[Entry] = field(default_factory=list)
    position: Mapping[str, int] | None = None
    compressed_bytes: int = 0


def is_mcap(path: Path) -> bool:
    """By its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as fault:
        raise ConfigurationInvalid(str(path), f"cannot read it: {fault.strerror}") from None


def read_mcap(path: Path) -> Recording:
    """The recording in an MCAP file of ours; entries are read as they are asked for, a chunk at a time.

    Raises ConfigurationInvalid: now, where the file is cut or not ours; where the damage is reached, otherwise.
    """
    head = read_head(path)
    return Recording(head.info, lambda: (entry for chunk in read_chunks(path) for entry in chunk.entries))


def read_head(path: Path, *, salvage: bool = False) -> Head:
    """What the file says of itself. salvage: a cut file tells neither span nor number."""
    with path.open("rb") as file:
        head = _head(path, file)
        if salvage:
            return head
        found = _statistics(path, file)
    said = head.info
    first, last = found.message_start_time // 1000, found.message_end_time // 1000
    info = RecordingInfo(said.title_vi, said.title_en, said.made_by, said.seed, first, last, found.message_count)
    return Head(info, head.source, head.position)


def read_chunks(path: Path, *, salvage: bool = False) -> Iterator[Contents]:
    """Every chunk in the order of the file, each checked against its CRC.

    salvage: only what is whole of a file that was cut or damaged, up to the first fault.
    """
    reading = _Reading(path)
    waiting: Contents | None = None
    try:
        for record in reading.records():
            if isinstance(record, Chunk):
                if waiting is not None:
                    yield waiting
                    waiting = None
                waiting = reading.contents(record)
            elif isinstance(record, Metadata) and record.name == POSITION and waiting is not None:
                waiting.position = _position(path, record)
                yield waiting
                waiting = None
        reading.check_end()
    except ConfigurationInvalid:
        if not salvage:
            raise
    if waiting is not None:
        yield waiting


def check_summary(path: Path) -> None:
    """Raises ConfigurationInvalid where the summary at the end does not fit its CRC."""
    with path.open("rb") as file:
        start, said = _footer(path, file)
        file.seek(start)
        summary = file.read()[: -len(MAGIC) - 4]
    if said and zlib.crc32(summary) != said:
        raise ConfigurationInvalid(f"{path} summary", "damaged: its CRC does not fit")


def _records(path: Path, file: BinaryIO, *, skip_magic: bool = False, verify: bool = False) -> Iterator[object]:
    """The records of a file from where it stands; damage is told with its place."""
    reader = StreamReader(
        file, skip_magic=skip_magic, emit_chunks=True, validate_crcs=verify, record_size_limit=_LARGEST_RECORD
    )
    records = iter(reader.records)
    while True:
        try:
            record = next(records, None)
        except _DAMAGE as fault:
            detail = f"the file is cut or damaged: {fault or type(fault).__name__}"
            raise ConfigurationInvalid(f"{path} before byte {file.tell()}", detail) from None
        if record is None:
            return
        yield record


class _Reading:
    """One pass over a file: its channels, and what must be true of all its entries together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._verbatim: dict[int, bool] = {}
        self._chunks = self._count = self._previous_us = 0
        self._promised: int | None = None
        self._ended = False

    def records(self) -> Iterator[object]:
        with self._path.open("rb") as file:
            for record in _records(self._path, file, verify=True):
                if isinstance(record, Statistics):
                    self._promised = record.message_count
                elif isinstance(record, Footer):
                    self._ended = True
                else:
                    yield record

    def check_end(self) -> None:
        if not self._ended:
            raise ConfigurationInvalid(str(self._path), _CUT)
        if self._promised != self._count:
            detail = f"it holds {self._count} entries; its statistics promise {self._promised}"
            raise ConfigurationInvalid(str(self._path), detail)

    def contents(self, chunk: Chunk) -> Contents:
        self._chunks += 1
        place = f"{self._path} chunk {self._chunks}"
        found = Contents(compressed_bytes=len(chunk.data))
        try:
            if chunk.uncompressed_size > _LARGEST_RECORD:
                raise ValueError(f"it claims to hold {chunk.uncompressed_size} bytes")
            for record in breakup_chunk(chunk, validate_crc=True):
                if isinstance(record, Channel):
                    self._verbatim[record.id] = record.topic.endswith(VERBATIM)
                elif isinstance(record, Message):
                    found.entries.append(self._entry(record, place))
        except _DAMAGE as fault:
            raise ConfigurationInvalid(place, f"damaged: {fault or type(fault).__name__}") from None
        return found

    def _entry(self, message: Message, place: str) -> Entry:
        entry: Entry
        if self._verbatim[message.channel_id]:
            entry = decode_line(message.data, place)
        else:
            try:
                entry = Record(message.log_time // 1000, decode_input(message.data), message.data)
            except RejectedEvent as fault:
                raise ConfigurationInvalid(f"{place} {fault.path}", fault.detail) from None
        if message.sequence != sequence(self._count):
            raise ConfigurationInvalid(place, f"entry {self._count} is not there; {message.sequence} follows")
        if entry.logged_us < self._previous_us:
            raise ConfigurationInvalid(place, "an entry is earlier than the one before it")
        self._previous_us = entry.logged_us
        self._count += 1
        return entry


def _head(path: Path, file: BinaryIO) -> Head:
    info: RecordingInfo | None = None
    source: Mapping[str, str] | None = None
    for record in _records(path, file):
        if isinstance(record, Header) and record.profile != FORMAT:
            raise ConfigurationInvalid(str(path), f"an MCAP file of another kind: profile {record.profile!r}")
        if isinstance(record, Metadata):
            if record.name == FORMAT:
                info = _info(path, record.metadata)
            elif record.name == SOURCE:
                source = record.metadata
            elif record.name == POSITION and info is not None:
                return Head(info, source, _position(path, record))
        elif not isinstance(record, Header):
            break
    if info is None:
        raise ConfigurationInvalid(str(path), f"an MCAP file without the metadata {FORMAT}: not a recording of ours")
    return Head(info, source)


def _info(path: Path, said: Mapping[str, str]) -> RecordingInfo:
    try:
        seed = int(said["seed"]) if said["seed"] else None
        return RecordingInfo(said["title_vi"], said["title_en"], said["made_by"], seed)
    except (KeyError, ValueError) as fault:
        raise ConfigurationInvalid(f"{path} metadata {FORMAT}", f"missing or wrong: {fault}") from None


def _footer(path: Path, file: BinaryIO) -> tuple[int, int]:
    """Where the summary begins, and its CRC."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _FOOTER_BYTES))
    tail = file.read(_FOOTER_BYTES)
    if len(tail) < _FOOTER_BYTES or not tail.endswith(MAGIC):
        raise ConfigurationInvalid(str(path), _CUT)
    start, _, said = struct.unpack_from("<QQI", tail, 9)
    if not 0 < start < size:
        raise ConfigurationInvalid(str(path), "damaged: its footer leads nowhere")
    return start, said


def _statistics(path: Path, file: BinaryIO) -> Statistics:
    """From the summary, reached by the footer."""
    start, _ = _footer(path, file)
    file.seek(start)
    for record in _records(path, file, skip_magic=True):
        if isinstance(record, Statistics):
            return record
    raise ConfigurationInvalid(str(path), "an MCAP file without statistics: not a recording of ours")


def _position(path: Path, record: Metadata) -> dict[str, int]:
    try:
        return {place: int(offset) for place, offset in record.metadata.items()}
    except ValueError as fault:
        raise ConfigurationInvalid(f"{path} metadata {POSITION}", str(fault)) from None
