"""One hall, one day: who comes, waits, is served, gives up; which counters are staffed. The truth, no camera.

Decides the order of events in the hall (discrete-event, first come first served); refuses to know pictures,
zones, UTC and files. Times are seconds after local midnight. Pure and seeded: the same plan and generator state
give the same day.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Literal

import numpy as np

from ioc.simulation.arrivals import Arrival, HallPlan, draw_arrivals, draw_breaks
from ioc.simulation.truth import CustomerRecord, HallDay, Span


def simulate_hall(plan: HallPlan, until_s: float, rng: np.random.Generator) -> HallDay:
    """The day from midnight until ``until_s``. Who is still in the hall then has no ``finished_s``."""
    hall = _Hall(plan)
    for arrival in draw_arrivals(plan, until_s, rng):
        hall.plan_at(arrival.arrived_s, partial(hall.arrive, _Customer(arrival)))
    for start_s, end_s in plan.opening_s:
        for counter in hall.counters:
            hall.plan_at(start_s, partial(hall.begin_duty, counter))
            hall.plan_at(end_s, partial(hall.end_duty, counter))
    for pause in draw_breaks(plan, rng):
        hall.plan_at(pause.start_s, partial(hall.pause_due, hall.counters[pause.counter], pause.end_s))
    hall.run(until_s)
    return hall.day(until_s)


@dataclass(eq=False)
class _Customer:
    arrival: Arrival
    called_s: float | None = None
    counter: int | None = None
    finished_s: float | None = None
    outcome: Literal["present", "served", "gave-up"] = "present"


@dataclass(eq=False)
class _Counter:
    number: int
    serving: _Customer | None = None
    on_duty: bool = False
    """On duty until the hours end, and then until nobody waits."""
    closing: bool = False
    pause_until_s: float | None = None
    """Set: the clerk is away, or goes as soon as the customer at the counter is finished."""
    attended_from_s: float | None = None
    attended: list[Span] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return self.on_duty and self.serving is None and self.pause_until_s is None


class _Hall:
    def __init__(self, plan: HallPlan) -> None:
        self.plan = plan
        self.counters = [_Counter(number) for number in range(plan.counters)]
        self.queue: deque[_Customer] = deque()
        self.customers: list[_Customer] = []
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()

    def plan_at(self, when_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (when_s, next(self._order), act))

    def run(self, until_s: float) -> None:
        while self._agenda and self._agenda[0][0] <= until_s:
            now_s, _, act = heapq.heappop(self._agenda)
            act(now_s)

    def arrive(self, customer: _Customer, now_s: float) -> None:
        self.customers.append(customer)
        self.queue.append(customer)
        self.plan_at(now_s + customer.arrival.patience_s, partial(self.lose_patience, customer))
        self._call(now_s)

    def lose_patience(self, customer: _Customer, now_s: float) -> None:
        if customer.called_s is None:
            self.queue.remove(customer)
            customer.finished_s, customer.outcome = now_s, "gave-up"
            self._dismiss(now_s)

    def begin_duty(self, counter: _Counter, now_s: float) -> None:
        counter.on_duty, counter.closing = True, False
        if counter.attended_from_s is None and counter.pause_until_s is None:
            counter.attended_from_s = now_s
        self._call(now_s)

    def end_duty(self, counter: _Counter, now_s: float) -> None:
        counter.closing = True
        self._dismiss(now_s)

    def pause_due(self, counter: _Counter, end_s: float, now_s: float) -> None:
        counter.pause_until_s = end_s
        if counter.serving is None:
            self._depart(now_s, counter)
        self.plan_at(end_s, partial(self.pause_over, counter))

    def pause_over(self, counter: _Counter, now_s: float) -> None:
        counter.pause_until_s = None
        if counter.on_duty and counter.attended_from_s is None:
            counter.attended_from_s = now_s
        self._call(now_s)
        self._dismiss(now_s)

    def finish(self, counter: _Counter, now_s: float) -> None:
        assert counter.serving is not None
        counter.serving.finished_s, counter.serving.outcome = now_s, "served"
        counter.serving = None
        if counter.pause_until_s is not None:
            self._depart(now_s, counter)
        self._call(now_s)
        self._dismiss(now_s)

    def _call(self, now_s: float) -> None:
        """The longest waiting go to the counters that are free and staffed."""
        for counter in self.counters:
            if not self.queue:
                return
            if counter.ready:
                customer = self.queue.popleft()
                customer.called_s, customer.counter = now_s, counter.number
                counter.serving = customer
                busy_s = self.plan.walk_s + customer.arrival.service_s
                self.plan_at(now_s + busy_s, partial(self.finish, counter))

    def _dismiss(self, now_s: float) -> None:
        """After hours a clerk goes home when nobody waits any more."""
        if self.queue:
            return
        for counter in self.counters:
            if counter.closing and counter.serving is None:
                counter.on_duty = counter.closing = False
                self._depart(now_s, counter)

    def _depart(self, now_s: float, counter: _Counter) -> None:
        if counter.attended_from_s is not None:
            counter.attended.append((counter.attended_from_s, now_s))
            counter.attended_from_s = None

    def day(self, until_s: float) -> HallDay:
        for counter in self.counters:
            self._depart(until_s, counter)
        records = tuple(
            CustomerRecord(
                arrived_s=customer.arrival.arrived_s,
                people=customer.arrival.people,
                called_s=customer.called_s,
                counter=customer.counter,
                finished_s=customer.finished_s,
                outcome=customer.outcome,
            )
            for customer in self.customers
        )
        attended = tuple(tuple(counter.attended) for counter in self.counters)
        return HallDay(customers=records, attended=attended, until_s=until_s, walk_s=self.plan.walk_s)
