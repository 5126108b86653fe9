"""From a posted body to events: the shape a gateway writes, and whether it fits this site. Pure: no I/O, no clock.

Decides what is well-formed, that places exist, that columns are equally long and that no lane stands twice. Refuses
to judge values: an implausible count is one detector's fault, and streams.core.quality sets that row aside without
losing the others. A clock that is wrong spoils a whole reading, so that is told to the gateway at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streams.ingest.problem import Refused
from streams.schema import codec
from streams.schema.events import Column, Id, Instant, Int32, IntColumn, IntervalS, Name, TrafficReading, VehicleClass
from streams.schema.site import Site

MAX_ROWS = 20_000
MAX_READINGS = 1_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Before this a gateway's clock was never set."""


_PATH = re.compile(r" - at `([^`]+)`$")
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `([^`]{1,64})`")


class ClassCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Vehicles counted by class; each column is as long as ``station``, or left out."""

    moto: IntColumn = []
    light: IntColumn = []
    heavy: IntColumn = []


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """One corridor and one measuring interval; its stations and lanes as columns of equal length.

    Row i of every column is one lane of one station. ``observed_at`` is the END of the interval, with its time zone
    (RFC 3339). ``speed_kmh`` is the time-mean speed of the counted vehicles. Write null for what was not measured;
    leave out a column that is never measured.
    """

    corridor: Id
    observed_at: Instant
    interval_s: IntervalS
    station: Annotated[list[Name], Meta(min_length=1, max_length=MAX_ROWS)]
    lane: Annotated[list[Int32], Meta(max_length=MAX_ROWS)]
    """Numbered from 1, the rightmost."""
    count: IntColumn
    occupancy_pct: Column = []
    speed_kmh: Column = []
    flow_veh_h: Column = []
    class_counts: ClassCounts = ClassCounts()


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Readings sent together; either all are accepted or none."""

    readings: Annotated[list[Reading], Meta(min_length=1, max_length=MAX_READINGS)]


class _Shape(Struct):
    readings: msgspec.Raw | UnsetType = UNSET


_shape = msgspec.json.Decoder(_Shape)
_batch = msgspec.json.Decoder(Batch)
_single = msgspec.json.Decoder(Reading)


@dataclass(frozen=True)
class Places:
    """What exists on this site: lanes by station by corridor; and how far ahead a clock may run."""

    lanes: Mapping[str, Mapping[str, int]]
    future_s: float

    @classmethod
    def of(cls, site: Site) -> Places:
        lanes = {
            corridor.id: {station.id: station.lanes for station in corridor.stations} for corridor in site.corridors
        }
        return cls(lanes, site.streams.traffic.future_s)


def decode(body: bytes) -> list[tuple[str, Reading]]:
    """The readings of a body with the path to each: a batch, or one reading by itself. Raises Refused."""
    try:
        if _shape.decode(body).readings is UNSET:
            return [("$", _single.decode(body))]
        return [(f"$.readings[{i}]", reading) for i, reading in enumerate(_batch.decode(body).readings)]
    except msgspec.ValidationError as fault:
        text = str(fault)
        found, field = _PATH.search(text), _FIELD.match(text)
        path = (found.group(1) if found else "$") + (f".{field.group(1)}" if field else "")
        raise Refused("wrong-shape", _PATH.sub("", text), path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Refused("not-json", str(fault)) from None


def events(
    readings: Sequence[tuple[str, Reading]], places: Places, *, gateway: str, received_at: datetime
) -> list[TrafficReading]:
    """The readings as events, each checked against the site. Raises Refused with the path of the first fault."""
    return [_event(path, reading, places, gateway, received_at) for path, reading in readings]


def payloads(found: Sequence[TrafficReading]) -> list[tuple[bytes, bytes]]:
    """(key, value) of each event for Kafka. Raises Refused where one is larger than the platform takes."""
    encoded = [(event.corridor.encode(), codec.encode(event)) for event in found]
    for i, (_, value) in enumerate(encoded):
        if len(value) > codec.MAX_EVENT_BYTES:
            raise Refused(
                "too-large", f"reading {i} takes {len(value)} bytes; at most {codec.MAX_EVENT_BYTES} are allowed"
            )
    return encoded


def _event(path: str, reading: Reading, places: Places, gateway: str, received_at: datetime) -> TrafficReading:
    observed_at = _instant(f"{path}.observed_at", reading.observed_at, received_at, places.future_s)
    stations = places.lanes.get(reading.corridor)
    if stations is None:
        raise Refused("unknown-place", f"no corridor {reading.corridor!r} on this site", f"{path}.corridor")
    class_counts: dict[VehicleClass, list[int | None]] = {
        "moto": reading.class_counts.moto,
        "light": reading.class_counts.light,
        "heavy": reading.class_counts.heavy,
    }
    _check_lengths(path, reading, class_counts)
    _check_rows(path, reading, stations)
    return TrafficReading(
        corridor=reading.corridor,
        observed_at=observed_at,
        received_at=received_at,
        interval_s=reading.interval_s,
        station=reading.station,
        lane=reading.lane,
        count=reading.count,
        occupancy_pct=reading.occupancy_pct,
        speed_kmh=reading.speed_kmh,
        flow_veh_h=reading.flow_veh_h,
        class_counts={name: column for name, column in class_counts.items() if column},
        gateway=gateway,
    )


def _instant(path: str, observed_at: datetime, received_at: datetime, future_s: float) -> datetime:
    if observed_at < EARLIEST:
        raise Refused("implausible-time", f"{observed_at.isoformat()} is before {EARLIEST.year}", path)
    if observed_at - received_at > timedelta(seconds=future_s):
        ahead_s = (observed_at - received_at).total_seconds()
        raise Refused(
            "implausible-time",
            f"{observed_at.isoformat()} is {ahead_s:.0f} s after it was received; at most {future_s:g} s are allowed",
            path,
        )
    return observed_at.astimezone(UTC)


def _check_lengths(path: str, reading: Reading, class_counts: Mapping[VehicleClass, Sequence[int | None]]) -> None:
    rows = len(reading.station)
    required: dict[str, Sequence[float | None]] = {"lane": reading.lane, "count": reading.count}
    optional: dict[str, Sequence[float | None]] = {
        "occupancy_pct": reading.occupancy_pct,
        "speed_kmh": reading.speed_kmh,
        "flow_veh_h": reading.flow_veh_h,
        **{f"class_counts.{name}": column for name, column in class_counts.items()},
    }
    given = {**required, **{name: column for name, column in optional.items() if column}}
    for name, column in given.items():
        if len(column) != rows:
            detail = f"{len(column)} values, but station has {rows}"
            raise Refused("columns-differ", detail, f"{path}.{name}")


def _check_rows(path: str, reading: Reading, stations: Mapping[str, int]) -> None:
    first: dict[tuple[str, int], int] = {}
    for i, row in enumerate(zip(reading.station, reading.lane, strict=True)):
        station, lane = row
        lanes = stations.get(station)
        if lanes is None:
            detail = f"corridor {reading.corridor!r} has no station {station!r}"
            raise Refused("unknown-place", detail, f"{path}.station[{i}]")
        if not 1 <= lane <= lanes:
            detail = f"station {station!r} has lanes 1 to {lanes}, not {lane}"
            raise Refused("unknown-place", detail, f"{path}.lane[{i}]")
        if first.setdefault(row, i) != i:
            detail = f"station {station!r} lane {lane} stands in row {first[row]} already"
            raise Refused("repeated-row", detail, f"{path}.station[{i}]")
