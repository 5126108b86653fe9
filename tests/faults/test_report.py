"""The page tells what failed, and writing one part leaves the other."""

from __future__ import annotations

from pathlib import Path

from tests.faults.report import line, page, with_storm
from tests.faults.schedule import schedule
from tests.faults.seed_run import Outcome


def outcomes() -> list[Outcome]:
    well = Outcome(schedule(1), recovery_s=1.25, messages=1000, rows=20, alarms=3, repeated=1)
    ill = Outcome(schedule(2), problems=["traffic_lane_1m ('a', 1) row: expected 1, found None"], kept=Path("kept"))
    return [well, ill]


def test_a_page_has_a_row_for_every_seed_and_names_those_that_failed() -> None:
    told = page(outcomes(), "make faults SEEDS=2 SEED_START=1", "")
    assert "`make faults SEEDS=2 SEED_START=1`" in told
    assert "2 seeds, 1 passed, 1 failed: 2; 1,000 messages" in told
    rows = [row for row in told.splitlines() if row.startswith(("| 1 |", "| 2 |"))]
    assert [row.split("|")[-2].strip() for row in rows] == ["ok", "failed"]
    assert "| 1.2 |" in rows[0] and "| - |" in rows[1]


def test_a_line_says_what_differs_and_where_all_of_it_is_kept() -> None:
    well, ill = map(line, outcomes())
    assert "seed 1 ok, recovery 1.2 s" in well
    assert "seed 2 FAILED" in ill and "found None" in ill and ill.endswith("kept in kept")


def test_seeds_and_storm_are_written_one_without_the_other() -> None:
    stormy = with_storm(page(outcomes(), "make faults", ""), "storm ok", "storm")
    again = page(outcomes()[:1], "make faults", stormy)
    assert again.count("## Rebalance storm") == 1 and again.rstrip().endswith("storm ok")
    assert "1 seeds" in again and "2 seeds" not in again
    assert with_storm(again, "storm better", "storm").count("storm ok") == 0
