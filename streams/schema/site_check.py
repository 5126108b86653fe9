"""Whether the parts of a site file fit together: names, references, shapes in the picture, road distances.

Decides what a site file must not contradict; gathers every fault, because a person edits the file. Refuses
to know whether the places are true (only that they are possible beside each other); touches no clock and no
server. What is allowed but probably not meant (an hour with nobody on duty) is a note: ``site_notes``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Camera, Channel, Corridor, Duty, Office, Site, Weekday, Zone

MAX_LISTED = 20
MAX_SHORTCUT = 1.30
"""Great-circle distance over distance along the road: at most 1 in truth; the rest allows for rounding."""
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60

Corner = tuple[float, float]
EARTH_RADIUS_KM = 6371.0088
MIN_AREA_NORM = 1e-6
"""Under a millionth of the picture a polygon is a slip of the pen."""

Fault = tuple[str, str]
"""Path below the file (``.offices[3].cameras[0].id``) and what would be right."""


def check_site(site: Site, path: str) -> None:
    """Raises ConfigurationInvalid with the path to the first fault; the detail lists the others."""
    faults = list(site_faults(site))
    if not faults:
        return
    (place, detail), *others = faults
    if others:
        listed = "".join(f"\n  {path}{place}: {detail}" for place, detail in others[: MAX_LISTED - 1])
        unlisted = len(others) - (MAX_LISTED - 1)
        ending = f"\n  and {unlisted} more" if unlisted > 0 else ""
        detail = f"{detail}\n{len(others)} more fault{'s' * (len(others) > 1)}:{listed}{ending}"
    raise ConfigurationInvalid(f"{path}{place}", detail)


def site_faults(site: Site) -> Iterator[Fault]:
    """Every contradiction in the file, in the order of the file."""
    try:
        ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield (
            ".time_zone",
            f"no time zone is called {site.time_zone!r}; write an IANA name, such as Asia/Ho_Chi_Minh",
        )
    yield from _policy_faults(site)
    yield from _repeated("office", ((f".offices[{i}].id", office.id) for i, office in enumerate(site.offices)))
    yield from _repeated("camera or corridor", _sources(site))
    yield from _repeated(
        "station",
        (
            (f".corridors[{i}].stations[{j}].id", station.id)
            for i, corridor in enumerate(site.corridors)
            for j, station in enumerate(corridor.stations)
        ),
    )
    for i, office in enumerate(site.offices):
        yield from _office_faults(office, f".offices[{i}]")
    for i, corridor in enumerate(site.corridors):
        yield from _corridor_faults(corridor, f".corridors[{i}]")
    yield from _duty_faults(site.duty)


def site_notes(site: Site) -> list[Fault]:
    """What is allowed but probably not meant, as (path, remark)."""
    notes: list[Fault] = []
    gap = first_duty_gap(site.duty)
    if gap:
        notes.append((".duty.shifts", f"nobody is on duty from {gap}; alarms wait for the next shift"))
    on_duty = {person for shift in site.duty.shifts for person in shift.people}
    for i, person in enumerate(site.duty.people):
        if person.id not in on_duty:
            notes.append((f".duty.people[{i}]", f"{person.id!r} stands in no shift"))
    for i, office in enumerate(site.offices):
        for j, camera in enumerate(office.cameras):
            for k, zone in enumerate(camera.zones):
                if zone.capacity > 5 * zone.area_m2:
                    place = f".offices[{i}].cameras[{j}].zones[{k}].capacity"
                    notes.append((place, f"{zone.capacity} people on {zone.area_m2:g} m2 are too dense"))
    return notes


def first_duty_gap(duty: Duty) -> str | None:
    """The first stretch of the week that no shift covers, as ``sun 22:00``; None if there is none."""
    covered = bytearray(7 * DAY_MIN)
    for shift in duty.shifts:
        start_min, end_min = hours_min(shift.hours)
        for day in shift.days:
            first = WEEKDAYS.index(day) * DAY_MIN + start_min
            covered[first : first + max(0, end_min - start_min)] = b"\1" * max(0, end_min - start_min)
    gap = covered.find(0)
    if gap < 0:
        return None
    return f"{WEEKDAYS[gap // DAY_MIN]} {gap % DAY_MIN // 60:02d}:{gap % 60:02d}"


def hours_min(hours: str) -> tuple[int, int]:
    """``07:30-11:30`` as minutes after local midnight (450, 690)."""
    start, end = hours.split("-")
    return int(start[:2]) * 60 + int(start[3:]), int(end[:2]) * 60 + int(end[3:])


def _sources(site: Site) -> Iterator[Fault]:
    """Ids that key streams and alarms: cameras and corridors share one namespace."""
    for i, office in enumerate(site.offices):
        for j, camera in enumerate(office.cameras):
            yield f".offices[{i}].cameras[{j}].id", camera.id
    for i, corridor in enumerate(site.corridors):
        yield f".corridors[{i}].id", corridor.id


def _repeated(what: str, ids: Iterable[Fault]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for place, name in ids:
        if name in first:
            yield place, f"{what} id {name!r} is already used at {first[name][1:]}; give each its own id"
        else:
            first[name] = place


def _policy_faults(site: Site) -> Iterator[Fault]:
    policies = {"camera": site.streams.camera, "traffic": site.streams.traffic}
    for name, policy in policies.items():
        place = f".streams.{name}"
        if policy.grace_s <= policy.lateness_s:
            yield (
                f"{place}.grace_s",
                f"{policy.grace_s:g} s must be longer than lateness_s ({policy.lateness_s:g} s): "
                "a correction comes only after the window has closed",
            )
        if policy.silent_after_s <= policy.lateness_s:
            yield (
                f"{place}.silent_after_s",
                f"{policy.silent_after_s:g} s must be longer than lateness_s ({policy.lateness_s:g} s): "
                "what is merely late is not silent",
            )
    for i, corridor in enumerate(site.corridors):
        if corridor.interval_s >= site.streams.traffic.silent_after_s:
            yield (
                f".corridors[{i}].interval_s",
                f"corridor {corridor.id!r} measures every {corridor.interval_s:g} s; that must be shorter "
                f"than streams.traffic.silent_after_s ({site.streams.traffic.silent_after_s:g} s), or it "
                "always counts as silent",
            )


def _office_faults(office: Office, place: str) -> Iterator[Fault]:
    for day, spans in office.opening.items():
        yield from _opening_faults(spans, f"{place}.opening.{day}", office.id)
    for j, camera in enumerate(office.cameras):
        yield from _camera_faults(camera, f"{place}.cameras[{j}]")


def _opening_faults(spans: list[str], place: str, office: str) -> Iterator[Fault]:
    for k, span in enumerate(spans):
        start_min, end_min = hours_min(span)
        if start_min >= end_min:
            yield f"{place}[{k}]", f"{span!r} of office {office!r} must end after it starts, on the same day"
    for k, (earlier, later) in enumerate(pairwise(spans), start=1):
        if hours_min(later)[0] < hours_min(earlier)[1]:
            yield (
                f"{place}[{k}]",
                f"{later!r} of office {office!r} must start at or after the end of {earlier!r}: "
                "order the hours and let them not overlap",
            )


def _camera_faults(camera: Camera, place: str) -> Iterator[Fault]:
    inside = [(f"{place}.zones[{k}].id", zone.id) for k, zone in enumerate(camera.zones)]
    inside += [(f"{place}.lines[{k}].id", line.id) for k, line in enumerate(camera.lines)]
    yield from _repeated(f"zone or line of camera {camera.id!r}:", inside)
    for k, zone in enumerate(camera.zones):
        yield from _zone_faults(zone, camera, f"{place}.zones[{k}]")
    for k, line in enumerate(camera.lines):
        if line.start_norm == line.end_norm:
            yield (
                f"{place}.lines[{k}].end_norm",
                f"line {line.id!r} of camera {camera.id!r} starts and ends at one point; give it two",
            )


def _zone_faults(zone: Zone, camera: Camera, place: str) -> Iterator[Fault]:
    fault = polygon_fault(zone.polygon_norm)
    if fault:
        yield f"{place}.polygon_norm", f"the polygon of zone {zone.id!r} of camera {camera.id!r} {fault}"


def _corridor_faults(corridor: Corridor, place: str) -> Iterator[Fault]:
    for j, (u, d) in enumerate(pairwise(corridor.stations), start=1):
        along_km = d.position_km - u.position_km
        if along_km <= 0:
            yield (
                f"{place}.stations[{j}].position_km",
                f"{d.position_km:g} of station {d.id!r} must be larger than {u.position_km:g} of "
                f"station {u.id!r} before it: list the stations in the direction of travel",
            )
            continue
        straight_km = great_circle_km(u.latitude, u.longitude, d.latitude, d.longitude)
        if straight_km > along_km * MAX_SHORTCUT:
            yield (
                f"{place}.stations[{j}].latitude",
                f"station {d.id!r} lies {straight_km:.2f} km from {u.id!r} as the crow flies but only "
                f"{along_km:.2f} km along the road; correct latitude, longitude or position_km",
            )


def _duty_faults(duty: Duty) -> Iterator[Fault]:
    yield from _repeated("channel", ((f".duty.channels[{i}].id", c.id) for i, c in enumerate(duty.channels)))
    yield from _repeated("person", ((f".duty.people[{i}].id", p.id) for i, p in enumerate(duty.people)))
    yield from _repeated("shift", ((f".duty.shifts[{i}].id", s.id) for i, s in enumerate(duty.shifts)))
    for i, channel in enumerate(duty.channels):
        yield from _channel_faults(channel, f".duty.channels[{i}]")
    channels = [channel.id for channel in duty.channels]
    for i, person in enumerate(duty.people):
        yield from _references("channel", person.channels, channels, f".duty.people[{i}].channels", person.id)
    people = [person.id for person in duty.people]
    for i, shift in enumerate(duty.shifts):
        place = f".duty.shifts[{i}]"
        start_min, end_min = hours_min(shift.hours)
        if start_min >= end_min:
            yield (
                f"{place}.hours",
                f"{shift.hours!r} of shift {shift.id!r} must end after it starts; write a shift "
                "over midnight as two, the first until 24:00",
            )
        if len(set(shift.days)) < len(shift.days):
            yield f"{place}.days", f"shift {shift.id!r} names a weekday twice; name each once"
        yield from _references("person", shift.people, people, f"{place}.people", shift.id)


def _channel_faults(channel: Channel, place: str) -> Iterator[Fault]:
    target = channel.target
    if target.startswith("secret:") and not re.fullmatch(r"secret:[A-Za-z][A-Za-z0-9_-]*", target):
        yield (
            f"{place}.target",
            f"the target of channel {channel.id!r} must be secret:NAME with letters, digits, _ and - in NAME",
        )


def _references(what: str, names: list[str], known: list[str], place: str, owner: str) -> Iterator[Fault]:
    for k, name in enumerate(names):
        if name not in known:
            yield (
                f"{place}[{k}]",
                f"{owner!r} names {what} {name!r}, which does not exist; {_nearest(name, known)}",
            )
        elif name in names[:k]:
            yield f"{place}[{k}]", f"{owner!r} names {what} {name!r} twice; name each once"


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if near:
        return f"perhaps {near[0]!r} is meant"
    return f"existing: {', '.join(sorted(known)[:10])}" if known else "none is defined"


def polygon_area_norm(corners: Sequence[Corner]) -> float:
    """Area by the shoelace formula, as a share of the picture; without sign."""
    following = [*corners[1:], *corners[:1]]
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True))) / 2


def polygon_fault(corners: Sequence[Corner]) -> str | None:
    """What is wrong with a closed polygon, to follow "the polygon ..."; None if it is simple."""
    if len(corners) > 1 and corners[0] == corners[-1]:
        return "repeats its first corner at the end; leave the last one out, the polygon closes itself"
    if len(set(corners)) < 3:
        return f"has {len(set(corners))} distinct corners; it needs at least 3"
    if len(set(corners)) < len(corners):
        repeated = next(corner for k, corner in enumerate(corners) if corner in corners[:k])
        return f"passes corner {list(repeated)} twice; go round the outline once"
    edges = [(corners[k], corners[(k + 1) % len(corners)]) for k in range(len(corners))]
    for i in range(len(edges)):
        for j in range(i + 1, len(edges)):
            adjacent = j == i + 1 or (i == 0 and j == len(edges) - 1)
            if not adjacent and _meet(*edges[i], *edges[j]):
                return f"crosses itself: side {i + 1} meets side {j + 1}; order the corners along the outline"
    if polygon_area_norm(corners) < MIN_AREA_NORM:
        return "has no area: its corners lie on one line; move one of them"
    return None


def great_circle_km(latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float) -> float:
    """Haversine distance in km between two points in degrees."""
    phi_1, phi_2 = radians(latitude_1), radians(latitude_2)
    half_phi, half_lambda = (phi_2 - phi_1) / 2, radians(longitude_2 - longitude_1) / 2
    h = sin(half_phi) ** 2 + cos(phi_1) * cos(phi_2) * sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def _side(a: Corner, b: Corner, c: Corner) -> float:
    """Positive, zero or negative as c lies to one side of the line a-b, on it, or to the other."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _within(a: Corner, b: Corner, c: Corner) -> bool:
    """Whether c, known to lie on the line a-b, lies between a and b."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether the segments a-b and c-d have a point in common."""
    sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _within(*end) for side, end in zip(sides, ends, strict=True))
