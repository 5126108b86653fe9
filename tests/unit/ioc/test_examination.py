from __future__ import annotations

from dataclasses import replace

import pytest

from ioc.examination import Finding, database_findings
from streams.storage.status import DatabaseStatus

WELL = DatabaseStatus(
    edition="community",
    postgres="17.2",
    timescaledb="2.29.2",
    size_bytes=10**9,
    worker_processes=24,
    clock_offset_s=0.01,
    round_trip_s=0.001,
    applied=["0001_tables.sql"],
    pending=[],
    changed=[],
    failed_jobs=[],
    pending_rollup_hours=0,
    hypertables=[],
    newest={"zone_occupancy_10s": None},
)


def grave(status: DatabaseStatus) -> list[Finding]:
    return [finding for finding in database_findings(status, "postgresql://db") if finding.grave]


def test_where_all_is_well_nothing_is_grave() -> None:
    assert grave(WELL) == []
    assert grave(replace(WELL, edition="apache", worker_processes=8)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"edition": "absent"}, "ioc migrate"),
        ({"pending": ["0009_more.sql"]}, "0009_more.sql; run `ioc migrate`"),
        ({"changed": ["0001_tables.sql"]}, "right version"),
        ({"worker_processes": 8}, "set it to 24"),
        ({"failed_jobs": ["Retention (3 failures)"]}, "Retention"),
        ({"clock_offset_s": -7.0}, "-7.000 s"),
        ({"edition": "apache", "pending_rollup_hours": 20_000}, "ioc maintain"),
    ],
)
def test_each_fault_says_what_to_do(change: dict[str, object], told: str) -> None:
    (finding,) = grave(replace(WELL, **change))  # type: ignore[arg-type]
    assert told in finding.text and finding.mark == "FAULT"
