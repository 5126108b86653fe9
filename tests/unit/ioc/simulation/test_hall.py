"""The hall simulation keeps count of its people; the camera model errs in both directions alike."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioc.simulation.arrivals import HallPlan, Surge
from ioc.simulation.camera_model import CameraModel, Outage, observe, shares
from ioc.simulation.hall import simulate_hall
from ioc.simulation.truth import HallDay
from streams.schema.events import CameraObservation
from streams.schema.site import Camera, CountingLine, Zone

OPENING = ((27_000.0, 41_400.0), (48_600.0, 61_200.0))
MIDNIGHT = datetime.combine(date(2026, 3, 10), datetime.min.time(), ZoneInfo("Asia/Ho_Chi_Minh"))


def zone(name: str, role: str, capacity: int) -> Zone:
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]
    return Zone(id=name, name_vi=name, name_en=name, role=role, polygon_norm=corners, area_m2=30, capacity=capacity)  # type: ignore[arg-type]


CAMERA = Camera(
    id="cam-1",
    name_vi="Máy quay",
    name_en="Camera",
    zones=[
        zone("waiting", "waiting", 30),
        zone("counters", "counter", 12),
        zone("staff", "staff", 4),
        zone("entrance", "entrance", 8),
    ],
    lines=[CountingLine(id="door", name_vi="Cửa", name_en="Door", start_norm=(0.6, 0.9), end_norm=(0.4, 0.9))],
)


def plan(counters: int = 4, peak: float = 30.0, patience_s: float = 3600.0, surges: tuple[Surge, ...] = ()) -> HallPlan:
    return HallPlan(counters, OPENING, peak, patience_mean_s=patience_s, surges=surges)


def a_day(seed: int = 3, until_s: float = 86_400.0, **kwargs: object) -> HallDay:
    return simulate_hall(plan(**kwargs), until_s, np.random.default_rng(seed))  # type: ignore[arg-type]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    counters=st.integers(1, 9),
    peak=st.floats(0, 120),
    patience_s=st.floats(60, 7200),
    until_s=st.floats(20_000, 86_400),
)
def test_arrived_less_served_less_gave_up_is_present(
    seed: int, counters: int, peak: float, patience_s: float, until_s: float
) -> None:
    day = a_day(seed, until_s, counters=counters, peak=peak, patience_s=patience_s)
    at_s = np.linspace(0, until_s, 400)
    parts = {part: day.people(part, at_s) for part in ("waiting", "counter", "staff", "entrance")}
    assert all((people >= 0).all() for people in parts.values())
    assert parts["counter"].max(initial=0) <= counters
    assert parts["staff"].max(initial=0) <= counters
    entered = np.searchsorted(day.entered_s(), at_s, side="right")
    left = np.searchsorted(day.left_s(), at_s, side="right")
    present = parts["waiting"] + parts["counter"] + parts["entrance"]
    assert (entered - left == present).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), peak=st.floats(1, 120), until_s=st.floats(27_000, 86_400))
def test_a_record_tells_a_possible_story(seed: int, peak: float, until_s: float) -> None:
    day = a_day(seed, until_s, peak=peak, patience_s=900.0)
    for customer in day.customers:
        assert (customer.outcome == "present") == (customer.finished_s is None)
        assert (customer.called_s is None) == (customer.counter is None)
        if customer.outcome == "served":
            assert customer.called_s is not None and customer.finished_s is not None
            assert customer.arrived_s <= customer.called_s < customer.finished_s <= until_s
        if customer.outcome == "gave-up":
            assert customer.called_s is None
    called = [customer.called_s for customer in day.customers if customer.called_s is not None]
    assert called == sorted(called), "first come, first served"


def test_a_counter_serves_one_at_a_time_and_only_when_staffed() -> None:
    day = a_day(peak=40.0)
    for number, attended in enumerate(day.attended):
        served = [(c.called_s, c.finished_s) for c in day.customers if c.counter == number]
        for (_, finished_s), (called_s, _) in itertools.pairwise(served):
            assert finished_s is not None and called_s is not None and finished_s <= called_s
        for called_s, finished_s in served:
            assert called_s is not None and finished_s is not None
            assert any(start_s <= called_s and finished_s <= end_s for start_s, end_s in attended)


def test_everybody_is_gone_at_night_and_nobody_serves_before_opening() -> None:
    day = a_day()
    assert all(customer.outcome != "present" for customer in day.customers)
    assert min(c.called_s for c in day.customers if c.called_s is not None) >= OPENING[0][0]


def test_impatient_people_give_up_in_a_crowd() -> None:
    day = a_day(counters=2, peak=40.0, patience_s=600.0, surges=(Surge(30_000, 30_300, 40, 600.0),))
    outcomes = [customer.outcome for customer in day.customers]
    assert outcomes.count("gave-up") > 20
    assert len(outcomes) > 40


def test_the_same_seed_gives_the_same_day_and_another_gives_another() -> None:
    assert a_day(5) == a_day(5)
    assert a_day(5) != a_day(6)


def test_what_happens_later_does_not_change_what_happened_before() -> None:
    """The crossings until ten are the same, whether the day is played until ten or until the evening."""
    short, long = a_day(5, 36_000.0), a_day(5, 80_000.0)
    assert (
        short.entered_s()[short.entered_s() < 35_990].tolist() == long.entered_s()[long.entered_s() < 35_990].tolist()
    )


def seen(day: HallDay, seed: int = 1, *outages: Outage, model: CameraModel | None = None) -> list[CameraObservation]:
    rng = np.random.default_rng(seed)
    return observe(CAMERA, day, MIDNIGHT, 28_800, 36_000, rng, model or CameraModel(), outages)


def seconds(observation: CameraObservation) -> float:
    return (observation.observed_at - MIDNIGHT).total_seconds()


def test_camera_counts_are_about_right_on_average_and_wrong_in_particular() -> None:
    truths, counts = [], []
    for seed in range(8):
        day = a_day(seed, peak=34.0)
        observations = seen(day, seed)
        at_s = np.array([seconds(observation) for observation in observations])
        truths.append(day.people("waiting", at_s))
        counts.append(np.array([observation.zones[0].people for observation in observations]))
    truth, count = np.concatenate(truths), np.concatenate(counts)
    assert count.mean() == pytest.approx(truth.mean(), rel=0.04)
    assert 0.02 < (count != truth).mean() < 0.8


def test_camera_errors_last_for_spells() -> None:
    day = a_day(2, peak=36.0)
    observations = seen(day)
    at_s = np.array([seconds(observation) for observation in observations])
    error = np.array([observation.zones[0].people for observation in observations]) - day.people("waiting", at_s)
    assert np.corrcoef(error[:-1], error[1:])[0, 1] > 0.6


def test_crossings_add_up_to_about_the_people_who_came() -> None:
    day = a_day(4, peak=60.0, counters=8)
    observations = seen(day, model=CameraModel(dropouts_per_h=0.0))
    counted = sum(crossing.entered for observation in observations for crossing in observation.crossings)
    came = ((day.entered_s() > 28_800) & (day.entered_s() <= 36_000)).sum()
    assert counted == pytest.approx(came, rel=0.08)


def test_a_silent_camera_sends_nothing_and_a_covered_one_counts_nobody() -> None:
    silent, covered = Outage(30_000, 30_100), Outage(31_000, 31_100, "covered")
    observations = seen(a_day(), 1, silent, covered)
    assert not [o for o in observations if 30_000 <= seconds(o) < 30_100]
    blind = [o for o in observations if 31_000 <= seconds(o) < 31_100]
    assert blind
    assert all(o.health == "covered" and not o.zones and not o.crossings for o in blind)
    assert all(o.health == "ok" and o.zones for o in observations if o not in blind)


def test_observations_are_in_order_and_received_after_they_were_observed() -> None:
    observations = seen(a_day())
    moments = [observation.observed_at for observation in observations]
    assert moments == sorted(set(moments))
    assert all(observation.received_at > observation.observed_at for observation in observations)


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=20),
    st.lists(st.floats(0.5, 200), min_size=1, max_size=6),
)
def test_shares_add_up(people: list[int], weights: list[float]) -> None:
    parts = shares(np.array(people), weights)
    assert sum(parts).tolist() == people  # type: ignore[union-attr]
    assert all((part >= 0).all() for part in parts)
