"""Traffic state of lanes and stations during one window. Decides the formulas; knows no stream and no time of day.

Formulas (TRAFFIC-METRICS of the field; Wardrop 1952, HCM):
flow q = 3600 n / T over the time that was measured; space-mean speed v_s = sum(n_i) / sum(n_i / v_i) over the readings
with a speed; density k = q / v_s, or 10 * occupancy_pct / L_eff where no speed is known; occupancy weighted by time;
coverage = measured time / window (and lanes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.core.levels import traffic_levels
from streams.core.windows import Closing

Numbers = NDArray[np.float64]

FIELDS = ("count", "occupancy_pct", "speed_kmh", "moto", "light", "heavy")
COUNT, OCCUPANCY, SPEED, MOTO, LIGHT, HEAVY = range(len(FIELDS))


@dataclass(frozen=True)
class TrafficMeasures:
    """One value a lane (or station); NaN where it can't be told."""

    vehicles: Numbers
    flow_veh_h: Numbers
    speed_kmh: Numbers
    occupancy_pct: Numbers
    density_veh_km: Numbers
    level_of_service: NDArray[np.object_]
    readings: NDArray[np.int64]
    coverage: Numbers
    moto: Numbers
    light: Numbers
    heavy: Numbers


@dataclass(frozen=True)
class _Sums:
    """Sums over the samples of a window, (lanes,); a station's are the sums of its lanes'."""

    readings: Numbers
    measured_s: Numbers
    counted_s: Numbers
    vehicles: Numbers
    timed_vehicles: Numbers
    travel_h_per_km: Numbers
    occupied_s: Numbers
    occupancy_pct_s: Numbers
    classes: Numbers
    class_readings: Numbers

    def by_station(self, first_lane: NDArray[np.intp]) -> _Sums:
        return _Sums(*(np.add.reduceat(values, first_lane, axis=-1) for values in vars(self).values()))


def lanes_and_stations(
    closing: Closing, first_lane: NDArray[np.intp], effective_length_m: Numbers
) -> tuple[TrafficMeasures, TrafficMeasures]:
    """State of every lane, and of every station over its lanes.

    closing: items are lanes, ordered by station; first_lane: (stations,) index of each station's first lane;
    effective_length_m: (lanes,).
    """
    sums = _sums(closing)
    lanes_of_station = np.diff(np.append(first_lane, len(effective_length_m)))
    length_of_station = effective_length_m[first_lane]
    window_s = closing.size_us / 1e6
    return (
        _measures(sums, window_s, np.ones(len(effective_length_m)), effective_length_m),
        _measures(sums.by_station(first_lane), window_s, lanes_of_station.astype(np.float64), length_of_station),
    )


def _sums(closing: Closing) -> _Sums:
    interval_s = closing.intervals_s()
    present = closing.present()
    count = closing.values(COUNT)
    occupancy = closing.values(OCCUPANCY)
    speed = closing.values(SPEED)
    timed = (count > 0) & ~np.isnan(speed)
    counted = ~np.isnan(count)
    occupied = ~np.isnan(occupancy)
    classes = np.array([closing.values(field) for field in (MOTO, LIGHT, HEAVY)])
    with np.errstate(divide="ignore", invalid="ignore"):
        travel = np.where(timed, count / speed, 0.0)
    return _Sums(
        readings=present.sum(axis=0).astype(np.float64),
        measured_s=np.where(present, interval_s, 0.0).sum(axis=0),
        counted_s=np.where(counted, interval_s, 0.0).sum(axis=0),
        vehicles=np.where(counted, count, 0.0).sum(axis=0),
        timed_vehicles=np.where(timed, count, 0.0).sum(axis=0),
        travel_h_per_km=travel.sum(axis=0),
        occupied_s=np.where(occupied, interval_s, 0.0).sum(axis=0),
        occupancy_pct_s=np.where(occupied, occupancy * interval_s, 0.0).sum(axis=0),
        classes=np.where(np.isnan(classes), 0.0, classes).sum(axis=1),
        class_readings=(~np.isnan(classes)).sum(axis=1).astype(np.float64),
    )


def _measures(sums: _Sums, window_s: float, lanes: Numbers, effective_length_m: Numbers) -> TrafficMeasures:
    with np.errstate(divide="ignore", invalid="ignore"):
        # counted_s adds up lane-seconds, so the mean flow of a lane times the lanes is the flow of the section
        flow = np.where(sums.counted_s > 0, 3600.0 * sums.vehicles / sums.counted_s * lanes, np.nan)
        speed = np.where(sums.timed_vehicles > 0, sums.timed_vehicles / sums.travel_h_per_km, np.nan)
        occupancy = np.where(sums.occupied_s > 0, sums.occupancy_pct_s / sums.occupied_s, np.nan)
        by_occupancy = 10.0 * occupancy / effective_length_m * lanes
        density = np.where(np.isnan(speed) | np.isnan(flow), by_occupancy, flow / speed)
    classes = np.where(sums.class_readings > 0, sums.classes, np.nan)
    return TrafficMeasures(
        vehicles=np.where(sums.counted_s > 0, sums.vehicles, np.nan),
        flow_veh_h=flow,
        speed_kmh=speed,
        occupancy_pct=occupancy,
        density_veh_km=density,
        level_of_service=traffic_levels(density / lanes),
        readings=sums.readings.astype(np.int64),
        coverage=np.minimum(1.0, sums.measured_s / (window_s * lanes)),
        moto=classes[0],
        light=classes[1],
        heavy=classes[2],
    )
