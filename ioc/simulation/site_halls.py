"""From an office of the site file to a hall that can be simulated, and to its camera observations.

Decides how busy an office is (from its counters, with a draw of its own); each office has its own random numbers,
so that leaving one out changes no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from ioc.simulation.arrivals import HallPlan, Surge
from ioc.simulation.camera_model import DEFAULT_MODEL, CameraModel, Outage, observe
from ioc.simulation.hall import simulate_hall
from ioc.simulation.truth import HallDay
from streams.schema.events import CameraObservation
from streams.schema.site import Office
from streams.schema.site_check import WEEKDAYS, hours_min

BUSY = (0.95, 1.35)
"""Peak demand over what the counters can serve; above 1 the queue grows for a while."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that belong to a name: independent of what else is simulated, and in which order."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(time_zone))


def hall_plan(office: Office, day: date, seed: int, surges: tuple[Surge, ...] = ()) -> HallPlan:
    """The office on a day: as many counters as its staff zones hold people, its opening hours of that weekday."""
    rng = generator(seed, office.id, "plan")
    zones = [zone for camera in office.cameras for zone in camera.zones]
    counters = sum(zone.capacity for zone in zones if zone.role == "staff") or 1
    opening = [hours_min(hours) for hours in office.opening.get(WEEKDAYS[day.weekday()], [])]
    service_mean_s = float(rng.uniform(420, 660))
    return HallPlan(
        counters=counters,
        opening_s=tuple((start * 60.0, end * 60.0) for start, end in opening),
        peak_customers_per_h=float(rng.uniform(*BUSY)) * counters * 3600 / service_mean_s,
        service_mean_s=service_mean_s,
        surges=surges,
    )


def office_observations(
    office: Office,
    day: HallDay,
    start: datetime,
    duration_s: float,
    seed: int,
    outages: dict[str, tuple[Outage, ...]],
    model: CameraModel = DEFAULT_MODEL,
) -> list[CameraObservation]:
    """What the cameras of an office report from ``start`` (local, aware) on. outages: by camera id."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    from_s = (start - first).total_seconds()
    return [
        observation
        for camera in office.cameras
        for observation in observe(
            camera,
            day,
            first,
            from_s,
            from_s + duration_s,
            generator(seed, camera.id),
            model,
            outages.get(camera.id, ()),
        )
    ]


def office_day(office: Office, start: datetime, until_s: float, seed: int, surges: Sequence[Surge] = ()) -> HallDay:
    """The true day of an office, from midnight to ``until_s``."""
    plan = hall_plan(office, start.date(), seed, tuple(surges))
    return simulate_hall(plan, until_s, generator(seed, office.id, "day"))
