"""A recording as CSV, one row a zone, counting line, lane or tick; for spreadsheets and statistics.

Decides the columns; what is written is read again as the same events. An empty cell: the event has no such column;
``null``: it has the column, without a value there. ``entry`` numbers the entries: rows with the same number are one.
Titles are not kept, nor how many entries there are: a file cut behind a row is taken for whole. A message that is no
event, and a reading whose columns differ in length, have no rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec

from streams.replay.recording import (
    Entry,
    Record,
    Recording,
    RecordingInfo,
    Span,
    Verbatim,
    open_bytes,
    open_for_writing,
)
from streams.schema.codec import decode_input, encode
from streams.schema.errors import ConfigurationInvalid, RejectedEvent
from streams.schema.events import CameraObservation, InputEvent, Instant, Tick, TrafficReading
from streams.schema.instants import instant, microseconds
from streams.schema.json_schema import kind_name

_CLASSES = ("moto", "light", "heavy")
_LANES = ("count", "occupancy_pct", "speed_kmh", "flow_veh_h")
COLUMNS = (
    "entry", "logged_at", "kind", "device", "observed_at", "received_at", "interval_s", "health", "gateway",
    "part", "place", "people", "entered", "left", "lane", *_LANES, *_CLASSES,
)  # fmt: skip
FIRST_LINE = ",".join(COLUMNS).encode()
_NULL = "null"
Row = dict[str, str]


def is_tabular(entry: Entry) -> bool:
    """Whether it can be rows: an event whose columns, where it has them, are of equal length."""
    if isinstance(entry, Verbatim):
        return False
    event = entry.event
    if not isinstance(event, TrafficReading):
        return True
    rows = len(event.station)
    lengths = {len(event.lane), len(event.count), *map(len, event.class_counts.values())}
    optional = {len(event.occupancy_pct), len(event.speed_kmh), len(event.flow_veh_h)}
    return lengths == {rows} and optional <= {0, rows}


def write_csv(path: Path, entries: Iterable[Entry], info: RecordingInfo) -> RecordingInfo:
    """Writes entries, all tabular and sorted by arrival, gzip where the name ends with ``.gz``; whole or not at all.

    Raises ValueError where they are not sorted, none, or one is not tabular.
    """
    part, span = path.with_name(path.name + ".part"), Span()
    try:
        with (
            open_for_writing(part, path.name.endswith(".gz")) as file,
            io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
        ):
            writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
            writer.writeheader()
            for entry in entries:
                span.include(entry)
                if not isinstance(entry, Record) or not is_tabular(entry):
                    raise ValueError(f"entry {span.count} cannot be rows")
                same = {"entry": str(span.count), "logged_at": _time(instant(entry.logged_us))}
                for row in _rows(entry.event):
                    writer.writerow(same | row)
        written = span.info(info)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return written


def read_csv(path: Path) -> Recording:
    """The recording in a CSV file of this form; entries are read as they are asked for, in bounded memory.

    Raises ConfigurationInvalid with the line when it is reached.
    """
    title = path.name
    return Recording(RecordingInfo(title, title, "csv"), lambda: _entries(path))


def _rows(event: InputEvent) -> Iterator[Row]:
    kind = {"kind": kind_name(type(event))}
    if isinstance(event, Tick):
        yield kind | {"observed_at": _time(event.ticked_at), "part": "tick"}
        return
    when = {
        "observed_at": _time(event.observed_at),
        "received_at": _time(event.received_at),
    }
    if isinstance(event, CameraObservation):
        same = (
            kind | when | {"device": event.camera, "interval_s": repr(event.frame_interval_s), "health": event.health}
        )
        for zone in event.zones:
            yield same | {"part": "zone", "place": zone.zone, "people": str(zone.people)}
        for line in event.crossings:
            yield same | {"part": "line", "place": line.line, "entered": str(line.entered), "left": str(line.left)}
        if not event.zones and not event.crossings:
            yield same | {"part": "nothing"}
        return
    same = kind | when | {"device": event.corridor, "interval_s": repr(event.interval_s), "gateway": event.gateway}
    columns: dict[str, list[Any]] = {name: getattr(event, name) for name in _LANES} | {**event.class_counts}
    present = [(name, column) for name, column in columns.items() if column]
    for number, (station, lane) in enumerate(zip(event.station, event.lane, strict=True)):
        cells = {name: _NULL if column[number] is None else repr(column[number]) for name, column in present}
        yield same | {"part": "lane", "place": station, "lane": str(lane)} | cells


def _entries(path: Path) -> Iterator[Entry]:
    previous = 0
    for _, group in groupby(_lines(path), key=lambda line: line[1]["entry"]):
        lines = list(group)
        number, first = lines[0]
        place = f"{path} line {number}"
        try:
            entry = _entry([row for _, row in lines], first)
        except RejectedEvent as fault:
            raise ConfigurationInvalid(f"{place} {fault.path}", fault.detail) from None
        except (ValueError, KeyError, msgspec.MsgspecError) as fault:
            raise ConfigurationInvalid(place, f"not rows of this form: {fault}") from None
        if entry.logged_us < previous:
            raise ConfigurationInvalid(place, "logged_at is earlier than in the entry before it")
        previous = entry.logged_us
        yield entry


def _lines(path: Path) -> Iterator[tuple[int, Row]]:
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(cast(TextIO, text), strict=True)
        try:
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigurationInvalid(f"{path} line 1", f"expected the columns {FIRST_LINE.decode()}")
            for row in reader:
                if None in row or None in row.values():
                    raise ConfigurationInvalid(f"{path} line {reader.line_num}", f"expected {len(COLUMNS)} cells")
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError, EOFError, OSError) as fault:
            raise ConfigurationInvalid(f"{path} line {reader.line_num + 1}", f"cut or damaged: {fault}") from None


def _entry(rows: list[Row], first: Row) -> Record:
    for name in ("logged_at", "kind", "device", "observed_at", "received_at", "interval_s", "health", "gateway"):
        if any(row[name] != first[name] for row in rows):
            raise ValueError(f"the rows of entry {first['entry']} differ in {name}")
    if first["kind"] == kind_name(Tick):
        (tick,) = rows
        said: dict[str, Any] = {"ticked_at": tick["observed_at"]}
    elif first["kind"] == kind_name(CameraObservation):
        said = _camera(rows, first)
    else:
        said = _traffic(rows, first)
    event = decode_input(msgspec.json.encode({"kind": first["kind"]} | said))
    return Record(microseconds(msgspec.convert(first["logged_at"], Instant)), event, encode(event))


def _camera(rows: list[Row], first: Row) -> dict[str, Any]:
    return {
        "camera": first["device"],
        "observed_at": first["observed_at"],
        "received_at": first["received_at"],
        "frame_interval_s": float(first["interval_s"]),
        "zones": [{"zone": row["place"], "people": int(row["people"])} for row in rows if row["part"] == "zone"],
        "crossings": [
            {"line": row["place"], "entered": int(row["entered"]), "left": int(row["left"])}
            for row in rows
            if row["part"] == "line"
        ],
        "health": first["health"],
    }


def _traffic(rows: list[Row], first: Row) -> dict[str, Any]:
    parse: dict[str, Callable[[str], float]] = dict.fromkeys(_LANES, float) | dict.fromkeys(("count", *_CLASSES), int)
    columns: dict[str, list[float | None]] = {}
    for name, number in parse.items():
        cells = [row[name] for row in rows]
        if any(cells):
            columns[name] = [None if cell == _NULL else number(cell) for cell in cells]
    return {
        "corridor": first["device"],
        "observed_at": first["observed_at"],
        "received_at": first["received_at"],
        "interval_s": float(first["interval_s"]),
        "station": [row["place"] for row in rows],
        "lane": [int(row["lane"]) for row in rows],
        "count": columns.pop("count", []),
        "class_counts": {name: columns.pop(name) for name in _CLASSES if name in columns},
        "gateway": first["gateway"],
        **columns,
    }


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
