"""A seed means the same for ever: the schedule, the input."""

from __future__ import annotations

import pytest

from ioc.chaos.schedule import KILL, PAUSE, plan
from streams.schema.events import Tick
from tests.faults.disturbance import Disturbance, disturbed
from tests.faults.schedule import FIRST_STRIKE_S, KINDS, LAST_STRIKE_S, schedule
from tests.faults.seed_run import city, morning, seed_input

CALM = Disturbance(1, 0, False, 0.0, 0.0, 0.0, 0.0, 0, (), ())


def test_a_seed_keeps_its_meaning() -> None:
    """Another text here means that every seed on record means something else now: docs/FAULTS.md is void then."""
    assert str(schedule(4)) == (
        "3 partitions, 3 workers; 4.6s database-refuse#6 2.7s, 10.6s kafka-refuse#6 1.6s, 10.8s kafka-hole#4 8.2s; "
        "input from 540 s, duplicated 2%, poisoned 12, camera 0 silent at 194 s for 48 s, camera 1 silent at 71 s for "
        "57 s"
    )


@pytest.mark.parametrize("seed", [1, 7, 10])
def test_the_same_seed_gives_the_same_schedule_and_input(seed: int) -> None:
    assert schedule(seed) == schedule(seed) != schedule(seed + 1)
    assert seed_input(schedule(seed)) == seed_input(schedule(seed)) != seed_input(schedule(seed + 1))


def test_schedules_are_in_order_and_within_their_bounds() -> None:
    limits = {kind.name: kind for kind in KINDS}
    struck = set()
    for seed in range(200):
        given = schedule(seed)
        struck.update(fault.kind for fault in given.faults)
        assert [fault.at_s for fault in given.faults] == sorted(fault.at_s for fault in given.faults)
        for fault in given.faults:
            assert FIRST_STRIKE_S <= fault.at_s <= LAST_STRIKE_S
            assert limits[fault.kind].least_s <= fault.for_s <= limits[fault.kind].most_s
    assert struck == set(limits)


def test_a_plan_is_made_of_its_kinds_only() -> None:
    assert {fault.kind for fault in plan(1, (KILL, PAUSE), strikes=50, from_s=0, until_s=9)} == {"kill", "pause"}


def test_input_is_in_order_of_arrival_and_untouched_where_nothing_is_asked() -> None:
    entries = list(morning()[:2000])
    assert disturbed(entries, CALM, city()) == entries
    arrived = [entry.logged_us for entry in seed_input(schedule(1))]
    assert arrived == sorted(arrived)


def test_a_clock_that_jumps_moves_ticks_and_nothing_else() -> None:
    entries = list(morning()[:2000])
    jumped = disturbed(entries, Disturbance(1, 0, False, 0.0, 0.0, 0.0, 0.0, 0, ((20, 10, 40),), ()), city())
    changed = [(before, after) for before, after in zip(entries, jumped, strict=True) if before != after]
    assert len(changed) == 10
    for before, after in changed:
        assert isinstance(before.event, Tick) and isinstance(after.event, Tick)
        assert (after.event.ticked_at - before.event.ticked_at).total_seconds() == 40


def test_a_camera_that_falls_silent_sends_nothing_meanwhile() -> None:
    entries = list(morning()[:2000])
    silenced = disturbed(entries, Disturbance(1, 0, False, 0.0, 0.0, 0.0, 0.0, 0, (), ((0, 20, 30),)), city())
    left_out = [entry for entry in entries if entry not in silenced]
    assert len({entry.event.camera for entry in left_out}) == 1
    assert 10 < len(left_out) < 20
