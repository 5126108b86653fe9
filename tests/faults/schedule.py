"""What a seed means: which faults strike when, and how the input is disturbed. Pure; printable as one line."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ioc.chaos.schedule import KILL, PAUSE, Fault, Kind, plan
from tests.faults.disturbance import Disturbance, disturbance

KINDS: tuple[Kind, ...] = (
    KILL,
    PAUSE,
    Kind("join"),
    Kind("leave"),
    Kind("kafka-stop", 0.0, 3.0),
    Kind("kafka-kill", 0.0, 3.0),
    Kind("database-stop", 0.0, 3.0),
    Kind("database-kill", 0.0, 3.0),
    Kind("kafka-cut"),
    Kind("database-cut"),
    Kind("kafka-refuse", 0.5, 5.0),
    Kind("database-refuse", 0.5, 5.0),
    Kind("kafka-delay", 1.0, 5.0),
    Kind("database-delay", 1.0, 5.0),
    Kind("kafka-throttle", 1.0, 5.0),
    Kind("database-throttle", 1.0, 5.0),
    Kind("kafka-hole", 1.0, 9.0),
    Kind("database-hole", 1.0, 9.0),
)
"""A server's own restart takes some seconds more than the fault's length. cut: connections break; refuse: none is
taken; delay: bytes come 0.3 s later; throttle: 64 KiB/s; hole: bytes stop, connections stay."""
FIRST_STRIKE_S, LAST_STRIKE_S = 3.0, 11.0
"""Workers take some 3 s until they consume."""


@dataclass(frozen=True)
class Schedule:
    seed: int
    partitions: int
    workers: int
    faults: tuple[Fault, ...]
    disturbance: Disturbance

    def __str__(self) -> str:
        faults = ", ".join(map(str, self.faults))
        return f"{self.partitions} partitions, {self.workers} workers; {faults}; input {self.disturbance}"


def schedule(seed: int) -> Schedule:
    """Everything that is chosen for a seed."""
    chance = random.Random(f"schedule {seed}")
    partitions = chance.choice((1, 2, 3))
    return Schedule(
        seed=seed,
        partitions=partitions,
        workers=chance.randint(1, partitions + 1),
        faults=plan(
            chance.getrandbits(32),
            KINDS,
            strikes=chance.randint(1, 5),
            from_s=FIRST_STRIKE_S,
            until_s=LAST_STRIKE_S,
        ),
        disturbance=disturbance(chance.getrandbits(32)),
    )
