"""The files of one recorder: written as ``.part``, split where asked for, taken up again after a crash.

Decides names, when a part is full and what is kept of an unfinished file. Knows no Kafka, only offsets.

- ``OUT.mcap`` is written as ``OUT.mcap.part`` and gets its name when it is complete. Split, the files are
  ``OUT.p0001.mcap`` and on, each a recording of its own.
- After a crash, what an unfinished file holds up to the last chunk with its position is written again, and the
  recording goes on from that position: nothing is lost, nothing is there twice, and the bytes are those of a
  recording that was never interrupted.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from streams.replay.mcap_file import CHUNK_BYTES, McapWriter
from streams.replay.mcap_reader import Contents, read_chunks, read_head
from streams.replay.recording import Entry, InputTopic, RecordingInfo
from streams.schema.errors import ConfigurationInvalid, RetryLater

_PART = ".part"


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is recorded. Offsets by partition (``observations.camera/0``); ``end`` None: until it is stopped."""

    namespace: str
    topics: tuple[InputTopic, ...]
    devices: tuple[str, ...] = ()
    start: dict[str, int]
    end: dict[str, int] | None = None
    chunk_bytes: int = CHUNK_BYTES
    split_bytes: int | None = None
    split_us: int | None = None

    @property
    def is_split(self) -> bool:
        return self.split_bytes is not None or self.split_us is not None


class RecordingFiles:
    """Takes entries and their positions; ``finish`` completes the files, ``close`` leaves what can be resumed."""

    def __init__(self, out: Path, info: RecordingInfo, plan: Plan) -> None:
        self.plan, self.position = plan, dict(plan.start)
        self.paths: list[Path] = []
        """Files completed by this run."""
        self._out, self._info = out, info
        self._number, self._finished_bytes = 1, 0
        self._writer: McapWriter | None = None

    @property
    def bytes_written(self) -> int:
        return self._finished_bytes + (self._writer.bytes_written if self._writer else 0)

    def add(self, entry: Entry, position: Mapping[str, int]) -> None:
        """The next entry, and the next offset of each partition after it. Raises RetryLater: no room."""
        with _disk_faults(self._out):
            writer = self._writer
            if writer is not None and self._is_over(writer, entry):
                self._complete()
                writer = None
            if writer is None:
                writer = self._begin(self._place(_PART))
            chunk_done = writer.add(entry, position)
            self.position = dict(position)
            if chunk_done:
                self._complete_if_full(writer)

    def finish(self) -> list[Path]:
        """Completes the last file; the files of this run, none where nothing was recorded."""
        with _disk_faults(self._out):
            if self._writer is not None and self._writer.span.count:
                self._complete()
            elif self._writer is not None:
                self._writer.close()
                self._place(_PART).unlink()
        return self.paths

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def go_on_from(self, chunks: Iterator[Contents], number: int) -> Iterator[Entry]:
        """Writes what an unfinished file holds again, then takes its place; gives the entries as they pass."""
        self._number = number
        with _disk_faults(self._out):
            again = self._place(_PART + ".again")
            writer = self._begin(again)
            for chunk in chunks:
                if chunk.position is None:
                    break
                for entry in chunk.entries:
                    writer.add(entry, chunk.position)
                    yield entry
                self.position = dict(chunk.position)
            again.replace(self._place(_PART))
            self._complete_if_full(writer)

    def go_on_after(self, chunks: Iterator[Contents], number: int) -> Iterator[Entry]:
        """Reads a finished part, to begin the next one; gives its entries."""
        self._number = number + 1
        for chunk in chunks:
            yield from chunk.entries
            self.position = dict(chunk.position or self.position)

    def _begin(self, path: Path) -> McapWriter:
        source = {"plan": msgspec.json.encode(self.plan).decode(), "part": str(self._number)}
        self._writer = McapWriter(
            path, self._info, source=source, position=self.position, chunk_bytes=self.plan.chunk_bytes
        )
        return self._writer

    def _is_over(self, writer: McapWriter, entry: Entry) -> bool:
        """Whether this entry is the first of the next part, by time."""
        split_us, span = self.plan.split_us, writer.span
        return split_us is not None and span.count > 0 and entry.logged_us - span.first_us >= split_us

    def _complete_if_full(self, writer: McapWriter) -> None:
        if self.plan.split_bytes and writer.bytes_written >= self.plan.split_bytes:
            self._complete()

    def _complete(self) -> None:
        assert self._writer is not None
        self._writer.finish(self.position)
        self._writer = None
        path = self._place()
        self._place(_PART).replace(path)
        self._finished_bytes += path.stat().st_size
        self.paths.append(path)
        self._number += 1

    def _place(self, ending: str = "") -> Path:
        name = numbered(self._out, self._number).name if self.plan.is_split else self._out.name
        return self._out.with_name(name + ending)


def numbered(out: Path, number: int) -> Path:
    """``OUT.p0001.mcap``"""
    return out.with_name(f"{out.stem}.p{number:04d}{out.suffix}")


def refuse_existing(out: Path, *, force: bool) -> None:
    """Raises ConfigurationInvalid where files of this name exist; with ``force`` they are removed."""
    found = existing(out)
    if found and not force:
        detail = "it exists already; --force writes it anew, --resume goes on where an unfinished one ended"
        raise ConfigurationInvalid(str(found[0]), detail)
    for path in found:
        path.unlink()


def existing(out: Path) -> list[Path]:
    """Files of a recording of this name, whole or unfinished, in their order."""
    pattern = re.compile(rf"{re.escape(out.stem)}(\.p\d{{4,}})?{re.escape(out.suffix)}({re.escape(_PART)}(\.again)?)?")
    folder = out.parent
    if not folder.is_dir():
        raise ConfigurationInvalid(str(folder), "there is no such folder")
    found = (path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_file())
    return sorted(found, key=lambda path: (len(path.name), path.name))


def resume_files(out: Path) -> tuple[RecordingFiles, Iterator[Entry]]:
    """The unfinished recording, and the entries that it holds; read them all before anything is added.

    Raises ConfigurationInvalid where there is nothing to go on with.
    """
    found = [path for path in existing(out) if not path.name.endswith(".again")]
    parts = [path for path in found if path.name.endswith(_PART)]
    if not parts and (not found or found[-1] == out):
        detail = "it is complete" if found else f"there is no {out.name}{_PART}; begin without --resume"
        raise ConfigurationInvalid(str(out), f"nothing to resume: {detail}")
    latest = parts[-1] if parts else found[-1]
    head = read_head(latest, salvage=True)
    if head.source is None or head.position is None:
        raise ConfigurationInvalid(str(latest), "it was not written by `ioc record`")
    try:
        plan, number = msgspec.json.decode(head.source["plan"], type=Plan), int(head.source["part"])
    except (KeyError, ValueError, msgspec.DecodeError) as fault:
        raise ConfigurationInvalid(f"{latest} metadata ioc-source", str(fault)) from None
    files = RecordingFiles(out, head.info, plan)
    files.position = dict(head.position)
    if not parts:
        return files, files.go_on_after(read_chunks(latest), number)
    before = numbered(out, number - 1)
    return files, _entries(files, before if before in found else None, latest, number)


def _entries(files: RecordingFiles, before: Path | None, latest: Path, number: int) -> Iterator[Entry]:
    if before is not None:
        for chunk in read_chunks(before):
            yield from chunk.entries
    yield from files.go_on_from(read_chunks(latest, salvage=True), number)


@contextmanager
def _disk_faults(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ConfigurationInvalid(str(out), f"cannot write it: {fault.strerror}") from None
        raise RetryLater(f"cannot write {out}: {fault.strerror}; make room and go on with --resume") from None
