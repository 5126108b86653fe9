"""When a source that says nothing has become an alarm. Driven by ticks alone, and the same in any order of arrival.

A tick judges the moment that lies the lateness behind it: what was observed until then has arrived. Silent is a
source of which nothing was observed for ``silent_after_s`` before that moment. Where the ticks themselves were away
the platform stood still and no source is to blame: listening begins anew. A source that was never heard is not judged.
"""

from __future__ import annotations

import msgspec

from streams.core.alarm import AlarmRule, AlarmTimer
from streams.core.watermark import NEVER_US
from streams.schema.events import Alarm
from streams.schema.instants import SECOND_US, duration_us
from streams.schema.site import Named, StreamPolicy


class Listening(msgspec.Struct, array_like=True):
    """What ticks a partition has had. clock_us: the newest; since_us: since when they have come without a gap."""

    clock_us: int = NEVER_US
    since_us: int = NEVER_US

    def tick(self, ticked_us: int, silent_after_s: float) -> None:
        """A gap is half of silent_after_s: a shorter one cannot by itself make a source silent that sends often."""
        if ticked_us - self.clock_us >= duration_us(silent_after_s) // 2:
            self.since_us = ticked_us
        self.clock_us = ticked_us


class Silence(msgspec.Struct, array_like=True):
    """stretches: (first, last) observation of each time in which none was silent_after_s or longer after another."""

    stretches: list[tuple[int, int]] = []
    timer: AlarmTimer = msgspec.field(default_factory=AlarmTimer)

    def heard(self, observed_us: int, policy: StreamPolicy) -> None:
        """Something was observed; it joins the stretches that it is near to, so the order does not matter."""
        limit_us = duration_us(policy.silent_after_s)
        first_us = last_us = observed_us
        apart = []
        for first, last in self.stretches:
            if first - limit_us < observed_us < last + limit_us:
                first_us, last_us = min(first_us, first), max(last_us, last)
            else:
                apart.append((first, last))
        self.stretches = sorted([*apart, (first_us, last_us)])

    def step(self, listening: Listening, source: Named, policy: StreamPolicy) -> Alarm | None:
        """A tick came: the transition that follows, if any. It is dated by the tick."""
        judged_us = listening.clock_us - duration_us(policy.lateness_s)
        begun = [stretch for stretch in self.stretches if stretch[0] <= judged_us]
        self.stretches = [*begun[-1:], *self.stretches[len(begun) :]]
        if not begun:
            return None
        heard_us = max(begun[-1][1], listening.since_us)
        silent = judged_us - heard_us >= duration_us(policy.silent_after_s)
        if not silent and self.timer.raised_us is None:
            return None
        rule = AlarmRule(
            "source-silent", source.id, "", "low", 0.0, 0.0,
            f"Không nhận được dữ liệu từ {source.name_vi} quá {policy.silent_after_s:g} giây",
            f"No data from {source.name_en} for more than {policy.silent_after_s:g} s",
        )  # fmt: skip
        return self.timer.step(rule, listening.clock_us - SECOND_US, listening.clock_us, silent)
