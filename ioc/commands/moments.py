"""Moments as a person writes them on a command line."""

from __future__ import annotations

import re
import time
from datetime import datetime

import click

from streams.schema.instants import SECOND_US, microseconds

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO = re.compile(r"^-(\d{1,9})([smhd])$")


class Moment(click.ParamType):
    """Microseconds since 1970 of a time with its zone, of "now", or of so long ago."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        now_us = time.time_ns() // 1000
        if text == "now":
            return now_us
        if ago := _AGO.match(text):
            return now_us - int(ago[1]) * _UNITS_S[ago[2]] * SECOND_US
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            self.fail(
                f"{text!r} is no moment; write 2026-03-02T08:00+07:00 (with its time zone), -15m, -2h, -1d or now",
                param,
                ctx,
            )
        return microseconds(at)


MOMENT = Moment()
