"""When which fault strikes, from a seed: the same seed always gives the same schedule. Pure.

Decides moments, kinds, targets and lengths. How a fault is done is not known here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. It lasts from least_s to most_s; both 0: a moment."""

    name: str
    least_s: float = 0.0
    most_s: float = 0.0


KILL = Kind("kill")
"""SIGKILL of a worker."""
PAUSE = Kind("pause", 0.5, 12.0)
"""SIGSTOP of a worker, then SIGCONT: below and above the group's session timeout."""


@dataclass(frozen=True, slots=True)
class Fault:
    """kind: its name; target: a number that is taken modulo how many there are."""

    at_s: float
    kind: str
    target: int = 0
    for_s: float = 0.0

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s

    def __str__(self) -> str:
        lasting = f" {self.for_s:g}s" if self.for_s else ""
        return f"{self.at_s:g}s {self.kind}#{self.target}{lasting}"


def plan(seed: int, kinds: Sequence[Kind], *, strikes: int, from_s: float, until_s: float) -> tuple[Fault, ...]:
    """So many faults at random moments, in order of time; none begins before from_s or after until_s."""
    chance = random.Random(seed)
    faults = []
    for _ in range(strikes):
        kind = chance.choice(kinds)
        at_s, for_s = round(chance.uniform(from_s, until_s), 1), round(chance.uniform(kind.least_s, kind.most_s), 1)
        faults.append(Fault(at_s, kind.name, chance.randrange(8), for_s))
    return tuple(sorted(faults, key=lambda fault: fault.at_s))
