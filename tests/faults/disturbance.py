"""How an input is disturbed, from a seed: shuffled, duplicated, split, late, poisoned, sources silent, a clock that
jumps. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from streams.replay.perturb import delay_some, duplicate, shuffle_within, split_rows
from streams.replay.recording import Entry, InputTopic, Record, Verbatim
from streams.schema.events import CameraObservation, Tick
from streams.schema.instants import instant, microseconds
from streams.schema.site import Site

SECOND_US = 1_000_000
POISON: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"\xff\xfe\x00",
    b"[" * 2000,
    b'{"kind":"camera-observation.v1"}',
    b'{"kind":"no-such-kind.v9"}',
    b'{"kind":"tick.v1","ticked_at":"2199-01-01T00:00:00Z"}',
    b'{"kind":"tick.v1","ticked_at":"2026-03-10T03:00:00Z"}',
    b'{"kind":"tick.v1","ticked_at":"yesterday"}',
    b'{"kind":"traffic-reading.v1","corridor":"a\\u0000b"}',
)
"""Two of them are ticks of a clock that is far ahead: refused, as no clock is so wrong."""


@dataclass(frozen=True)
class Disturbance:
    """Shares are of events. jumps: (from, for, by) seconds: the ticks' clock is wrong by so much for a while; silences:
    (camera's number, from, for) seconds; start_s: which part of the recording is played."""

    seed: int
    start_s: int
    shuffled: bool
    duplicated: float
    split: float
    late: float
    hopeless: float
    poison: int
    jumps: tuple[tuple[int, int, int], ...]
    silences: tuple[tuple[int, int, int], ...]

    def __str__(self) -> str:
        """Everything that is not as in the recording."""
        told = [f"from {self.start_s} s"]
        told += ["shuffled"] if self.shuffled else []
        shares = {"duplicated": self.duplicated, "split": self.split, "late": self.late, "beyond grace": self.hopeless}
        told += [f"{name} {share:.0%}" for name, share in shares.items() if share]
        told += [f"poisoned {self.poison}"] if self.poison else []
        told += [f"clock {by_s:+d} s at {from_s} s for {for_s} s" for from_s, for_s, by_s in self.jumps]
        told += [f"camera {number} silent at {from_s} s for {for_s} s" for number, from_s, for_s in self.silences]
        return ", ".join(told)


def disturbance(seed: int) -> Disturbance:
    chance = random.Random(seed)
    jumps = [
        (chance.randint(20, 400), chance.randint(5, 60), chance.randint(-90, 90))
        for _ in range(chance.choice((0, 1, 2)))
    ]
    return Disturbance(
        seed=seed,
        start_s=chance.randrange(0, 700),
        shuffled=chance.random() < 0.5,
        duplicated=chance.choice((0.0, 0.02, 0.1)),
        split=chance.choice((0.0, 0.2)),
        late=chance.choice((0.0, 0.02, 0.05)),
        hopeless=chance.choice((0.0, 0.01)),
        poison=chance.choice((0, 3, 12)),
        jumps=tuple(sorted(jumps)),
        silences=tuple(
            (number, chance.randint(60, 200), chance.randint(40, 120)) for number in range(chance.randint(0, 3))
        ),
    )


def disturbed(entries: Iterable[Entry], of: Disturbance, site: Site) -> list[Entry]:
    """The entries as they arrive, sorted by arrival."""
    policy = site.streams.camera
    made = _silenced(list(entries), of)
    first_us = made[0].logged_us
    if of.split:
        made = split_rows(made, of.split, of.seed + 1)
    if of.duplicated:
        made = duplicate(made, of.duplicated, of.seed + 2)
    if of.shuffled:
        made = shuffle_within(made, policy.lateness_s, of.seed + 3)
    if of.late:
        made = delay_some(made, of.late, of.seed + 4, at_least_s=policy.lateness_s + 15, at_most_s=policy.grace_s)
    if of.hopeless:
        beyond_s = policy.lateness_s + policy.grace_s + 65
        made = delay_some(made, of.hopeless, of.seed + 5, at_least_s=beyond_s, at_most_s=beyond_s + 60)
    made = [_jumped(entry, of, first_us) for entry in made]
    return sorted([*made, *_poison(made, of)], key=lambda entry: entry.logged_us)


def _silenced(entries: list[Entry], of: Disturbance) -> list[Entry]:
    cameras = sorted({entry.event.camera for entry in entries if _is_camera(entry)})
    first_us = entries[0].logged_us

    def silent(entry: Entry) -> bool:
        at_s = (entry.logged_us - first_us) / SECOND_US
        return _is_camera(entry) and any(
            entry.event.camera == cameras[number % len(cameras)] and from_s <= at_s < from_s + for_s
            for number, from_s, for_s in of.silences
        )

    return [entry for entry in entries if not silent(entry)]


def _is_camera(entry: Entry) -> bool:
    return isinstance(entry, Record) and isinstance(entry.event, CameraObservation)


def _jumped(entry: Entry, of: Disturbance, first_us: int) -> Entry:
    if not (isinstance(entry, Record) and isinstance(entry.event, Tick)):
        return entry
    at_s = (entry.logged_us - first_us) / SECOND_US
    by_us = sum(by_s * SECOND_US for from_s, for_s, by_s in of.jumps if from_s <= at_s < from_s + for_s)
    if not by_us:
        return entry
    return Record(entry.logged_us, Tick(ticked_at=instant(microseconds(entry.event.ticked_at) + by_us)))


def _poison(entries: list[Entry], of: Disturbance) -> list[Entry]:
    chance = random.Random(of.seed + 6)
    topics: tuple[InputTopic, ...] = ("observations.camera", "observations.traffic")
    keys = ["", *sorted({entry.event.camera for entry in entries if _is_camera(entry)})]
    return [
        Verbatim(chance.choice(entries).logged_us, chance.choice(POISON), chance.choice(topics), chance.choice(keys))
        for _ in range(of.poison)
    ]
