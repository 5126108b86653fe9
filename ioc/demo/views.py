"""How the demo is shown: a live screen on a terminal, lines elsewhere. Both look at the same DemoState.

A reader of our output that goes away (a closed terminal, `| head`) is told by ``lost``; the demo then ends in order.
"""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live

from ioc.demo.labels import Labels
from ioc.demo.screen import age, draw, office_name, warnings
from ioc.demo.state import DemoState

PLAIN_EVERY_S = 5.0


class View(Protocol):
    lost: bool

    def show(self) -> None:
        """The state as it is now."""

    def say(self, line: str) -> None:
        """Something that happened."""

    def close(self) -> None:
        """Give the terminal back."""


class LiveView:
    """A full screen, given back at the end."""

    def __init__(self, state: DemoState, labels: Labels, console: Console | None = None) -> None:
        self._state, self._labels, self.lost = state, labels, False
        self._console = console or Console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._live.start()

    def show(self) -> None:
        size = self._console.size
        try:
            self._live.update(draw(self._state, self._labels, size.width, size.height), refresh=True)
        except (OSError, ValueError):
            self.lost = True

    def say(self, line: str) -> None:
        """Shown with the processes."""

    def close(self) -> None:
        try:
            self._live.stop()
        except (OSError, ValueError):
            self.lost = True


class PlainView:
    """A line every few seconds, alarms and steps as they come; no control characters."""

    def __init__(self, state: DemoState, labels: Labels, out: TextIO | None = None) -> None:
        self._state, self._labels, self._out, self.lost = state, labels, out or sys.stdout, False
        self._begun: dict[int, str] = {}
        self._ended = 0
        self._alarms: dict[str, str] = {}
        self._first = True
        self._printed_at = 0.0
        self._warned: list[str] = []

    def show(self) -> None:
        self._show_steps()
        if self._state.data_at is None:
            return
        self._show_alarms()
        told = warnings(self._state, self._labels)
        for text in told:
            if text not in self._warned:
                self.say(f"! {text}")
        self._warned = told
        moment = time.monotonic()
        if moment - self._printed_at >= PLAIN_EVERY_S and self._state.phase == "running":
            self._printed_at = moment
            self.say(figures_line(self._state, self._labels))

    def say(self, line: str) -> None:
        seconds = time.monotonic() - self._state.began
        try:
            print(f"{seconds:7.1f} s  {printable(line)}", file=self._out, flush=True)
        except (OSError, ValueError):
            self.lost = True

    def close(self) -> None:
        self._show_steps()

    def _show_steps(self) -> None:
        for number, step in enumerate(self._state.steps):
            name = self._labels.both(step.name)
            if self._begun.get(number) != step.note and step.ended is None:
                note = f": {self._labels.note(step.note)}" if step.note else ""
                self.say(f"… {name}{note}")
            self._begun[number] = step.note
        ended = [step for step in self._state.steps if step.ended is not None]
        for step in sorted(ended, key=lambda step: step.ended or 0.0)[self._ended :]:
            self.say(f"✓ {self._labels.both(step.name)}  {step.seconds:.1f} s")
        self._ended = len(ended)

    def _show_alarms(self) -> None:
        now = {alarm.alarm: alarm for alarm in self._state.database.open_alarms}
        for key, alarm in reversed(now.items()):
            if key not in self._alarms:
                text = self._labels.pick(alarm.text_vi, alarm.text_en)
                at = age((self._state.database.read_at - alarm.raised_at).total_seconds())
                self._alarms[key] = text
                self.say(f"{self._labels.both('alarm')} [{alarm.priority}] {text} ({at})")
        for key in [key for key in self._alarms if key not in now]:
            self.say(f"{self._labels.both('over')}: {self._alarms.pop(key)}")


def figures_line(state: DemoState, labels: Labels) -> str:
    """The numbers of the screen in one line."""
    database = state.database
    parts = [
        f"{labels.both('events_s')} {state.events_per_s:.1f}",
        f"{labels.both('readings_s')} {state.readings_per_s:.1f}",
        f"{labels.both('lag')} {'?' if state.lag is None else state.lag}",
        f"{labels.both('rows')} {database.stored} (+{state.rows_per_s:.1f}/s)",
        f"{labels.both('dead_letters')} {database.dead_letters}",
        f"{labels.both('alarms')} {len(database.open_alarms)}",
    ]
    if database.zones:
        zone = database.zones[0]
        name = office_name(labels.pick(zone.name_vi, zone.name_en))
        parts.append(f"{labels('halls')}: {name} {zone.people:.0f}/{zone.capacity}")
    if database.stations:
        station = database.stations[0]
        parts.append(f"{labels('roads')}: {labels.pick(station.name_vi, station.name_en)} {station.speed_kmh:.0f} km/h")
    return "  ".join(parts)


def printable(text: str) -> str:
    """One line without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
