"""Level of service, A (best) to F, from the area a person has or the density of traffic.

Sources: Fruin 1971 (queues, walkways), Highway Capacity Manual (queues; basic freeway segments). Values as they are
usually quoted; check the edition before citing them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streams.schema.site import LevelTable

GRADES = np.array(["A", "B", "C", "D", "E", "F", None], dtype=object)

AREA_PER_PERSON_M2: Mapping[LevelTable, tuple[float, float, float, float, float]] = {
    "hcm-queue": (1.2, 0.9, 0.6, 0.3, 0.2),
    "fruin-queue": (1.21, 0.93, 0.65, 0.28, 0.19),
    "fruin-walkway": (3.25, 2.32, 1.39, 0.93, 0.46),
}
"""Lower bounds in m2 a person of grades A to E; hcm-queue's bounds are exclusive, Fruin's inclusive."""

DENSITY_VEH_KM_LANE = (7.0, 11.0, 16.0, 22.0, 28.0)
"""Upper bounds (inclusive) of grades A to E, in passenger cars per km and lane (HCM)."""


def people_level(area_m2: float, people: float, table: LevelTable) -> str:
    """Grade of an area with a mean number of people; an empty area is A."""
    if people <= 0:
        return "A"
    area_per_person_m2 = area_m2 / people
    inclusive = table != "hcm-queue"
    for grade, bound in zip("ABCDE", AREA_PER_PERSON_M2[table], strict=True):
        if area_per_person_m2 > bound or (inclusive and area_per_person_m2 == bound):
            return grade
    return "F"


def traffic_levels(density_veh_km_lane: NDArray[np.float64]) -> NDArray[np.object_]:
    """Grade of each density in veh/km/lane; None where the density is NaN."""
    grades = np.searchsorted(DENSITY_VEH_KM_LANE, density_veh_km_lane, side="left")
    grades[np.isnan(density_veh_km_lane)] = len(DENSITY_VEH_KM_LANE) + 1
    return GRADES[grades]


def at_or_below(grade: str, limit: str) -> bool:
    """Whether a grade is as bad as the limit or worse."""
    return grade >= limit
