"""How far event time has come for one source. Decides what is on time, late, or beyond grace.

A watermark W says: everything observed before W has arrived. It follows the newest observation and the ticks of
the stream, ``lateness`` behind them. It never asks a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

NEVER_US = -(2**62)


@dataclass(frozen=True)
class Lateness:
    """lateness_us: what comes within it is on time. grace_us: so long after that, an event still corrects.

    margin_us: half a measuring interval, since a sample belongs to the window that holds its middle.
    """

    lateness_us: int
    grace_us: int
    margin_us: int = 0


@dataclass
class Watermark:
    """newest_us: the newest observation; clock_us: the newest tick."""

    lateness: Lateness
    newest_us: int = NEVER_US
    clock_us: int = NEVER_US

    @property
    def position_us(self) -> int:
        """Windows that end at or before it are closed."""
        return max(self.newest_us, self.clock_us) - self.lateness.lateness_us - self.lateness.margin_us

    @property
    def grace_position_us(self) -> int:
        """Windows that end at or before it take no correction any more."""
        return self.position_us - self.lateness.grace_us

    def observe(self, observed_us: int) -> None:
        self.newest_us = max(self.newest_us, observed_us)

    def tick(self, ticked_us: int) -> None:
        self.clock_us = max(self.clock_us, ticked_us)
