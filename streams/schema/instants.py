"""Instants as int64 microseconds since 1970 UTC (``_us``): what the core computes with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Exact microseconds since 1970 of an instant with a time zone."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """The UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def duration_us(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * SECOND_US)
