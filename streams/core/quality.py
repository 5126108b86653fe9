"""Which readings are plausible enough to be counted. Refuses single rows and whole events, each with its reason.

Whether a detector is healthy over time is not decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from streams.core.traffic import COUNT, HEAVY, LIGHT, MOTO, OCCUPANCY, SPEED
from streams.core.watermark import NEVER_US
from streams.schema.errors import RejectedEvent
from streams.schema.instants import microseconds

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
TICK_FUTURE_US = 60_000_000
MAX_VEHICLES_PER_S = 5.0
MIN_SPEED_KMH, MAX_SPEED_KMH = 0.1, 250.0

Numbers = NDArray[np.float64]


def check_times(observed_at: datetime, received_at: datetime, logged_us: int, clock_us: int, future_us: int) -> None:
    """Refuse an event from before 2000 or after 2100, or observed in the future.

    The future begins ``future_us`` after the event was received, after it was logged, and after the newest tick
    (where there is one). Raises RejectedEvent("implausible-time").
    """
    for name, moment in (("observed_at", observed_at), ("received_at", received_at)):
        if not EARLIEST <= moment < LATEST:
            raise RejectedEvent("implausible-time", f"{moment.isoformat()} is not between 2000 and 2100", f"$.{name}")
    observed_us = microseconds(observed_at)
    if observed_us > microseconds(received_at) + future_us:
        raise RejectedEvent("implausible-time", "observed after it was received", "$.observed_at")
    if observed_us > logged_us + future_us:
        raise RejectedEvent("implausible-time", "observed after it was logged", "$.observed_at")
    if clock_us != NEVER_US and observed_us > clock_us + future_us:
        raise RejectedEvent("implausible-time", "observed in the future of the stream's clock", "$.observed_at")


def check_tick(ticked_at: datetime, logged_us: int) -> None:
    """Refuse a tick from before 2000, after 2100 or from more than a minute after it was logged."""
    if not EARLIEST <= ticked_at < LATEST:
        raise RejectedEvent("implausible-time", f"{ticked_at.isoformat()} is not between 2000 and 2100", "$.ticked_at")
    if microseconds(ticked_at) > logged_us + TICK_FUTURE_US:
        raise RejectedEvent("implausible-time", "ticked after it was logged", "$.ticked_at")


def implausible(columns: Numbers, interval_s: float) -> NDArray[np.bool_]:
    """(rows,) which rows hold a value that no road can give; NaN is absent, not implausible.

    columns: (fields, rows) as in streams.core.traffic.FIELDS. Limits: nothing negative, at most 5 vehicles a second
    and lane (of a class too), occupancy at most 100 %, speed from 0.1 to 250 km/h.
    """
    vehicles, occupancy_pct, speed_kmh = columns[[COUNT, MOTO, LIGHT, HEAVY]], columns[OCCUPANCY], columns[SPEED]
    return np.asarray(
        (columns < 0).any(axis=0)
        | (vehicles > MAX_VEHICLES_PER_S * interval_s).any(axis=0)
        | (occupancy_pct > 100)
        | (speed_kmh < MIN_SPEED_KMH)
        | (speed_kmh > MAX_SPEED_KMH)
    )
