"""Whether a group of workers gets on with its partitions. Decides when one that gets on no more counts as stalled.

A partition is stalled when nothing of it was acknowledged for ``limit_s`` although something waits and more has come
meanwhile. Knows no server and no clock: it is told how much time it saw pass, so that a process that was itself
stopped, or that could not look, blames nobody for that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True)
class Position:
    """acknowledged: the next offset to be acknowledged; end: the next offset to be written."""

    acknowledged: int
    end: int


@dataclass
class _Watched:
    position: Position
    idle_s: float = 0.0


class Progress:
    """limit_s: how long without progress is too long; longest_look_s: more than that is never counted for one look."""

    def __init__(self, limit_s: float, longest_look_s: float) -> None:
        self._limit_s = limit_s
        self._longest_look_s = longest_look_s
        self._watched: dict[Place, _Watched] = {}

    def look(self, elapsed_s: float, positions: Mapping[Place, Position]) -> list[Place]:
        """The stalled partitions, in order. elapsed_s: since the look before; what is not in positions is forgotten."""
        before, self._watched = self._watched, {}
        stalled = []
        for place, position in sorted(positions.items()):
            watched = before.get(place)
            moved = watched is None or position.acknowledged != watched.position.acknowledged
            if watched is None or moved or position.acknowledged >= position.end:
                self._watched[place] = _Watched(position)
                continue
            watched.idle_s += min(elapsed_s, self._longest_look_s)
            self._watched[place] = watched
            if watched.idle_s >= self._limit_s and position.end > watched.position.end:
                stalled.append(place)
        return stalled
