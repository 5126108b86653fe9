"""Shows how far a replay is: a bar on a terminal, a line now and then elsewhere. Decides nothing about the replay."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from streams.replay.player import Progress
from streams.replay.recording import RecordingInfo
from streams.schema.instants import instant

PLAIN_EVERY_S = 5.0
RECENT_S = 3.0
"""What is called the rate is that of the last so many seconds; in the last line that of the whole."""
KEYS = (
    "phím cách: dừng/tiếp   s: từng bước   + -: tốc độ   m: nhanh nhất   ← →: tua 60 s   q: kết thúc",
    "space: pause/resume   s: step   + -: speed   m: max   ← →: seek 60 s   q: quit",
)
KINDS = {"camera": ("camera", "camera"), "traffic": ("giao thông", "traffic"), "tick": ("nhịp", "tick")}


class ReplayProgress:
    """Give it to ``play`` as ``on_progress`` and use it as a context.

    plain True: lines instead of a bar; None: lines where the console is not a terminal. keys: below the bar stands
    which keys there are.
    """

    def __init__(
        self,
        info: RecordingInfo,
        *,
        console: Console | None = None,
        plain: bool | None = None,
        language: str = "vi",
        keys: bool = False,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._plain = not self._console.is_terminal if plain is None else plain
        self._info, self._vi, self._keys = info, language == "vi", keys
        self._bar: Bar | None = None
        self._live: Live | None = None
        self._task: TaskID | None = None
        self._rates = _one_line("", "")
        self._printed, self._printed_s = "", 0.0
        self._last: Progress | None = None
        self._over = False
        self._recent: deque[Progress] = deque()

    def __enter__(self) -> Self:
        title = self._say(self._info.title_vi, self._info.title_en)
        if self._plain:
            self._console.print(title, markup=False, highlight=False, soft_wrap=True)
            return self
        self._bar = Bar(
            TextColumn("{task.fields[state]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[at]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            expand=True,
        )
        self._task = self._bar.add_task(title, total=self._length_s, state="", at="", left="")
        keys = [_one_line(self._say(*KEYS), "dim")] if self._keys else []
        parts = Group(_one_line(title, "bold"), self._bar, self._rates, *keys)
        self._live = Live(parts, console=self._console, refresh_per_second=8)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recent.clear()
        self._over = True
        if self._last is not None:
            self._show(self._last)
        if self._live is not None:
            self._live.stop()
        elif self._last is not None:
            self._print(self._last)

    def __call__(self, progress: Progress) -> None:
        before, self._last = self._last, progress
        while self._recent and self._recent[0].seconds < progress.seconds - RECENT_S:
            self._recent.popleft()
        self._recent.append(progress)
        if self._bar is not None:
            self._show(progress)
        elif self._is_news(before, progress):
            self._printed_s = progress.seconds
            self._print(progress)

    def _print(self, progress: Progress) -> None:
        line = self.line(progress)
        if line != self._printed:
            self._printed = line
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _is_news(self, before: Progress | None, progress: Progress) -> bool:
        """For who reads lines: another state, or so much time; while it stands still nothing new is told."""
        if before is None:
            return progress.paused
        if (before.paused, before.speed) != (progress.paused, progress.speed):
            return True
        stepped = (progress.events, progress.logged_us) != (before.events, before.logged_us)
        return stepped if progress.paused else progress.seconds - self._printed_s >= PLAIN_EVERY_S

    def line(self, progress: Progress) -> str:
        """One line without a bar: state, recorded time, how far, rate, time left."""
        parts = [self._state(progress), self._at(progress)]
        total, done = self._length_s, self._done_s(progress)
        if total and done is not None:
            parts.append(f"{100 * done / total:.0f} %")
        parts += [self._latest(progress) or self._rate(progress), self._left(progress)]
        return "  ".join(part for part in parts if part)

    def _show(self, progress: Progress) -> None:
        self._rates.plain = self._latest(progress) or self._rate(progress)
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                completed=self._done_s(progress),
                state=self._state(progress),
                at=self._at(progress),
                left=self._left(progress),
            )

    def _say(self, vi: str, en: str) -> str:
        return vi if self._vi else en

    @property
    def _length_s(self) -> float | None:
        if self._info.from_us is None or self._info.to_us is None:
            return None
        return (self._info.to_us - self._info.from_us) / 1e6

    def _done_s(self, progress: Progress) -> float | None:
        return None if self._info.from_us is None else max(0, progress.logged_us - self._info.from_us) / 1e6

    def _state(self, progress: Progress) -> str:
        speed = self._say("nhanh nhất", "max") if progress.speed is None else f"×{progress.speed:g}"
        return f"{self._say('tạm dừng', 'paused')} ({speed})" if progress.paused else speed

    def _at(self, progress: Progress) -> str:
        at = f"{instant(progress.logged_us):%Y-%m-%d %H:%M:%S}Z"
        if progress.passes == 1:
            return at
        return f"{at} ({self._say('lượt', 'pass')} {progress.passes})"

    def _recently(self, progress: Progress) -> tuple[float, float, float]:
        """Events, readings and recorded seconds a second, of late."""
        since = self._recent[0] if self._recent and self._recent[0].seconds < progress.seconds else None
        events, rows, played_us, seconds = progress.events, progress.rows, progress.played_us, progress.seconds
        if since is not None:
            events, rows, played_us = events - since.events, rows - since.rows, played_us - since.played_us
            seconds -= since.seconds
        seconds = max(seconds, 1e-3)
        return events / seconds, rows / seconds, played_us / 1e6 / seconds

    def _rate(self, progress: Progress) -> str:
        events, readings, factor = self._recently(progress)
        told = f"{events:,.0f} {self._say('sự kiện', 'events')}/s ({readings:,.0f} {self._say('số đo', 'readings')}/s)"
        return f"{told}, {self._say('thực tế', 'in effect')} ×{factor:,.{1 if factor < 10 else 0}f}" if factor else told

    def _latest(self, progress: Progress) -> str:
        """Who steps wants to know what was sent."""
        if not progress.paused or progress.entry is None:
            return ""
        kind, device = progress.entry
        what = f"{self._say(*KINDS[kind])} {device}".rstrip()
        return f"{self._say('vừa phát', 'sent')}: {what}  {instant(progress.logged_us):%H:%M:%S.%f}"[:-3] + "Z"

    def _left(self, progress: Progress) -> str:
        total, done, factor = self._length_s, self._done_s(progress), self._recently(progress)[2]
        if self._over or progress.paused or progress.passes > 1 or not factor:
            return ""
        if not total or done is None or done >= total:
            return ""
        seconds = (total - done) / (factor if progress.speed is None else progress.speed)
        return f"{self._say('còn', 'left')} {seconds:.0f} s"


def _one_line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
