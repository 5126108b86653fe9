"""What a recording is, and its JSON Lines form: one header line, then one entry a line in the order of arrival.

Decides what a well-formed recording is and refuses everything else with file, line and path. Knows neither Kafka nor
the formats of others (streams.replay.readers), and nothing of what an event means.

The form (``ioc-recording.v1``, plain or gzip)::

    {"recording":"ioc-recording.v1","title_vi":..,"title_en":..,"from":..,"to":..,"seed":..,"made_by":..,"events":N}
    {"logged_at":"2026-03-02T01:00:00.2Z","event":{"kind":"camera-observation.v1",...}}
    {"logged_at":"2026-03-02T01:00:01Z","event":{"kind":"tick.v1",...}}          a tick goes to every partition
    {"logged_at":"...","raw":"<text>","topic":"observations.traffic","key":".."} sent as it stands, broken or not

A message without a value has ``"raw":null``; bytes that are not UTF-8 stand in ``raw_base64``, ``key_base64``.
``events`` counts the entries; a file with fewer or more was cut and is refused.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from streams.schema.codec import decode_input, encode
from streams.schema.errors import ConfigurationInvalid, RejectedEvent
from streams.schema.events import InputEvent, Instant
from streams.schema.instants import instant, microseconds

FORMAT = "ioc-recording.v1"
_GZIP_MAGIC = b"\x1f\x8b"
T = TypeVar("T")
InputTopic = Literal["observations.camera", "observations.traffic"]


@dataclass(frozen=True, slots=True)
class Record:
    """An event and when it arrived at the platform, in microseconds since 1970 UTC.

    ``payload``, where known, is the event as bytes, so that a replay at unchanged times need not encode it again; it
    says nothing that ``event`` does not. Drop it when the event changes.
    """

    logged_us: int
    event: InputEvent
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A message passed on as it stands, well-formed or not. ``topic`` is without the namespace.

    ``payload`` None: without a value. ``key``: UTF-8, with surrogate escapes for other bytes; "": without a key.
    """

    logged_us: int
    payload: bytes | None
    topic: InputTopic
    key: str = ""


Entry = Record | Verbatim


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a recording says of itself; None where its format does not tell."""

    title_vi: str
    title_en: str
    made_by: str
    seed: int | None = None
    from_us: int | None = None
    to_us: int | None = None
    """Arrival of the first and of the last entry."""
    events: int | None = None


class Recording:
    """Entries in the order of arrival; may be read any number of times, each time from the beginning."""

    def __init__(self, info: RecordingInfo, entries: Callable[[], Iterator[Entry]]) -> None:
        self.info = info
        self._entries = entries

    def __iter__(self) -> Iterator[Entry]:
        return self._entries()

    @classmethod
    def of(cls, entries: Iterable[Entry], *, title: str = "recording", made_by: str = "memory") -> Recording:
        """A recording held in memory, sorted by arrival (entries that arrived together keep their order)."""
        held = sorted(entries, key=lambda entry: entry.logged_us)
        first, last = (held[0].logged_us, held[-1].logged_us) if held else (None, None)
        return cls(RecordingInfo(title, title, made_by, None, first, last, len(held)), lambda: iter(held))


class _Header(Struct, forbid_unknown_fields=True, kw_only=True):
    recording: Literal["ioc-recording.v1"]
    title_vi: str
    title_en: str
    from_: Instant = msgspec.field(name="from")
    to: Instant
    seed: int | None
    made_by: str
    events: int


class _Line(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    logged_at: Instant
    event: Raw | UnsetType = UNSET
    raw: str | UnsetType | None = UNSET
    raw_base64: bytes | UnsetType = UNSET
    topic: InputTopic | UnsetType = UNSET
    key: str = ""
    key_base64: bytes | UnsetType = UNSET


_header_decoder = msgspec.json.Decoder(_Header)
_line_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()
_EITHER = "an entry has either `event`, or `raw` with `topic` and `key`"
_NO_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where it is gzip by its first bytes."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
        return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")
    except OSError as fault:
        raise ConfigurationInvalid(str(path), f"cannot read it: {fault.strerror}") from None


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers from 1, without the line end. A file that is cut or not gzip inside is refused."""
    number = 0
    with open_bytes(path) as file:
        try:
            for line in file:
                number += 1
                yield number, line.rstrip(b"\r\n")
        except (EOFError, zlib.error, OSError) as fault:
            raise ConfigurationInvalid(f"{path} line {number + 1}", f"the file is cut or damaged: {fault}") from None


def read_recording(path: Path) -> Recording:
    """The recording in a file of our own form; entries are read as they are asked for, in bounded memory.

    Raises ConfigurationInvalid with file, line and path: the header's faults now, an entry's when it is reached.
    """
    _, line = next(numbered_lines(path), (1, b""))
    header = _checked(_header_decoder, line, f"{path} line 1")
    info = RecordingInfo(
        header.title_vi,
        header.title_en,
        header.made_by,
        header.seed,
        microseconds(header.from_),
        microseconds(header.to),
        header.events,
    )
    return Recording(info, lambda: _entries(path, header.events))


def _entries(path: Path, expected: int) -> Iterator[Entry]:
    lines = numbered_lines(path)
    next(lines)
    previous = count = 0
    number = 1
    for number, text in lines:
        entry = decode_line(text, f"{path} line {number}")
        if count and entry.logged_us < previous:
            raise ConfigurationInvalid(f"{path} line {number} $.logged_at", "earlier than the line before it")
        previous = entry.logged_us
        count += 1
        yield entry
    if count != expected:
        raise ConfigurationInvalid(
            f"{path} line {number}", f"the file ends after {count} entries; its header promises {expected}"
        )


def decode_line(text: bytes, place: str) -> Entry:
    """The entry that a line says. Raises ConfigurationInvalid with ``place`` and the path."""
    line = _checked(_line_decoder, text, place)
    logged_us = microseconds(line.logged_at)
    raws = (line.raw is not UNSET) + (line.raw_base64 is not UNSET)
    if line.event is not UNSET:
        if raws or line.topic is not UNSET or line.key or line.key_base64 is not UNSET:
            raise ConfigurationInvalid(place, _EITHER)
        payload = bytes(line.event)
        try:
            return Record(logged_us, decode_input(payload), payload)
        except RejectedEvent as fault:
            raise ConfigurationInvalid(f"{place} {fault.path.replace('$', '$.event', 1)}", fault.detail) from None
    if raws != 1 or line.topic is UNSET or (line.key and line.key_base64 is not UNSET):
        raise ConfigurationInvalid(place, _EITHER)
    raw = line.raw.encode() if isinstance(line.raw, str) else None
    key = line.key if line.key_base64 is UNSET else line.key_base64.decode("utf-8", "surrogateescape")
    return Verbatim(logged_us, raw if line.raw_base64 is UNSET else line.raw_base64, line.topic, key)


def encode_line(entry: Entry) -> bytes:
    """The entry as one line, without the line end. A line break in an event's payload becomes a space."""
    at = instant(entry.logged_us)
    if isinstance(entry, Record):
        payload = entry.payload or encode(entry.event)
        return _encoder.encode(_Line(logged_at=at, event=Raw(payload.translate(_NO_LINE_BREAKS))))
    line = _Line(logged_at=at, topic=entry.topic)
    try:
        line.raw = entry.payload if entry.payload is None else entry.payload.decode()
    except UnicodeDecodeError:
        line.raw_base64 = cast(bytes, entry.payload)
    try:
        entry.key.encode()
        line.key = entry.key
    except UnicodeEncodeError:
        line.key_base64 = entry.key.encode("utf-8", "surrogateescape")
    return _encoder.encode(line)


def line_schema() -> dict[str, Any]:
    """JSON Schema of a line."""
    return msgspec.json.schema(_Line)


def _checked(decoder: msgspec.json.Decoder[T], text: bytes, place: str) -> T:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as fault:
        detail, _, path = str(fault).partition(" - at `")
        raise ConfigurationInvalid(f"{place} {path.rstrip('`') or '$'}", detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise ConfigurationInvalid(place, f"not a line of JSON: {fault}") from None


def write_recording(
    path: Path,
    entries: Iterable[Entry],
    *,
    title_vi: str,
    title_en: str,
    made_by: str,
    seed: int | None = None,
) -> RecordingInfo:
    """Writes entries (sorted by arrival, at least one) as JSON Lines, gzip where the name ends with ``.gz``.

    The same entries give the same bytes. The file appears whole or not at all. Raises ValueError where the entries
    are not sorted or none.
    """
    part = path.with_name(path.name + ".part")
    body = path.with_name(path.name + ".body")
    packed = path.name.endswith(".gz")
    try:
        with open_for_writing(body, packed) as file:
            info = _write_entries(file, entries, RecordingInfo(title_vi, title_en, made_by, seed))
        header = _Header(
            recording="ioc-recording.v1",
            title_vi=title_vi,
            title_en=title_en,
            from_=instant(cast(int, info.from_us)),
            to=instant(cast(int, info.to_us)),
            seed=seed,
            made_by=made_by,
            events=cast(int, info.events),
        )
        with open_for_writing(part, packed) as file:
            file.write(_encoder.encode(header) + b"\n")
        with part.open("ab") as whole, body.open("rb") as rest:
            shutil.copyfileobj(rest, whole)  # gzip members and lines may both simply follow each other
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        body.unlink(missing_ok=True)
    return info


def open_for_writing(path: Path, packed: bool) -> BinaryIO:
    """A new file, gzip where ``packed``; the same content gives the same bytes."""
    return cast(BinaryIO, _Packed(path)) if packed else path.open("wb")


class _Packed(gzip.GzipFile):
    """A gzip file without a name and a time in it: the same content gives the same bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=9, fileobj=self._file, mtime=0)

    def close(self) -> None:
        super().close()
        self._file.close()


class Span:
    """From when to when entries reach, and how many they are."""

    def __init__(self) -> None:
        self.first_us = self.last_us = self.count = 0

    def include(self, entry: Entry) -> None:
        """Raises ValueError where the entry arrived before the one before it."""
        if not self.count:
            self.first_us = entry.logged_us
        elif entry.logged_us < self.last_us:
            raise ValueError(f"entry {self.count + 1} arrived before the one before it")
        self.last_us = entry.logged_us
        self.count += 1

    def info(self, said: RecordingInfo) -> RecordingInfo:
        """What a recording of these entries says of itself. Raises ValueError where there was none."""
        if not self.count:
            raise ValueError("a recording has at least one entry")
        return replace(said, from_us=self.first_us, to_us=self.last_us, events=self.count)


def _write_entries(file: BinaryIO, entries: Iterable[Entry], said: RecordingInfo) -> RecordingInfo:
    span = Span()
    for entry in entries:
        span.include(entry)
        file.write(encode_line(entry) + b"\n")
    return span.info(said)
