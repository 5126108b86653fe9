"""The transport controls of a replay, as a state machine: play, pause, step, speed, seek, quit.

Pure: it is told each entry's recorded time and the reading of a monotonic clock, and answers whether the entry is
sent, passed over or waited for. Knows no Kafka, no terminal and no clock of its own, and nothing of what an entry
says.

Promises: entries come out in the order they are asked about, each at most once; none before it is due; a pause or a
change of speed passes nothing over; only a seek to before what was played goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GREATEST_SPEED = 1_000_000.0
LEAST_SPEED = 1 / 64


@dataclass(frozen=True, slots=True)
class Pause:
    """Stand still before the next entry."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Play on from where it stands."""


@dataclass(frozen=True, slots=True)
class TogglePause:
    """Pause what plays, resume what stands."""


@dataclass(frozen=True, slots=True)
class Step:
    """Send so many entries and stand still (again)."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class SetSpeed:
    """Recorded seconds a second; None: as fast as the entries are taken."""

    factor: float | None


@dataclass(frozen=True, slots=True)
class ScaleSpeed:
    """So many times the speed; from the greatest one back to the last one that had a number."""

    by: float


@dataclass(frozen=True, slots=True)
class Seek:
    """Go on with the first entry at or after this recorded time."""

    to_us: int


@dataclass(frozen=True, slots=True)
class SeekBy:
    """Seek so much ahead of (or behind) where it stands."""

    by_us: int


@dataclass(frozen=True, slots=True)
class Quit:
    """End here."""


Command = Pause | Resume | TogglePause | Step | SetSpeed | ScaleSpeed | Seek | SeekBy | Quit


@dataclass(frozen=True, slots=True)
class Turn:
    """What is done with the entry that was asked about.

    send: it is its turn. skip: pass it over, ask about the next. wait: ask again after ``wait_s`` (None: after the
    next command). rewind: begin the recording again and ask from its first entry on. end: nothing more of this pass.
    """

    action: Literal["send", "skip", "wait", "rewind", "end"]
    wait_s: float | None = None
    landed: bool = False
    """The first entry sent after a seek."""


_SKIP, _SEND, _LANDED = Turn("skip"), Turn("send"), Turn("send", landed=True)
_STAND, _REWIND, _END = Turn("wait"), Turn("rewind"), Turn("end")


class Transport:
    """speed: recorded seconds in one second, None for as fast as possible. from_us, until_us: recorded times; the
    first is included, the second is not. Times of the clock (``now_s``) never run back.
    """

    def __init__(
        self,
        speed: float | None = 1.0,
        *,
        paused: bool = False,
        from_us: int | None = None,
        until_us: int | None = None,
    ) -> None:
        if speed is not None and not speed > 0:
            raise ValueError("speed is above 0, or None for the greatest")
        self.speed, self.paused, self.ended = speed, paused, False
        self.breaks = 0
        """How often the schedule was interrupted: by a pause that ended, a step, a seek."""
        self._numbered = speed or 1.0
        self._from_us, self._until_us = from_us, until_us
        self._target_us = from_us
        self._sought = False
        self._steps = 0
        self._gap_us = 0
        self._since_s: float | None = None  # None: the schedule begins with the next entry
        self._since_us = 0
        self._asked_us: int | None = None  # the entry whose turn is next
        self._passed_us: int | None = None  # the last one sent or skipped in this reading of the recording

    @property
    def steps_left(self) -> int:
        """Steps asked for and not yet made."""
        return self._steps

    def apply(self, command: Command, now_s: float) -> None:
        """Raises ValueError: a speed that is not above 0, a step of none."""
        match command:
            case Pause():
                self._pause(now_s)
            case Resume():
                self._resume(now_s)
            case TogglePause():
                self._resume(now_s) if self.paused else self._pause(now_s)
            case Step(count):
                if count < 1:
                    raise ValueError("a step is of one entry at least")
                self._pause(now_s)
                self._steps += count
            case SetSpeed(factor):
                self._set_speed(factor, now_s)
            case ScaleSpeed(by):
                self._scale_speed(by, now_s)
            case Seek(to_us):
                self._seek(to_us)
            case SeekBy(by_us):
                self._seek(self._standing_us() + by_us)
            case Quit():
                self.ended = True

    def turn(self, logged_us: int, now_s: float) -> Turn:
        """What to do with the next entry, by its recorded time (never before that of the one before it)."""
        self._asked_us = logged_us
        if self.ended:
            return _END
        if self._goes_back():
            self._passed_us = None
            return _REWIND
        if self._until_us is not None and logged_us >= self._until_us:
            return _END
        if self._target_us is not None:
            if logged_us < self._target_us:
                self._passed_us = logged_us
                return _SKIP
            self._target_us = self._since_s = None
        if self.paused:
            if not self._steps:
                return _STAND
            self._steps -= 1
            self._since_s, self._since_us, self._gap_us = now_s, logged_us, 0
            self.breaks += 1
            return self._send(logged_us)
        if self._since_s is None:
            self._since_s, self._since_us = now_s + self._gap_us / 1e6 / (self.speed or GREATEST_SPEED), logged_us
            self._gap_us = 0
        if self.speed is not None:
            ahead_s = (logged_us - self._since_us) / 1e6 / self.speed - (now_s - self._since_s)
            if ahead_s > 0:
                return Turn("wait", ahead_s)
        return self._send(logged_us)

    def begin_again(self, gap_us: int) -> None:
        """The next pass of a loop, so much recorded time after the last one's last entry."""
        self._target_us, self._passed_us, self._asked_us = self._from_us, None, None
        self._since_s, self._gap_us = None, gap_us
        self._sought = False

    def _send(self, logged_us: int) -> Turn:
        self._passed_us = logged_us
        landed, self._sought = self._sought, False
        return _LANDED if landed else _SEND

    def _goes_back(self) -> bool:
        return self._target_us is not None and self._passed_us is not None and self._target_us <= self._passed_us

    def _pause(self, now_s: float) -> None:
        if not self.paused:
            self._hold(now_s)
            self.paused = True  # from here on the schedule stands still until it is resumed

    def _resume(self, now_s: float) -> None:
        if self.paused:
            self.paused, self._steps = False, 0
            if self._since_s is not None:
                self._since_s = now_s
            self.breaks += 1

    def _set_speed(self, factor: float | None, now_s: float) -> None:
        if factor is not None and not factor > 0:
            raise ValueError("speed is above 0, or None for the greatest")
        if not self.paused:
            self._hold(now_s)
        self.speed = factor
        self._numbered = factor or self._numbered

    def _scale_speed(self, by: float, now_s: float) -> None:
        if self.speed is None:
            self._set_speed(self._numbered if by < 1 else None, now_s)
        else:
            self._set_speed(min(max(self.speed * by, LEAST_SPEED), GREATEST_SPEED), now_s)

    def _seek(self, to_us: int) -> None:
        self._target_us, self._sought = to_us, True
        self._since_s, self._gap_us = None, 0
        self.breaks += 1

    def _standing_us(self) -> int:
        if self._target_us is not None:
            return self._target_us
        return self._asked_us or self._passed_us or 0

    def _hold(self, now_s: float) -> None:
        """The schedule goes on from where it is now; never from beyond the entry that waits."""
        if self._since_s is None:
            return
        place_us = self._since_us
        if self.speed is None:
            place_us = self._asked_us or place_us
        else:
            place_us += round((now_s - self._since_s) * 1e6 * self.speed)
            if self._asked_us is not None:
                place_us = min(place_us, self._asked_us)
        self._since_s, self._since_us = now_s, place_us
