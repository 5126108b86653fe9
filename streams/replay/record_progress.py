"""Shows how far a recorder is: a bar on a terminal, a line now and then elsewhere. Decides nothing about the recorder.

How far is counted in messages; there is no end where it is live.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.replay.recorder import Recorded
from streams.replay.recording import RecordingInfo
from streams.schema.instants import instant

PLAIN_EVERY_S = 5.0


class RecordProgress:
    """Use as a context, and its calls as ``on_progress``. Plain: a line every PLAIN_EVERY_S instead of a bar."""

    def __init__(
        self, info: RecordingInfo, *, console: Console | None = None, plain: bool | None = None, language: str = "vi"
    ) -> None:
        self._console = console or Console(stderr=True)
        self._plain = not self._console.is_terminal if plain is None else plain
        self._info, self._vi = info, language == "vi"
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._printed_s = 0.0
        self._last: Recorded | None = None

    def __enter__(self) -> Self:
        title = self._say(self._info.title_vi, self._info.title_en)
        if self._plain:
            self._print(title)
            return self
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[at]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(title, total=None, at="", rate="")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._last is not None:
            self._print(self.line(self._last))

    def __call__(self, recorded: Recorded) -> None:
        self._last = recorded
        if self._bar is not None and self._task is not None:
            at, rate = self._at(recorded), self._rate(recorded)
            self._bar.update(self._task, total=recorded.expected, completed=recorded.read, at=at, rate=rate)
        elif recorded.seconds - self._printed_s >= PLAIN_EVERY_S:
            self._printed_s = recorded.seconds
            self._print(self.line(recorded))

    def away(self, reason: str | None) -> None:
        """Says that Kafka is away, and why; None: that it is back."""
        if reason is None:
            self._print(self._say("Kafka đã trở lại", "Kafka is back"))
        else:
            self._print(f"{self._say('Không kết nối được Kafka, đang chờ', 'Kafka is away, waiting')}: {reason}")

    def line(self, recorded: Recorded) -> str:
        """One line without a bar: recorded time, how far, rate, time left."""
        parts = [self._at(recorded)]
        if recorded.expected:
            parts.append(f"{100 * recorded.read / recorded.expected:.0f} %")
        parts.append(self._rate(recorded))
        if recorded.expected and recorded.read:
            left_s = recorded.seconds * (recorded.expected - recorded.read) / recorded.read
            parts.append(f"{self._say('còn', 'left')} {left_s:.0f} s")
        return "  ".join(parts)

    def _at(self, recorded: Recorded) -> str:
        return f"{instant(recorded.logged_us):%Y-%m-%d %H:%M:%S}Z" if recorded.logged_us else "-"

    def _rate(self, recorded: Recorded) -> str:
        seconds = max(recorded.seconds, 1e-3)
        events, readings = recorded.events / seconds, recorded.rows / seconds
        told = f"{events:,.0f} {self._say('sự kiện', 'events')}/s ({readings:,.0f} {self._say('số đo', 'readings')}/s)"
        return f"{told}  {recorded.bytes / 1e6:,.1f} MB"

    def _say(self, vi: str, en: str) -> str:
        return vi if self._vi else en

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
