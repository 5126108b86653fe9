"""How a person says what the transport is to do: moments, command lines, keys. Pure text; a fault says what would be
right.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from streams.replay.transport import (
    GREATEST_SPEED,
    Command,
    Pause,
    Quit,
    Resume,
    ScaleSpeed,
    Seek,
    SeekBy,
    SetSpeed,
    Step,
    TogglePause,
)
from streams.schema.instants import SECOND_US, duration_us, microseconds

SEEK_KEY_US = 60 * SECOND_US
KEYS: dict[str, Command] = {
    " ": TogglePause(),
    "s": Step(),
    "\r": Step(),
    "\n": Step(),
    "+": ScaleSpeed(2),
    "=": ScaleSpeed(2),
    "-": ScaleSpeed(0.5),
    "m": SetSpeed(None),
    "\x1b[C": SeekBy(SEEK_KEY_US),
    "\x1bOC": SeekBy(SEEK_KEY_US),
    "\x1b[D": SeekBy(-SEEK_KEY_US),
    "\x1bOD": SeekBy(-SEEK_KEY_US),
    "q": Quit(),
}
LONGEST_KEY = max(map(len, KEYS))
LINES = "pause, resume, step [N], speed FACTOR|max, seek TIME|+OFFSET, quit"
MOMENTS = "an ISO time (2026-03-02T01:05:00Z) or an offset from the recording's beginning (+5m, 90s, 1h30m)"
_OFFSET = re.compile(r"\+?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse_moment(text: str, begin_us: int) -> int:
    """Recorded time in microseconds. A time without a zone is UTC. Raises ValueError saying what would be right."""
    given = text.strip()
    if given.strip("+") and (found := _OFFSET.fullmatch(given)):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return begin_us + duration_us(hours * 3600 + minutes * 60 + seconds)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{text!r} is neither of: {MOMENTS}") from None
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def parse_speed(text: str) -> float | None:
    """Recorded seconds a second; None for max. Raises ValueError."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= GREATEST_SPEED:
        raise ValueError(f"{text!r} is neither a factor above 0 (at most {GREATEST_SPEED:,.0f}) nor max")
    return speed


def parse_command(line: str, begin_us: int) -> Command:
    """One line of a script. Raises ValueError with the lines that are understood."""
    match line.split():
        case ["pause"]:
            return Pause()
        case ["resume"]:
            return Resume()
        case ["step"]:
            return Step()
        case ["step", count] if count.isascii() and count.isdigit() and int(count):
            return Step(int(count))
        case ["speed", factor]:
            return SetSpeed(parse_speed(factor))
        case ["seek", moment]:
            return Seek(parse_moment(moment, begin_us))
        case ["quit"]:
            return Quit()
    raise ValueError(f"{line.strip()!r} is no command; there are: {LINES}")


class KeyReader:
    """Bytes of a terminal to commands; a key's bytes may come in pieces."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, data: bytes) -> list[Command]:
        """What was pressed; keys that mean nothing are passed over."""
        self._rest += data.decode("utf-8", "replace")
        found: list[Command] = []
        while self._rest:
            size = next((n for n in range(LONGEST_KEY, 0, -1) if self._rest[:n] in KEYS), 0)
            if size:
                found.append(KEYS[self._rest[:size]])
            elif any(key.startswith(self._rest) for key in KEYS):
                break
            self._rest = self._rest[size or 1 :]
        return found
