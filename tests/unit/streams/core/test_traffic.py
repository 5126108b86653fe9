"""The vectorised measures against the same formulas written out with plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.traffic import lanes_and_stations
from streams.core.windows import Closing, Sample

LANES_OF_STATION = [2, 1, 3]
LANES = sum(LANES_OF_STATION)
FIRST_LANE = np.array([0, 2, 3])
LENGTH_M = np.array([6.0, 6.0, 5.0, 7.0, 7.0, 7.0])

Reading = tuple[float, float, float] | None
values = st.tuples(
    st.one_of(st.just(math.nan), st.integers(0, 40).map(float)),
    st.one_of(st.just(math.nan), st.floats(0, 100)),
    st.one_of(st.just(math.nan), st.floats(1, 150)),
)
readings = st.lists(
    st.lists(st.one_of(st.none(), values), min_size=LANES, max_size=LANES), min_size=1, max_size=4
)  # samples x lanes


def closing(samples: list[list[Reading]], interval_s: int = 20) -> Closing:
    made = []
    for number, lanes in enumerate(samples):
        present = np.array([lane is not None for lane in lanes])
        fields = np.full((6, LANES), np.nan)
        for index, lane in enumerate(lanes):
            if lane is not None:
                fields[:3, index] = lane
        made.append(Sample(number * interval_s * 1_000_000, interval_s * 1_000_000, present, fields))
    return Closing(60_000_000, 0, 1, np.ones(LANES, dtype=bool), made)


def expected(samples: list[list[Reading]], lanes: list[int], length_m: float, interval_s: int = 20) -> dict[str, float]:
    held = [sample[lane] for lane in lanes for sample in samples]
    seen = [reading for reading in held if reading is not None]
    counted = [n for n, _, _ in seen if not math.isnan(n)]
    timed = [(n, v) for n, _, v in seen if n > 0 and not math.isnan(v)]
    occupied = [o for _, o, _ in seen if not math.isnan(o)]
    flow = 3600 * sum(counted) / (interval_s * len(counted)) * len(lanes) if counted else math.nan
    speed = sum(n for n, _ in timed) / sum(n / v for n, v in timed) if timed else math.nan
    occupancy = sum(occupied) / len(occupied) if occupied else math.nan
    density = flow / speed
    if math.isnan(density):
        density = 10 * occupancy / length_m * len(lanes)
    return {
        "readings": len(seen),
        "flow_veh_h": flow,
        "speed_kmh": speed,
        "occupancy_pct": occupancy,
        "density_veh_km": density,
        "coverage": min(1.0, len(seen) * interval_s / (60 * len(lanes))),
        "vehicles": sum(counted) if counted else math.nan,
    }


@given(readings)
def test_measures_equal_the_formulas_written_out(samples: list[list[Reading]]) -> None:
    lanes, stations = lanes_and_stations(closing(samples), FIRST_LANE, LENGTH_M)
    for lane in range(LANES):
        for name, value in expected(samples, [lane], LENGTH_M[lane]).items():
            assert getattr(lanes, name)[lane] == pytest.approx(value, rel=1e-12, nan_ok=True), name
    for station, first in enumerate(FIRST_LANE):
        places = list(range(first, first + LANES_OF_STATION[station]))
        for name, value in expected(samples, places, LENGTH_M[first]).items():
            assert getattr(stations, name)[station] == pytest.approx(value, rel=1e-12, nan_ok=True), name


@given(readings)
def test_space_mean_speed_never_exceeds_time_mean_speed(samples: list[list[Reading]]) -> None:
    """Wardrop 1952."""
    lanes, _ = lanes_and_stations(closing(samples), FIRST_LANE, LENGTH_M)
    for lane in range(LANES):
        seen = [sample[lane] for sample in samples]
        timed = [(r[0], r[2]) for r in seen if r is not None and r[0] > 0 and not math.isnan(r[2])]
        if timed:
            time_mean = sum(n * v for n, v in timed) / sum(n for n, _ in timed)
            assert lanes.speed_kmh[lane] <= time_mean * (1 + 1e-12)


def test_standing_traffic_has_the_density_of_its_occupancy() -> None:
    lanes, _ = lanes_and_stations(closing([[(0.0, 90.0, math.nan)] * LANES]), FIRST_LANE, LENGTH_M)
    assert lanes.density_veh_km[0] == pytest.approx(150.0)
    assert lanes.level_of_service[0] == "F"


def test_an_empty_road_is_a() -> None:
    lanes, stations = lanes_and_stations(closing([[(0.0, 0.0, math.nan)] * LANES]), FIRST_LANE, LENGTH_M)
    assert set(lanes.level_of_service) == set(stations.level_of_service) == {"A"}
