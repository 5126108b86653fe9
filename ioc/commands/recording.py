"""`ioc recording`: what is in a recording, and other recordings made of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ioc.commands.moments import MOMENT

if TYPE_CHECKING:
    from streams.replay.editing import Kind, Summary
    from streams.replay.recording import Entry, Recording, RecordingInfo

_SHOWN = 40
_IN = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)
_FORCE = click.option("--force", is_flag=True, help="Write anew what exists.")


@click.group()
def recording() -> None:
    """Look into recordings, and make others of them.

    Read is everything that `ioc replay` plays. The name of OUT says the form that is written: .mcap, .jsonl, .csv,
    the last two with .gz or without. A longer recording of these forms needs no more memory.

    \b
      ioc recording info morning.mcap
      ioc recording cut morning.mcap jam.mcap --from 2026-03-02T08:10+07:00 --device le-hong-phong
      ioc recording merge day.mcap live.p*.mcap
      ioc recording convert morning.mcap morning.csv
      ioc recording anonymise morning.mcap public.mcap --shift-weeks -12
    """


@recording.command()
@click.argument("file", type=_IN)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
def info(file: Path, as_json: bool, lang: str) -> None:
    """Say what is in FILE, and whether it is sound: every entry is read, every CRC is checked.

    "verbatim" are messages that are no events (broken, under a wrong key): kept as they were.
    """
    from streams.replay.editing import Summary
    from streams.replay.mcap_reader import check_summary, is_mcap, read_chunks
    from streams.replay.readers import open_recording

    found, summary, chunks = open_recording(file), Summary(), 0
    if is_mcap(file):
        check_summary(file)
        for chunk in read_chunks(file):
            chunks += 1
            _include(summary, chunk.entries)
    else:
        _include(summary, found)
    said = _described(file, found.info, summary, chunks or None)
    click.echo(json.dumps(said, ensure_ascii=False, indent=2) if as_json else _text(said, lang))


@recording.command()
@click.argument("file", type=_IN)
@click.argument("out", type=_OUT)
@click.option("--from", "from_us", type=MOMENT, help="Logged at this time or later.")
@click.option("--to", "to_us", type=MOMENT, help="Logged before this time.")
@click.option("--device", "devices", multiple=True, help="Only this camera or corridor; may be given several times.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["camera", "traffic", "tick", "verbatim"]),
    help="Only this; may be given several times.",
)
@_FORCE
def cut(
    file: Path,
    out: Path,
    from_us: int | None,
    to_us: int | None,
    devices: tuple[str, ...],
    kinds: tuple[Kind, ...],
    force: bool,
) -> None:
    """Write a part of FILE to OUT: a stretch of time, some devices, some kinds. Ticks belong to every device."""
    from streams.replay.editing import cut as cut_entries

    found = _opened(file, out, force)
    entries = cut_entries(found, from_us=from_us, to_us=to_us, devices=devices, kinds=kinds)
    _save(out, entries, replace(found.info, made_by=f"{found.info.made_by}; ioc recording cut"))


@recording.command()
@click.argument("out", type=_OUT)
@click.argument("files", type=_IN, nargs=-1, required=True)
@_FORCE
def merge(out: Path, files: tuple[Path, ...], force: bool) -> None:
    """Write all FILES to OUT, in the order in which things were logged; the title is that of the first.

    A tick that several have is there once. Anything else is never taken for a copy: do not merge a recording with
    itself.
    """
    from streams.replay.editing import merge as merge_entries

    found = [_opened(file, out, force) for file in files]
    _save(out, merge_entries(found), replace(found[0].info, made_by="ioc recording merge"))


@recording.command()
@click.argument("file", type=_IN)
@click.argument("out", type=_OUT)
@click.option("--lossy", is_flag=True, help="Leaving something out is no fault.")
@click.option("--salvage", is_flag=True, help="FILE is a cut or damaged .mcap: keep what is whole before the damage.")
@_FORCE
def convert(file: Path, out: Path, lossy: bool, salvage: bool, force: bool) -> None:
    """Write FILE to OUT in another form.

    .mcap and .jsonl hold everything. .csv has one row a zone, counting line, lane or tick; broken messages, and
    readings whose columns differ in length, cannot be rows: they are left out and counted, and the exit code is then
    1 unless --lossy is given. Titles are not in a .csv.
    """
    from streams.replay.csv_file import is_tabular
    from streams.replay.mcap_reader import read_chunks, read_head
    from streams.replay.recording import Recording
    from streams.replay.writers import is_csv

    if salvage:
        _check_out(file, out, force)
        head = read_head(file, salvage=True)
        found = Recording(head.info, lambda: (e for chunk in read_chunks(file, salvage=True) for e in chunk.entries))
    else:
        found = _opened(file, out, force)
    left_out = 0

    def tabular() -> Iterable[Entry]:
        nonlocal left_out
        for entry in found:
            if is_tabular(entry):
                yield entry
            else:
                left_out += 1

    _save(out, tabular() if is_csv(out) else found, found.info)
    if left_out:
        click.echo(
            f"{left_out} entries cannot be rows (broken messages, columns that differ in length) and were left out",
            err=True,
        )
        if not lossy:
            raise click.exceptions.Exit(1)


@recording.command()
@click.argument("file", type=_IN)
@click.argument("out", type=_OUT)
@click.option("--key-file", type=_IN, help="Take the key from here (32 random bytes or more) and keep it secret.")
@click.option("--shift-weeks", type=int, default=0, show_default=True, help="Move all times by so many whole weeks.")
@_FORCE
def anonymise(file: Path, out: Path, key_file: Path | None, shift_weeks: int, force: bool) -> None:
    """Write FILE to OUT with pseudonyms for cameras, corridors, zones, lines, stations and gateways.

    The key of the pseudonyms is random and kept nowhere, so nobody can find the names again; give --key-file where
    several recordings must have the same pseudonyms. Messages that are no events may hold anything and are left out.
    Title and origin are replaced.

    What stays: counts, speeds, intervals, weekday and hour. Who knows a place well may know it by them.
    """
    from streams.replay.anonymise import KEY_BYTES, Anonymiser
    from streams.replay.recording import RecordingInfo

    key = key_file.read_bytes() if key_file else secrets.token_bytes(KEY_BYTES)
    if len(key) < KEY_BYTES:
        raise click.BadParameter(f"a key has at least {KEY_BYTES} random bytes", param_hint="--key-file")
    found, made = _opened(file, out, force), Anonymiser(key, shift_weeks=shift_weeks)
    title = RecordingInfo("Bản ghi đã ẩn danh", "Anonymised recording", "ioc recording anonymise")
    _save(out, made.entries(found), title)
    click.echo(f"{made.left_out} messages that are no events were left out")


def _opened(file: Path, out: Path, force: bool) -> Recording:
    from streams.replay.readers import open_recording

    _check_out(file, out, force)
    return open_recording(file)


def _check_out(file: Path, out: Path, force: bool) -> None:
    from streams.replay.writers import check_name

    check_name(out)
    if out.exists() and (not force or out.samefile(file)):
        detail = "it is what is read" if out.samefile(file) else "it exists already; --force writes it anew"
        raise click.BadParameter(f"{out}: {detail}", param_hint="OUT")


def _save(out: Path, entries: Iterable[Entry], said: RecordingInfo) -> None:
    from streams.replay.writers import save_recording

    rest = iter(entries)
    first = next(rest, None)
    if first is None:
        raise click.ClickException(f"{out}: nothing would be in it")
    written = save_recording(out, chain([first], rest), said)
    click.echo(f"{out}: {written.events} entries, {out.stat().st_size} bytes")


def _include(summary: Summary, entries: Iterable[Entry]) -> None:
    for entry in entries:
        summary.include(entry)


def _described(file: Path, said: RecordingInfo, summary: Summary, chunks: int | None) -> dict[str, object]:
    from streams.schema.instants import instant

    def time(us: int | None) -> str | None:
        return None if us is None else instant(us).isoformat().replace("+00:00", "Z")

    return {
        "file": str(file),
        "title_vi": said.title_vi,
        "title_en": said.title_en,
        "made_by": said.made_by,
        "seed": said.seed,
        "from": time(summary.from_us),
        "to": time(summary.to_us),
        "seconds": ((summary.to_us or 0) - (summary.from_us or 0)) / 1e6,
        "entries": summary.entries,
        "kinds": dict(sorted(summary.kinds.items())),
        "topics": dict(sorted(summary.topics.items())),
        "devices": dict(summary.devices.most_common()),
        "message_bytes": summary.bytes,
        "file_bytes": file.stat().st_size,
        "chunks": chunks,
    }


_LABELS = {
    "made_by": ("tạo bởi", "made by"),
    "seed": ("hạt giống", "seed"),
    "from": ("từ", "from"),
    "to": ("đến", "to"),
    "seconds": ("số giây", "seconds"),
    "entries": ("số mục", "entries"),
    "kinds": ("loại", "kinds"),
    "topics": ("chủ đề", "topics"),
    "devices": ("thiết bị", "devices"),
    "message_bytes": ("byte thông điệp", "message bytes"),
    "file_bytes": ("byte tệp", "file bytes"),
    "chunks": ("khối, CRC đều đúng", "chunks, all CRCs fit"),
}


def _text(said: dict[str, object], lang: str) -> str:
    lines = [str(said["title_vi" if lang == "vi" else "title_en"])]
    for name, labels in _LABELS.items():
        value = said[name]
        if isinstance(value, dict):
            shown = [f"{_printable(each)} {count}" for each, count in list(value.items())[:_SHOWN]]
            value = ", ".join(shown) + (f" … ({len(value)})" if len(value) > _SHOWN else "")
        if value is not None:
            lines.append(f"  {labels[lang == 'en']:<20} {value}")
    return "\n".join(lines)


def _printable(name: str) -> str:
    """A key that is broken on purpose may hold anything."""
    return name if name.isprintable() and name else ascii(name)
