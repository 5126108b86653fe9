"""When a condition becomes an alarm and when it returns to normal: on-delay and off-delay, in event time.

On-delay: nothing to do if it clears by itself; off-delay: no flutter (ISA-18.2). Who is told is not decided here.
"""

from __future__ import annotations

import msgspec

from streams.schema.events import Alarm, AlarmCondition, Priority
from streams.schema.instants import duration_us, instant


class AlarmRule(msgspec.Struct, frozen=True):
    """condition, its place within the source, how urgent it is, and its delays."""

    condition: AlarmCondition
    source: str
    place: str
    priority: Priority
    on_delay_s: float
    off_delay_s: float
    text_vi: str
    text_en: str


class AlarmTimer(msgspec.Struct, array_like=True):
    """since_us: when the present run of the condition (or, if raised, of its absence) began; raised_us: the alarm."""

    since_us: int | None = None
    raised_us: int | None = None

    def step(self, rule: AlarmRule, begin_us: int, end_us: int, active: bool) -> Alarm | None:
        """The condition held (or not) from begin to end: the transition that follows, if any.

        Steps are given in order of time. An alarm is raised at the end of the first step by which the condition has
        held for on_delay_s.
        """
        raised = self.raised_us is not None
        if active == raised:
            self.since_us = None
            return None
        if self.since_us is None:
            self.since_us = begin_us
        delay_s = rule.off_delay_s if raised else rule.on_delay_s
        if end_us - self.since_us < duration_us(delay_s):
            return None
        self.since_us = None
        if raised:
            raised_us, self.raised_us = self.raised_us, None
            return _transition(rule, raised_us or 0, end_us, returned=True)
        self.raised_us = end_us
        return _transition(rule, end_us, end_us, returned=False)


def _transition(rule: AlarmRule, raised_us: int, changed_us: int, *, returned: bool) -> Alarm:
    raised_at = instant(raised_us)
    return Alarm(
        alarm=f"{rule.condition}:{rule.source}:{rule.place}:{raised_at:%Y%m%dT%H%M%SZ}",
        source=rule.source,
        place=rule.place,
        condition=rule.condition,
        state="returned-unacknowledged" if returned else "unacknowledged",
        priority=rule.priority,
        raised_at=raised_at,
        changed_at=instant(changed_us),
        detail_vi=rule.text_vi,
        detail_en=rule.text_en,
    )
