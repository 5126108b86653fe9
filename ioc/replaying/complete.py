"""A run that is complete in itself: a namespace, workers, the replay, and what came of it in counts.

Decides when such a run is done and what is told of it. Leaves the namespace for looking, unless told to drop it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ioc.isolated import IsolatedRun, NotDone
from streams.admin import consumer_lag, ensure_topics, total
from streams.replay.player import PlayResult
from streams.replay.readers import foreign_site
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.settings import Settings
from streams.schema.site import Site, load_site
from streams.storage.migrate import migrate
from streams.storage.namespaces import Counted, Stored, namespaces, stored

STALLED_AFTER_S = 120.0
"""A worker that has taken nothing for so long will not go on by itself."""
_LOOK_EVERY_S = 0.2
_TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Outcome:
    """What a complete run did, and what it left."""

    played: PlayResult
    stored: Stored
    drained_s: float


def make_namespace(settings: Settings) -> None:
    """Topics and schema that are missing."""
    migrate(settings)
    asyncio.run(ensure_topics(settings))


def run_complete(
    settings: Settings,
    file: Path,
    play: Callable[[Settings], PlayResult],
    *,
    workers: int,
    drop: bool,
    say: Callable[[str, str], None],
) -> Outcome:
    """say: in Vietnamese and English, as things happen. The site is that of the recording, else the site file.

    Raises NotDone (with the tail of the workers' log), and ConfigurationInvalid where ``drop`` would take away what
    was there before.
    """
    if drop and settings.namespace in {known.name for known in namespaces(settings)}:
        raise ConfigurationInvalid("--drop", f"{settings.namespace} was there before; `ioc runs drop` removes it")
    site, folder = _site(settings, file), Path(tempfile.mkdtemp(prefix="ioc-run-"))
    run = IsolatedRun(
        settings,
        site,
        folder,
        partitions=settings.partitions,
        store_readings=settings.store_readings,
        name=settings.namespace,
        keep=not drop,
    )
    keep_log = False
    try:
        with run:
            for _ in range(workers):
                run.start_worker()
            name = settings.namespace
            say(f"{name}: {workers} tiến trình xử lý", f"{name}: worker processes: {workers}")
            played = play(run.settings)
            drained_s = _drain(run, say)
            for worker in run.workers:
                run.stop_worker(worker)
            return Outcome(played, stored(run.settings), drained_s)
    except NotDone:
        keep_log = True
        say(f"nhật ký: {run.log_file}", f"log: {run.log_file}")
        raise
    finally:
        if not keep_log:
            shutil.rmtree(folder)


def report(outcome: Outcome, namespace: str, *, dropped: bool, vi: bool) -> str:
    """The counts as lines, and how to look closer."""

    def counted(title: str, found: list[Counted]) -> list[str]:
        lines = [f"  {each.count:>10,}  {each.label_vi if vi else each.label_en} ({each.name})" for each in found]
        return [f"{title}: {sum(each.count for each in found):,}", *lines]

    held = outcome.stored
    lines = ["Hàng theo bảng:" if vi else "Rows by table:"]
    lines += [f"  {count:>10,}  {table}" for table, count in held.rows.items() if count]
    lines += counted("Cảnh báo" if vi else "Alarms", held.alarms)
    lines += counted("Bị loại" if vi else "Dead letters", held.dead_letters)
    if dropped:
        return "\n".join([*lines, f"{namespace}: đã xoá" if vi else f"{namespace} was dropped"])
    look = [
        f"IOC_NAMESPACE={namespace} ioc export zone_occupancy_1m",
        f"SET search_path = {namespace}, public; SELECT * FROM v_alarm_history;",  # noqa: S608  told to a person
        f"ioc runs drop {namespace}",
    ]
    says = ("Xem", "SQL", "Xoá") if vi else ("Look", "SQL", "Drop")
    return "\n".join([*lines, *(f"{word + ':':<6}{line}" for word, line in zip(says, look, strict=True))])


def _site(settings: Settings, file: Path) -> Site | Path:
    if (foreign := foreign_site(file)) is not None:
        return foreign
    load_site(settings.site_file)  # refused now, by us, and not later in a worker's log
    return settings.site_file


def _drain(run: IsolatedRun, say: Callable[[str, str], None]) -> float:
    """Until every input is acknowledged; seconds. Raises NotDone: no worker runs, or none gets on."""
    began = moved = told = time.monotonic()
    least: int | None = None
    while True:
        try:
            left = total(asyncio.run(consumer_lag(run.settings, run.settings.topics.group)))
        except RetryLater:
            left = -1
        now = time.monotonic()
        if left == 0:
            return now - began
        if all(worker.poll() is not None for worker in run.workers):
            raise NotDone(f"no worker is running\n{run.log_tail()}")
        if left > 0 and (least is None or left < least):
            least, moved = left, now
        if now - moved > STALLED_AFTER_S:
            raise NotDone(f"{left} messages wait and no worker gets on\n{run.log_tail()}")
        if now - told > _TELL_EVERY_S:
            told = now
            say(f"còn {left:,} tin chờ xử lý", f"{left:,} messages wait")
        time.sleep(_LOOK_EVERY_S)
