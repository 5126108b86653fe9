"""People in a zone during one window. Decides mean, maximum, density and level of service of one zone.

The mean is weighted by the time each sample stands for; coverage is that time's share of the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.core.levels import people_level
from streams.schema.site import LevelTable


@dataclass(frozen=True)
class ZoneMeasures:
    people_mean: float
    people_max: int
    density_per_m2: float
    level_of_service: str
    samples: int
    coverage: float


def zone_measures(
    people: NDArray[np.float64],
    interval_s: NDArray[np.float64],
    window_s: float,
    area_m2: float,
    table: LevelTable,
) -> ZoneMeasures:
    """Measures of one zone. people, interval_s: (samples,), at least one sample."""
    observed_s = float(interval_s.sum())
    mean = float((people * interval_s).sum() / observed_s)
    return ZoneMeasures(
        people_mean=mean,
        people_max=int(people.max()),
        density_per_m2=mean / area_m2,
        level_of_service=people_level(area_m2, mean, table),
        samples=len(people),
        coverage=min(1.0, observed_s / window_s),
    )
