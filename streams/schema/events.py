"""What happens: every event kind on the wire, as frozen structs with a versioned ``kind``.

Decides the shape of messages; refuses unknown fields. Does not decide what is plausible (streams.core.quality)
nor what exists (streams.schema.site). No kind has a field that can carry an image, a face or a plate.

Times are UTC. ``observed_at`` is when it happened (for a measured interval: its end), ``received_at`` when the
platform or its gateway first held it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Instant = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Column = Annotated[list[float | None], Meta(max_length=20_000)]
Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
IntColumn = Annotated[list[Int32 | None], Meta(max_length=20_000)]
Name = Annotated[str, Meta(max_length=64)]
IntervalS = Annotated[float, Meta(ge=1, le=900)]

Health = Literal[
    "ok", "offline", "frozen", "black", "covered", "defocused", "moved", "overexposed", "underexposed",
    "low-frame-rate", "clock-drift", "not-assessable",
]  # fmt: skip
VehicleClass = Literal["moto", "light", "heavy"]


class Event(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", omit_defaults=True):
    """Base of every kind."""


class ZoneCount(Struct, frozen=True, forbid_unknown_fields=True):
    zone: Id
    people: Count


class LineCrossing(Struct, frozen=True, forbid_unknown_fields=True):
    """People who crossed a counting line since the previous observation."""

    line: Id
    entered: Count
    left: Count


class CameraObservation(Event, frozen=True, tag="camera-observation.v1"):
    """One camera, one moment, all its zones."""

    camera: Id
    observed_at: Instant
    received_at: Instant
    frame_interval_s: Annotated[float, Meta(ge=0.01, le=60)]
    """Seconds between the looks this camera really took: the time that one sample stands for."""
    zones: Annotated[list[ZoneCount], Meta(max_length=64)]
    crossings: Annotated[list[LineCrossing], Meta(max_length=64)] = []
    health: Health = "ok"


class TrafficReading(Event, frozen=True, tag="traffic-reading.v1"):
    """One corridor, one interval, its stations and lanes as columns of equal length.

    ``observed_at`` is the END of the measuring interval: row i covers (observed_at - interval_s, observed_at].
    ``speed_kmh`` is the time-mean speed of the counted vehicles, null when none was counted or measured.
    """

    corridor: Id
    observed_at: Instant
    received_at: Instant
    interval_s: IntervalS
    station: Annotated[list[Name], Meta(min_length=1, max_length=20_000)]
    lane: Annotated[list[Int32], Meta(max_length=20_000)]
    count: IntColumn
    occupancy_pct: Column = []
    speed_kmh: Column = []
    flow_veh_h: Column = []
    class_counts: dict[VehicleClass, IntColumn] = {}
    gateway: Name = ""


class Tick(Event, frozen=True, tag="tick.v1"):
    """Time as an input: everything that happened before ``ticked_at`` may have arrived. One to each partition."""

    ticked_at: Instant


class ZoneOccupancy(Event, frozen=True, tag="zone-occupancy.v1"):
    """People in a zone during one window; ``revision`` grows with each correction."""

    camera: Id
    zone: Id
    window_start: Instant
    window_s: int
    revision: int
    people_mean: float
    people_max: int
    density_per_m2: float
    level_of_service: str
    samples: int
    coverage: float


class TrafficState(Event, frozen=True, tag="traffic-state.v1"):
    """Traffic on one lane (or, with lane 0, on all lanes of a station) during one window."""

    corridor: Id
    station: str
    lane: int
    window_start: Instant
    window_s: int
    revision: int
    vehicles: int
    flow_veh_h: float
    speed_kmh: float | None
    occupancy_pct: float | None
    density_veh_km: float | None
    level_of_service: str | None
    readings: int
    coverage: float


AlarmCondition = Literal["zone-overcrowded", "road-congested", "source-silent", "camera-cannot-see", "worker-stalled"]
AlarmState = Literal[
    "unacknowledged",
    "acknowledged",
    "returned-unacknowledged",
    "normal",
    "shelved",
    "suppressed",
    "out-of-service",
]
Priority = Literal["low", "high", "critical"]


class Alarm(Event, frozen=True, tag="alarm.v1"):
    """A transition of an alarm. ``alarm`` is the same for all transitions of one occurrence."""

    alarm: str
    source: Id
    place: str
    condition: AlarmCondition
    state: AlarmState
    priority: Priority
    raised_at: Instant
    changed_at: Instant
    detail_vi: str
    detail_en: str


class OperatorCommand(Event, frozen=True, tag="operator-command.v1"):
    """What a person asks of an alarm. Keyed like the alarm (its source)."""

    command: Id
    alarm: str
    source: Id
    action: Literal["acknowledge", "shelve", "unshelve", "comment", "out-of-service", "in-service"]
    operator: Id
    issued_at: Instant
    reason: Annotated[str, Meta(max_length=500)] = ""
    shelve_until: Instant | None = None


Reason = Literal[
    "not-json", "unknown-kind", "wrong-shape", "empty", "too-large", "implausible-time", "unknown-source",
    "unknown-place", "columns-differ", "implausible-value", "beyond-grace", "wrong-key",
]  # fmt: skip


class DeadLetter(Event, frozen=True, tag="dead-letter.v1"):
    """An event, or some rows of one, that could not be used, with the reason.

    (topic, partition, offset) leads to the original; ``payload`` is its beginning (at most 4 KiB, as text).
    """

    topic: str
    partition: int
    offset: int
    reason: Reason
    path: str
    detail: str
    rows: int
    """How many rows of the event were refused; 0: the whole event."""
    size_bytes: int
    sha256: str
    payload: str
    key: str = ""


InputEvent = CameraObservation | TrafficReading | Tick
EVENT_KINDS: tuple[type[Event], ...] = (
    CameraObservation, TrafficReading, Tick, ZoneOccupancy, TrafficState, Alarm, OperatorCommand, DeadLetter,
)  # fmt: skip
