from __future__ import annotations

import numpy as np
import pytest

from streams.core.levels import people_level, traffic_levels


@pytest.mark.parametrize(
    ("area_per_person_m2", "table", "grade"),
    [
        (1.21, "hcm-queue", "A"), (1.2, "hcm-queue", "B"), (0.9, "hcm-queue", "C"), (0.6, "hcm-queue", "D"),
        (0.3, "hcm-queue", "E"), (0.2, "hcm-queue", "F"),
        (1.21, "fruin-queue", "A"), (0.93, "fruin-queue", "B"), (0.65, "fruin-queue", "C"),
        (0.28, "fruin-queue", "D"), (0.19, "fruin-queue", "E"), (0.18, "fruin-queue", "F"),
        (3.25, "fruin-walkway", "A"), (0.46, "fruin-walkway", "E"), (0.4, "fruin-walkway", "F"),
    ],
)  # fmt: skip
def test_people_levels_at_their_bounds(area_per_person_m2: float, table: str, grade: str) -> None:
    assert people_level(area_per_person_m2, 1, table) == grade  # type: ignore[arg-type]


def test_nobody_is_a() -> None:
    assert people_level(1.0, 0.0, "hcm-queue") == "A"


def test_traffic_levels_at_their_bounds() -> None:
    density = np.array([0, 7, 7.01, 11, 16, 22, 28, 28.1, np.nan])
    assert traffic_levels(density).tolist() == ["A", "A", "B", "B", "C", "D", "E", "F", None]
