"""When a source that says nothing has become an alarm. Driven by ticks alone."""

from __future__ import annotations

import msgspec

from streams.core.alarm import AlarmRule, AlarmTimer
from streams.core.watermark import NEVER_US
from streams.schema.events import Alarm
from streams.schema.instants import SECOND_US, duration_us
from streams.schema.site import Named


class Silence(msgspec.Struct, array_like=True):
    """newest_us: the newest observation of the source, or since when it is listened to; clock_us: the newest tick."""

    newest_us: int = NEVER_US
    clock_us: int = NEVER_US
    timer: AlarmTimer = msgspec.field(default_factory=AlarmTimer)

    def heard(self, observed_us: int) -> None:
        self.newest_us = max(self.newest_us, observed_us)

    def step(self, clock_us: int, source: Named, silent_after_s: float) -> Alarm | None:
        """A tick: silent when the newest observation is silent_after_s old; heard again: over at once.

        Where the ticks themselves were away for so long the platform stood still, and no source is to blame:
        listening begins anew.
        """
        limit_us = duration_us(silent_after_s)
        if clock_us - self.clock_us >= limit_us and self.timer.raised_us is None:
            self.newest_us = max(self.newest_us, clock_us)
        self.clock_us = clock_us
        silent = clock_us - self.newest_us >= limit_us
        if not silent and self.timer.raised_us is None:
            return None
        rule = AlarmRule(
            "source-silent", source.id, "", "low", 0.0, 0.0,
            f"Không nhận được dữ liệu từ {source.name_vi} quá {silent_after_s:g} giây",
            f"No data from {source.name_en} for more than {silent_after_s:g} s",
        )  # fmt: skip
        return self.timer.step(rule, clock_us - SECOND_US, clock_us, silent)
