"""One seed: the input is played, the faults strike, the tables and topics are compared with the truth."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from ioc.isolated import IsolatedRun, NotDone
from streams.replay.readers import open_recording
from streams.replay.recording import Entry, Record
from streams.schema.events import CameraObservation, Tick
from streams.schema.instants import SECOND_US, instant, microseconds
from streams.schema.site import Site, load_site
from tests.faults.disturbance import disturbed
from tests.faults.injector import FaultRun, Injector
from tests.faults.schedule import Schedule
from tests.faults.servers import Servers
from tests.faults.topic_log import read_topics, write_logs
from tests.faults.truth import Difference, compute, differences, repeats, stalls, stored_tables
from tests.integration.platform import wired

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "ioc/recordings/haiphong-demo.jsonl.gz"
CAMERAS = 6
PLAYED_S, SPEED = 480.0, 40.0
"""So much of the recording in 12 s."""
DRAIN_WITHIN_S = 90.0
CAMERA_GRACE_S, TRAFFIC_GRACE_S = 60.0, 120.0
"""Shorter than the city's, so that a part of a recording reaches beyond grace."""


@dataclass
class Outcome:
    """recovery_s: from the end of the last fault, or of the input if that was later, until nothing was left to be
    acknowledged; repeated: messages told more than once, as copies;
    stalls: workers that their watchdog has ended."""

    schedule: Schedule
    recovery_s: float | None = None
    seconds: float = 0.0
    messages: int = 0
    rows: int = 0
    alarms: int = 0
    repeated: int = 0
    stalls: int = 0
    problems: list[str] = field(default_factory=list)
    kept: Path | None = None

    @property
    def passed(self) -> bool:
        return not self.problems


@cache
def city() -> Site:
    """The bundled site with shorter grace."""
    site = load_site(ROOT / "config/haiphong.toml")
    camera = replace(site.streams.camera, grace_s=CAMERA_GRACE_S)
    traffic = replace(site.streams.traffic, grace_s=TRAFFIC_GRACE_S)
    return replace(site, streams=replace(site.streams, camera=camera, traffic=traffic))


@cache
def morning() -> tuple[Entry, ...]:
    return tuple(open_recording(RECORDING))


def seed_input(schedule: Schedule) -> list[Entry]:
    """What is played for a seed, the same every time."""
    entries = morning()
    begin_us = entries[0].logged_us + schedule.disturbance.start_s * SECOND_US
    part = [entry for entry in entries if begin_us <= entry.logged_us < begin_us + PLAYED_S * SECOND_US]
    cameras = sorted({camera for entry in part if (camera := _camera(entry))})
    left_out = set((cameras * 2)[schedule.seed % len(cameras) :][CAMERAS : len(cameras)])
    return disturbed([entry for entry in part if _camera(entry) not in left_out], schedule.disturbance, city())


def _camera(entry: Entry) -> str | None:
    event = entry.event if isinstance(entry, Record) else None
    return event.camera if isinstance(event, CameraObservation) else None


def last_tick(entries: list[Entry]) -> Entry:
    """Closes every window."""
    ticked = [microseconds(e.event.ticked_at) for e in entries if isinstance(e, Record) and isinstance(e.event, Tick)]
    end_us = max(entries[-1].logged_us, *ticked) + 3600 * SECOND_US
    return Record(end_us, Tick(ticked_at=instant(end_us)))


def run_seed(schedule: Schedule, servers: Servers, keep_in: Path) -> Outcome:
    """Raises nothing that a fault of the platform could cause: that is a problem of the outcome, and logs are kept."""
    outcome, began = Outcome(schedule), time.monotonic()
    base = wired(servers.kafka.bootstrap, servers.timescale.dsn)
    run = FaultRun(base, city(), servers.folder, partitions=schedule.partitions, store_readings=True, through=servers)
    try:
        with run:
            try:
                _strike(run, schedule, servers, outcome)
                check(run, outcome)
            except NotDone as fault:
                outcome.problems.append(str(fault).partition("\n")[0])
            if not outcome.passed:
                outcome.kept = keep(run, outcome, keep_in)
    finally:
        run.log_file.unlink(missing_ok=True)
    outcome.seconds = time.monotonic() - began
    return outcome


def _strike(run: FaultRun, schedule: Schedule, servers: Servers, outcome: Outcome) -> None:
    entries = seed_input(schedule)
    for _ in range(schedule.workers):
        run.start_worker()
    playing = Playing(run, entries)
    with Injector(run, servers, most_workers=schedule.partitions + 2) as injector:
        playing.start()
        over = injector.execute(schedule.faults, time.monotonic())
        while playing.is_alive():
            run.supervise()
            time.sleep(0.05)
    if playing.fault:
        raise NotDone(f"the input could not be played: {playing.fault!r}")
    over = max(over, playing.ended)
    outcome.messages = playing.messages
    run.wait_until_drained(DRAIN_WITHIN_S, supervise=True)
    outcome.recovery_s = time.monotonic() - over


class Playing(threading.Thread):
    """Plays the input at its speed, then the last tick. messages, ended and fault tell how it went."""

    def __init__(self, run: IsolatedRun, entries: list[Entry], speed: float = SPEED) -> None:
        super().__init__(name="playing", daemon=True)
        self._run, self._entries, self._speed = run, entries, speed
        self.messages, self.ended = 0, 0.0
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            self.messages += self._run.play(self._entries, self._speed).messages
            self.messages += self._run.play([last_tick(self._entries)]).messages
        except Exception as fault:  # noqa: BLE001 - the thread that waits for this one raises it
            self.fault = fault
        self.ended = time.monotonic()


def check(run: IsolatedRun, outcome: Outcome) -> None:
    """Compare everything; what differs goes to the outcome."""
    settings = run.settings
    names = [topic.name for topic in (*settings.topics.inputs, settings.topics.alarms, settings.topics.dead_letters)]
    logs = read_topics(settings.kafka_bootstrap, names)
    truth = compute(logs, settings, load_site(settings.site_file))
    told = {
        topic: [(message.key, message.value) for part in logs[topic].values() for message in part]
        for topic in truth.told
    }
    found: list[Difference] = differences(truth, stored_tables(settings), told)
    outcome.problems += map(str, found)
    outcome.rows = sum(map(len, truth.tables.values()))
    outcome.alarms = len(truth.told[settings.topics.alarms.name])
    outcome.repeated = repeats(told)
    outcome.stalls = stalls(told)


def keep(run: IsolatedRun, outcome: Outcome, keep_in: Path) -> Path:
    """What is needed to look into a failure: schedule, problems, the workers' log, every topic."""
    folder = keep_in / f"seed-{outcome.schedule.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.txt").write_text(f"{outcome.schedule}\n\n" + "\n".join(outcome.problems) + "\n")
    if run.log_file.exists():
        shutil.copy(run.log_file, folder / "workers.log")
    names = [topic.name for topic in run.settings.topics.all]
    write_logs(folder / "topics.jsonl.gz", read_topics(run.settings.kafka_bootstrap, names))
    return folder
