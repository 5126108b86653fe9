"""How simulated events reach the platform: when each is logged, which come late, twice, or never, and the planted
malformed ones.

Decides transport, and changes no measured figure; refuses to know halls and roads. ``logged_at`` is when the
platform holds the event, never before ``received_at``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from ioc.simulation.story import Story
from streams.schema.events import CameraObservation, InputEvent, Tick, TrafficReading, ZoneCount

UNKNOWN_CAMERA = "cam-chua-dang-ky-01"
UNKNOWN_STATION = "tram-chua-dang-ky-01"
MALFORMED_AT_S = (75.0, 105.0, 135.0)
"""Unknown camera; a row of an unknown station; a column that is too short."""


class Logged(msgspec.Struct, frozen=True):
    """One line of a recording after the header."""

    logged_at: datetime
    event: InputEvent


def ticks(start: datetime, duration_s: float) -> list[Logged]:
    moments = (start + timedelta(seconds=second) for second in range(int(duration_s) + 1))
    return [Logged(moment, Tick(moment)) for moment in moments]


def deliver_observations(
    observations: Iterable[CameraObservation], story: Story, start: datetime, rng: np.random.Generator
) -> list[Logged]:
    """The observations of one camera."""
    waiting = {late.camera: [o for o in story.late_cameras if o.camera == late.camera] for late in story.late_cameras}
    logged: list[Logged] = []
    for observation in observations:
        delay = timedelta(milliseconds=int(rng.integers(4, 30)))
        late = waiting.get(observation.camera, [])
        if late and (observation.observed_at - start).total_seconds() >= late[0].at_s:
            received_at = observation.observed_at + timedelta(seconds=late.pop(0).delay_s)
            observation = msgspec.structs.replace(observation, received_at=received_at)
        logged.append(Logged(observation.received_at + delay, observation))
    return logged + _duplicates(logged, story, rng)


def deliver_readings(
    readings: Iterable[TrafficReading], story: Story, start: datetime, rng: np.random.Generator
) -> list[Logged]:
    """The readings of one corridor; rows that are late leave their batch and come in one of their own."""
    logged: list[Logged] = []
    for reading in readings:
        end_s = (reading.observed_at - start).total_seconds()
        delays_s = rng.uniform(1.2, 4.5), rng.uniform(0.004, 0.03)
        if end_s in story.missing_intervals.get(reading.corridor, ()):
            continue
        remaining = list(range(len(reading.station)))
        for late in story.late_stations:
            if (late.corridor, late.interval_end_s) == (reading.corridor, end_s):
                rows = [k for k in remaining if reading.station[k] in late.stations]
                remaining = [k for k in remaining if k not in rows]
                logged.append(_logged(select_rows(reading, rows), late.delay_s, delays_s[1]))
        logged.append(_logged(select_rows(reading, remaining), *delays_s))
    return logged + _duplicates(logged, story, rng)


def malformed(sent: Sequence[Logged], start: datetime, duration_s: float) -> list[Logged]:
    """Valid JSON of the right shape that the platform must refuse: copies of events that were delivered well."""
    observations = [(line.logged_at, line.event) for line in sent if isinstance(line.event, CameraObservation)]
    readings = [(line.logged_at, line.event) for line in sent if isinstance(line.event, TrafficReading)]
    planted: list[Logged] = []
    moments = [start + timedelta(seconds=at_s) for at_s in MALFORMED_AT_S if at_s < duration_s]
    for kind, moment in enumerate(moments):
        if kind == 0 and observations:
            logged_at, observation = min(observations, key=lambda pair: abs(pair[0] - moment))
            zones = [ZoneCount("waiting", 3)]
            unknown = msgspec.structs.replace(observation, camera=UNKNOWN_CAMERA, zones=zones, crossings=[])
            planted.append(Logged(logged_at, unknown))
        elif kind > 0 and readings:
            logged_at, reading = min(readings, key=lambda pair: abs(pair[0] - moment))
            logged_at += timedelta(seconds=1)
            planted.append(Logged(logged_at, _unknown_row(reading) if kind == 1 else _short_column(reading)))
    return planted


def select_rows(reading: TrafficReading, rows: Sequence[int]) -> TrafficReading:
    """The reading with some of its rows only."""
    return msgspec.structs.replace(
        reading,
        station=[reading.station[k] for k in rows],
        lane=[reading.lane[k] for k in rows],
        count=[reading.count[k] for k in rows],
        occupancy_pct=[reading.occupancy_pct[k] for k in rows],
        speed_kmh=[reading.speed_kmh[k] for k in rows],
        class_counts={name: [column[k] for k in rows] for name, column in reading.class_counts.items()},
    )


def _unknown_row(reading: TrafficReading) -> TrafficReading:
    """One row, of a station that the site file does not know."""
    return msgspec.structs.replace(select_rows(reading, [0]), station=[UNKNOWN_STATION])


def _short_column(reading: TrafficReading) -> TrafficReading:
    return msgspec.structs.replace(reading, speed_kmh=reading.speed_kmh[:-1])


def _logged(reading: TrafficReading, received_after_s: float, logged_after_s: float) -> Logged:
    received_at = reading.observed_at + timedelta(milliseconds=round(received_after_s * 1000))
    logged_at = received_at + timedelta(milliseconds=round(logged_after_s * 1000))
    return Logged(logged_at, msgspec.structs.replace(reading, received_at=received_at))


def _duplicates(logged: Sequence[Logged], story: Story, rng: np.random.Generator) -> list[Logged]:
    """Second copies, some seconds after the first."""
    return [
        Logged(line.logged_at + timedelta(milliseconds=int(rng.integers(200, 20_000))), line.event)
        for line in logged
        if rng.random() < story.duplicated_share
    ]
