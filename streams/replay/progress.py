"""Shows how far a replay or a recorder is: a bar on a terminal, a line now and then elsewhere. Decides nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from streams.replay.player import Progress
from streams.replay.recorder import Recorded
from streams.replay.recording import RecordingInfo
from streams.schema.instants import instant

PLAIN_EVERY_S = 5.0


class ReplayProgress:
    """Give it to ``play`` as ``on_progress`` and use it as a context.

    plain True: lines instead of a bar; None: lines where the console is not a terminal.
    """

    def __init__(
        self, info: RecordingInfo, *, console: Console | None = None, plain: bool | None = None, language: str = "vi"
    ) -> None:
        self._console = console or Console(stderr=True)
        self._plain = not self._console.is_terminal if plain is None else plain
        self._info, self._vi = info, language == "vi"
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._printed_s = 0.0
        self._last: Progress | None = None

    def __enter__(self) -> Self:
        title = self._info.title_vi if self._vi else self._info.title_en
        if self._plain:
            self._console.print(title, markup=False, highlight=False, soft_wrap=True)
            return self
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[at]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(title, total=self._length_s, at="", rate="")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._last is not None:
            self._console.print(self.line(self._last), markup=False, highlight=False, soft_wrap=True)

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        if self._bar is not None and self._task is not None:
            done = self._done_s(progress)
            self._bar.update(self._task, completed=done, at=self._at(progress), rate=self._rate(progress))
        elif progress.seconds - self._printed_s >= PLAIN_EVERY_S:
            self._printed_s = progress.seconds
            self._console.print(self.line(progress), markup=False, highlight=False, soft_wrap=True)

    def line(self, progress: Progress) -> str:
        """One line without a bar: recorded time, how far, rate, time left."""
        parts = [self._at(progress)]
        total, done = self._length_s, self._done_s(progress)
        if total and done is not None:
            parts.append(f"{100 * done / total:.0f} %")
        parts.append(self._rate(progress))
        if total and done and progress.passes == 1:
            left = "còn" if self._vi else "left"
            parts.append(f"{left} {progress.seconds * (total - done) / done:.0f} s")
        return "  ".join(parts)

    @property
    def _length_s(self) -> float | None:
        if self._info.from_us is None or self._info.to_us is None:
            return None
        return (self._info.to_us - self._info.from_us) / 1e6

    def _done_s(self, progress: Progress) -> float | None:
        return None if self._info.from_us is None else (progress.logged_us - self._info.from_us) / 1e6

    def _at(self, progress: Progress) -> str:
        at = f"{instant(progress.logged_us):%Y-%m-%d %H:%M:%S}Z"
        if progress.passes == 1:
            return at
        return f"{at} ({'lượt' if self._vi else 'pass'} {progress.passes})"

    def _rate(self, progress: Progress) -> str:
        seconds = max(progress.seconds, 1e-3)
        events, readings = progress.events / seconds, progress.rows / seconds
        if self._vi:
            return f"{events:,.0f} sự kiện/s ({readings:,.0f} số đo/s)"
        return f"{events:,.0f} events/s ({readings:,.0f} readings/s)"


class RecordProgress(ReplayProgress):
    """The same for ``record``: how far is counted in messages, and there is no end where it is live."""

    def __init__(
        self, info: RecordingInfo, *, console: Console | None = None, plain: bool | None = None, language: str = "vi"
    ) -> None:
        super().__init__(info, console=console, plain=plain, language=language)
        self._expected: int | None = None

    def __call__(self, progress: Progress) -> None:
        if isinstance(progress, Recorded) and progress.expected != self._expected:
            self._expected = progress.expected
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, total=self._expected)
        super().__call__(progress)

    def away(self, reason: str | None) -> None:
        """Says that Kafka is away, and why; None: that it is back."""
        if reason is None:
            text = "Kafka đã trở lại" if self._vi else "Kafka is back"
        else:
            text = f"{'Không kết nối được Kafka, đang chờ' if self._vi else 'Kafka is away, waiting'}: {reason}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @property
    def _length_s(self) -> float | None:
        return self._expected

    def _done_s(self, progress: Progress) -> float | None:
        return progress.read if isinstance(progress, Recorded) else None

    def _at(self, progress: Progress) -> str:
        return super()._at(progress) if progress.logged_us else "-"

    def _rate(self, progress: Progress) -> str:
        return f"{super()._rate(progress)}  {progress.bytes / 1e6:,.1f} MB"
