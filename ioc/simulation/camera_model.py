"""What a camera reports of a hall whose truth is known: missed, doubled and hidden people, drop-outs, health.

Decides the errors of one camera; refuses to know how the hall day came about and what the platform makes of it.
People are hidden for spells (behind somebody, bent over a form), not afresh in each picture: errors of
neighbouring samples are correlated, as real ones are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from ioc.simulation.truth import HallDay, Part
from streams.schema.events import CameraObservation, Health, LineCrossing, ZoneCount
from streams.schema.site import Camera, Zone

PARTS: tuple[Part, ...] = ("waiting", "counter", "staff", "entrance")


@dataclass(frozen=True)
class CameraModel:
    frame_interval_s: float = 2.0
    missed: float = 0.04
    """Share of people not detected at a moment, in an empty hall; doubled people make up for it on average."""
    crowded_missed: float = 0.06
    """Added to ``missed`` for those who stand behind others, when the zone holds its capacity."""
    doubled: float = 0.045
    spell_s: float = 14.0
    """Mean time for which somebody stays hidden or doubled."""
    crossing_missed: float = 0.03
    crossing_doubled: float = 0.02
    dropouts_per_h: float = 5.0
    dropout_mean_s: float = 5.0
    delay_s: float = 0.12
    """Median time from the picture to the observation being received."""


DEFAULT_MODEL = CameraModel()


@dataclass(frozen=True)
class Outage:
    """health None: nothing is sent (power, network); else: observations say so and count nobody."""

    start_s: float
    end_s: float
    health: Health | None = None


def observe(
    camera: Camera,
    day: HallDay,
    midnight: datetime,
    from_s: float,
    to_s: float,
    rng: np.random.Generator,
    model: CameraModel = DEFAULT_MODEL,
    outages: tuple[Outage, ...] = (),
) -> list[CameraObservation]:
    """Observations in order of time, ``from_s`` <= observed < ``to_s`` (seconds after ``midnight``, local, aware).

    While the camera cannot see, an observation has no zones: a count of nobody would be a false one.
    """
    at_s = (
        from_s
        + rng.uniform(0, model.frame_interval_s)
        + np.arange(0.0, to_s - from_s - model.frame_interval_s, model.frame_interval_s)
    )
    counts = _zone_counts(camera, day, at_s, rng, model)
    crossings = [
        (line.id, _crossings(day.entered_s(), at_s, rng, model), _crossings(day.left_s(), at_s, rng, model))
        for line in camera.lines[:1]
    ]
    sent = _sent(at_s, rng, model)
    delay_s = model.delay_s * rng.lognormal(0.0, 0.35, at_s.size)
    observations: list[CameraObservation] = []
    for k, moment_s in enumerate(at_s.tolist()):
        outage = next((o for o in outages if o.start_s <= moment_s < o.end_s), None)
        if not sent[k] or (outage is not None and outage.health is None):
            continue
        health: Health = outage.health if outage is not None and outage.health is not None else "ok"
        seeing = health == "ok"
        observations.append(
            CameraObservation(
                camera=camera.id,
                observed_at=_instant(midnight, moment_s),
                received_at=_instant(midnight, moment_s + float(delay_s[k])),
                frame_interval_s=model.frame_interval_s,
                zones=[ZoneCount(zone, int(seen[k])) for zone, seen in counts.items()] if seeing else [],
                crossings=[
                    LineCrossing(line, int(entered[k]), int(left[k])) for line, entered, left in crossings if seeing
                ],
                health=health,
            )
        )
    return observations


def _zone_counts(
    camera: Camera, day: HallDay, at_s: np.ndarray, rng: np.random.Generator, model: CameraModel
) -> dict[str, np.ndarray]:
    counts: dict[str, np.ndarray] = {}
    for part in PARTS:
        zones = [zone for zone in camera.zones if zone.role == part]
        if zones:
            truth = shares(day.people(part, at_s), [zone.area_m2 for zone in zones])
            for zone, people in zip(zones, truth, strict=True):
                counts[zone.id] = _seen(people, zone, rng, model)
    return {zone.id: counts[zone.id] for zone in camera.zones}


def shares(people: np.ndarray, weights: list[float]) -> list[np.ndarray]:
    """People divided among places by weight, in whole people; the parts add up to the whole at each moment."""
    edges = np.floor(np.outer(np.cumsum([0.0, *weights]) / sum(weights), people) + 1e-9).astype(np.int64)
    return list(np.diff(edges, axis=0))


def _seen(people: np.ndarray, zone: Zone, rng: np.random.Generator, model: CameraModel) -> np.ndarray:
    """Detections of the people in a zone at each sample. Person number i is hidden and doubled in spells."""
    slots = int(people.max(initial=0))
    if slots == 0:
        return np.zeros_like(people)
    fullness = np.minimum(1.0, np.arange(1, slots + 1) / zone.capacity)
    hidden = _spells(model.missed + model.crowded_missed * fullness, people.size, rng, model)
    doubled = _spells(np.full(slots, model.doubled), people.size, rng, model) & ~hidden
    present = np.arange(slots)[None, :] < people[:, None]
    detections: np.ndarray = ((present & ~hidden).sum(axis=1) + (present & doubled).sum(axis=1)).astype(np.int64)
    return detections


def _spells(share: np.ndarray, samples: int, rng: np.random.Generator, model: CameraModel) -> np.ndarray:
    """A two-state Markov chain for each slot with this stationary share of True; shape (samples, slots)."""
    end = min(1.0, model.frame_interval_s / model.spell_s)
    begin = end * share / (1 - share)
    state = rng.random(share.size) < share
    states = np.empty((samples, share.size), dtype=bool)
    for k in range(samples):
        states[k] = state
        draw = rng.random(share.size)
        state = np.where(state, draw >= end, draw < begin)
    return states


def _crossings(passed_s: np.ndarray, at_s: np.ndarray, rng: np.random.Generator, model: CameraModel) -> np.ndarray:
    """Line crossings counted since the previous sample."""
    draw = rng.random(passed_s.size)
    times = 1 - (draw < model.crossing_missed) + (draw > 1 - model.crossing_doubled)
    sample = np.searchsorted(at_s, passed_s, side="left")
    inside = (sample < at_s.size) & (passed_s > at_s[0] - model.frame_interval_s)
    counted: np.ndarray = np.bincount(sample[inside], weights=times[inside], minlength=at_s.size).astype(np.int64)
    return counted


def _sent(at_s: np.ndarray, rng: np.random.Generator, model: CameraModel) -> np.ndarray:
    """False where the camera dropped out for a moment."""
    sent = np.ones(at_s.size, dtype=bool)
    span_s = float(at_s[-1] - at_s[0]) if at_s.size else 0.0
    for _ in range(rng.poisson(model.dropouts_per_h * span_s / 3600)):
        start_s = at_s[0] + rng.uniform(0, span_s)
        sent[(at_s >= start_s) & (at_s < start_s + rng.exponential(model.dropout_mean_s))] = False
    return sent


def _instant(midnight: datetime, after_s: float) -> datetime:
    return midnight.astimezone(UTC) + timedelta(milliseconds=round(after_s * 1000))
