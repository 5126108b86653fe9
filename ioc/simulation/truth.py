"""What really happened in a hall, customer by customer, and the counts that follow from it at any moment.

Decides which part of the hall a person is in; refuses to know how the day came about or how a camera sees it.
Times are seconds after local midnight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Span = tuple[float, float]
Times = np.ndarray
Part = Literal["waiting", "counter", "staff", "entrance"]
DOOR_S = 5.0
"""So long a person is seen in the entrance, coming and going."""
STEP_S = 0.8
"""Members of a group pass the door so long after each other."""


@dataclass(frozen=True)
class CustomerRecord:
    """One customer with companions. Waiting is arrived -> called, service called -> finished."""

    arrived_s: float
    people: int
    called_s: float | None
    counter: int | None
    finished_s: float | None
    """End of service, or the moment of giving up; None: still in the hall at the end of the simulation."""
    outcome: Literal["present", "served", "gave-up"]


@dataclass(frozen=True)
class HallDay:
    customers: tuple[CustomerRecord, ...]
    attended: tuple[tuple[Span, ...], ...]
    """By counter: when somebody was behind it."""
    until_s: float
    walk_s: float

    def people(self, part: Part, at_s: Times) -> np.ndarray:
        """People in a part of the hall at each moment (any shape, any order), as int64."""
        return _inside(self._spans(part), at_s)

    def entered_s(self) -> Times:
        """When each person passed the door inwards, in order."""
        return np.sort(np.array([c.arrived_s + k * STEP_S for c in self.customers for k in range(c.people)]))

    def left_s(self) -> Times:
        """When each person passed the door outwards, in order."""
        gone = [
            finished_s + self.walk_s + DOOR_S + k * STEP_S
            for c in self.customers
            if (finished_s := c.finished_s) is not None
            for k in range(c.people)
        ]
        return np.sort(np.array(gone))

    def _spans(self, part: Part) -> Iterable[Span]:
        if part == "staff":
            return [span for spans in self.attended for span in spans]
        return [span for customer in self.customers for span in self._spans_of(customer, part)]

    def _spans_of(self, c: CustomerRecord, part: Part) -> Iterable[Span]:
        finished_s = np.inf if c.finished_s is None else c.finished_s
        at_door_s, seated_s = finished_s + self.walk_s, c.arrived_s + DOOR_S
        if part == "entrance":
            for k in range(c.people):
                yield c.arrived_s + k * STEP_S, seated_s + k * STEP_S
                yield at_door_s + k * STEP_S, at_door_s + DOOR_S + k * STEP_S
        elif part == "counter" and c.called_s is not None:
            yield max(c.called_s + self.walk_s, seated_s), finished_s
        elif part == "waiting":
            if c.called_s is None:
                yield seated_s, at_door_s
            else:
                yield seated_s, max(c.called_s + self.walk_s, seated_s)
                yield finished_s, at_door_s
            for k in range(1, c.people):
                yield seated_s + k * STEP_S, at_door_s + k * STEP_S


def _inside(spans: Iterable[Span], at_s: Times) -> np.ndarray:
    """How many half-open spans [start, end) hold each moment."""
    bounds = np.array(sorted(spans), dtype=float).reshape(-1, 2)
    starts, ends = np.sort(bounds[:, 0]), np.sort(bounds[:, 1])
    return np.searchsorted(starts, at_s, side="right") - np.searchsorted(ends, at_s, side="right")
