"""Who comes to a hall and when, how long serving takes, when clerks pause: everything that is drawn beforehand.

Decides the distributions; refuses to know the queue. Drawing it before the day is played keeps the draws of one
customer independent of what happens to another. Times are seconds after local midnight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAY_CURVE_H = (7.25, 7.5, 8.25, 9.0, 9.75, 10.5, 11.25, 11.5, 13.25, 13.5, 14.25, 15.25, 16.25, 17.0)
DAY_CURVE = (0.0, 0.55, 0.95, 1.0, 0.95, 0.7, 0.3, 0.0, 0.0, 0.6, 0.85, 0.7, 0.35, 0.0)
"""Rate of arrivals over the day as a share of its peak; a guess, with the morning peak that offices report."""
EARLY_S = 900.0
"""So long before opening people begin to come."""
GROUP_SHARES = (0.78, 0.17, 0.05)
"""Shares of customers who come alone, with one and with two companions."""


@dataclass(frozen=True)
class Surge:
    """Customers who come on top of the usual, evenly between two moments (collecting papers after a notice)."""

    start_s: float
    end_s: float
    customers: int
    patience_mean_s: float


@dataclass(frozen=True)
class HallPlan:
    counters: int
    opening_s: tuple[tuple[float, float], ...]
    peak_customers_per_h: float
    service_mean_s: float = 540.0
    service_cv: float = 0.6
    """Standard deviation of the service time over its mean (lognormal)."""
    patience_mean_s: float = 3600.0
    pauses_per_counter_h: float = 0.25
    pause_mean_s: float = 420.0
    walk_s: float = 8.0
    """From the seat to the counter, and between door and seats."""
    surges: tuple[Surge, ...] = ()


@dataclass(frozen=True)
class Arrival:
    arrived_s: float
    people: int
    service_s: float
    patience_s: float


@dataclass(frozen=True)
class Pause:
    counter: int
    start_s: float
    end_s: float


def draw_arrivals(plan: HallPlan, until_s: float, rng: np.random.Generator) -> list[Arrival]:
    """Customers in order of arrival: a Poisson process with the day curve as its rate (by thinning), and surges."""
    times: list[tuple[float, float]] = []
    for start_s, end_s in plan.opening_s:
        candidates = rng.poisson(plan.peak_customers_per_h * (end_s - start_s + EARLY_S) / 3600)
        at_s = rng.uniform(start_s - EARLY_S, end_s, candidates)
        kept = rng.random(candidates) < np.interp(at_s / 3600, DAY_CURVE_H, DAY_CURVE)
        times += [(float(t), plan.patience_mean_s) for t in at_s[kept]]
    for surge in plan.surges:
        at_s = rng.uniform(surge.start_s, surge.end_s, surge.customers)
        times += [(float(t), surge.patience_mean_s) for t in at_s]
    times.sort()
    number = len(times)
    people = 1 + rng.choice(len(GROUP_SHARES), size=number, p=GROUP_SHARES)
    service_s = _lognormal(rng, plan.service_mean_s, plan.service_cv, number)
    patience = _lognormal(rng, 1.0, 0.35, number)
    return [
        Arrival(at_s, int(people[k]), float(service_s[k]), mean_s * float(patience[k]))
        for k, (at_s, mean_s) in enumerate(times)
        if at_s <= until_s
    ]


def draw_breaks(plan: HallPlan, rng: np.random.Generator) -> list[Pause]:
    """Pauses without a stand-in, apart from each other and inside opening hours, in order of time."""
    pauses: list[Pause] = []
    for counter in range(plan.counters):
        for start_s, end_s in plan.opening_s:
            number = rng.poisson(plan.pauses_per_counter_h * (end_s - start_s) / 3600)
            free_from_s = start_s
            for at_s in sorted(rng.uniform(start_s, end_s, number).tolist()):
                length_s = float(_lognormal(rng, plan.pause_mean_s, 0.5, 1)[0])
                if at_s >= free_from_s and at_s + length_s < end_s:
                    pauses.append(Pause(counter, at_s, at_s + length_s))
                    free_from_s = at_s + length_s + 600
    return sorted(pauses, key=lambda pause: pause.start_s)


def _lognormal(rng: np.random.Generator, mean: float, cv: float, size: int) -> np.ndarray:
    sigma = np.sqrt(np.log1p(cv * cv))
    return rng.lognormal(np.log(mean) - sigma * sigma / 2, sigma, size)
