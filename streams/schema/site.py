"""What exists: offices, cameras, zones, corridors, stations, duty roster, channels; from one TOML file.

Decides what a site file may say (shape here, cross-references in ``site_check``); knows no clock and no server.
Every text that a person sees has ``_vi`` and ``_en``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Id, Priority

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Point = tuple[Annotated[float, Meta(ge=0, le=1)], Annotated[float, Meta(ge=0, le=1)]]
Polygon = Annotated[list[Point], Meta(min_length=3, max_length=64)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
PositiveS = Annotated[float, Meta(gt=0, le=86_400)]
Hours = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
LevelTable = Literal["hcm-queue", "fruin-queue", "fruin-walkway"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Named(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    id: Id
    name_vi: Text
    name_en: Text


class StreamPolicy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a stream waits for what is late. All in seconds of event time."""

    lateness_s: PositiveS
    """A window stays open so long after its end; what comes within it is on time."""
    grace_s: PositiveS
    """So long after closing, a late event still corrects the row; later it is kept aside."""
    silent_after_s: PositiveS
    """No event from a source for so long is a fault of that source."""
    future_s: PositiveS = 60.0
    """An event may be observed at most so long after it was received, or after the latest tick."""


class Streams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    camera: StreamPolicy
    traffic: StreamPolicy


class Zone(Named, frozen=True, kw_only=True):
    role: Literal["waiting", "counter", "staff", "entrance"]
    polygon_norm: Polygon
    """Corners as shares of picture width and height, origin top left."""
    area_m2: Annotated[float, Meta(gt=0, le=10_000)]
    capacity: Annotated[int, Meta(ge=1, le=10_000)]
    level_of_service: LevelTable = "hcm-queue"


class CountingLine(Named, frozen=True, kw_only=True):
    start_norm: Point
    end_norm: Point
    """Entering is crossing from the left to the right of the arrow start -> end."""


class Camera(Named, frozen=True, kw_only=True):
    zones: Annotated[list[Zone], Meta(min_length=1, max_length=64)]
    lines: Annotated[list[CountingLine], Meta(max_length=64)] = []


class Overcrowding(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Alarm when a waiting zone is at or below a grade for a time."""

    grade: Literal["D", "E", "F"] = "E"
    on_delay_s: PositiveS = 120.0
    off_delay_s: PositiveS = 120.0
    priority: Priority = "low"


class Office(Named, frozen=True, kw_only=True):
    kind: Literal["district", "department"]
    latitude: Latitude
    longitude: Longitude
    opening: dict[Weekday, list[Hours]]
    cameras: Annotated[list[Camera], Meta(min_length=1, max_length=64)]
    overcrowding: Overcrowding = Overcrowding()


class Station(Named, frozen=True, kw_only=True):
    position_km: Annotated[float, Meta(ge=0, le=10_000)]
    """Distance along the corridor, growing in the direction of travel."""
    latitude: Latitude
    longitude: Longitude
    lanes: Annotated[int, Meta(ge=1, le=20)]
    """Lanes are numbered from 1, the rightmost."""
    effective_length_m: Annotated[float, Meta(gt=0, le=30)] = 6.5
    """Mean vehicle length plus detector length: density from occupancy is 10 * occupancy_pct / effective_length_m."""


class Congestion(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Alarm when the space-mean speed of a station stays under a speed for a time."""

    below_kmh: Annotated[float, Meta(gt=0, le=200)]
    on_delay_s: PositiveS = 300.0
    off_delay_s: PositiveS = 300.0
    priority: Priority = "low"


class Corridor(Named, frozen=True, kw_only=True):
    interval_s: Annotated[float, Meta(gt=0, le=900)]
    """The measuring interval of its detectors."""
    stations: Annotated[list[Station], Meta(min_length=1, max_length=1000)]
    congestion: Congestion | None = None


class Channel(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Id
    kind: Literal["email", "sms", "zalo", "telegram", "webhook", "desk"]
    target: Text
    """Address or name of the target. A secret is named, never written: ``secret:NAME``."""


class Person(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Id
    name: Text
    channels: Annotated[list[str], Meta(min_length=1, max_length=8)]


class Shift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is on duty, first to last resort, on these weekdays between these hours (local time)."""

    id: Id
    days: Annotated[list[Weekday], Meta(min_length=1, max_length=7)]
    hours: Hours
    people: Annotated[list[str], Meta(min_length=1, max_length=16)]


class Duty(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    channels: list[Channel]
    people: list[Person]
    shifts: list[Shift]


class Site(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name_vi: Text
    name_en: Text
    time_zone: Text
    streams: Streams
    offices: list[Office]
    corridors: list[Corridor]
    duty: Duty

    @property
    def cameras(self) -> dict[str, tuple[Office, Camera]]:
        """Camera by id, with its office."""
        return {camera.id: (office, camera) for office in self.offices for camera in office.cameras}

    @property
    def corridors_by_id(self) -> dict[str, Corridor]:
        return {corridor.id: corridor for corridor in self.corridors}


def load_site(path: Path) -> Site:
    """The site file, shape and cross-references checked. Raises ConfigurationInvalid with the path to the fault."""
    from streams.schema.site_check import check_site

    try:
        site = msgspec.toml.decode(path.read_bytes(), type=Site)
    except OSError as fault:
        raise ConfigurationInvalid(str(path), f"cannot read it: {fault.strerror}") from None
    except msgspec.ValidationError as fault:
        text, _, place = str(fault).partition(" - at `")
        raise ConfigurationInvalid(f"{path}{place.rstrip('`').replace('$', '', 1)}", text) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise ConfigurationInvalid(str(path), f"not a TOML file: {fault}") from None
    check_site(site, str(path))
    return site
