"""`ioc demo` as a person or a script runs it: it ends by itself, tells what happened, and leaves nothing running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ioc.demo.run import BUNDLED
from ioc.embedded.process import Identity, descendants, wait_gone
from streams.replay.recording import Entry, Record, Verbatim, read_recording, write_recording
from streams.schema.events import CameraObservation

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
LENGTH_S = 100
"""Longer than any demo here runs, so that it is not played twice."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the database's unprivileged user can reach."""
    path = Path(tempfile.mkdtemp(prefix="ioc-demo-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    """The bundled one's beginning without its faults; and in the first seconds three events that must be refused."""
    entries: list[Entry] = []
    for entry in read_recording(BUNDLED):
        entries.append(entry)
        if entry.logged_us > entries[0].logged_us + LENGTH_S * 1_000_000:
            break
    start = entries[0].logged_us
    before_faults = list(takewhile(lambda entry: entry.logged_us < start + 70_000_000, entries))
    sample = next(e.event for e in entries if isinstance(e, Record) and isinstance(e.event, CameraObservation))
    planted: list[Entry] = [
        Verbatim(start + 1_000_000, b"{broken", "observations.camera", "cam-hong-bang-01"),
        Verbatim(start + 1_500_000, b"", "observations.traffic", "le-hong-phong"),
        Record(start + 2_000_000, replace(sample, camera="cam-nobody-knows")),
    ]
    last = Record(start + LENGTH_S * 1_000_000, sample)
    path = folder / "planted.jsonl.gz"
    entries = sorted([*before_faults, *planted, last], key=lambda entry: entry.logged_us)
    write_recording(path, entries, title_vi="thử", title_en="test", made_by="test")
    return path


class Demo:
    """`python -m ioc demo ...` as a process; ``family`` grows as its children are seen."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        kept = {name: os.environ[name] for name in ("IOC_CACHE_DIR", "IOC_JAVA_HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ioc", "demo", "--plain", *arguments],
            cwd=ROOT,
            env={**plain, **kept, "IOC_DATA_DIR": str(folder / "data")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.family: set[Identity] = set()

    def until_line(self, part: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self.family.update(descendants(self.process.pid))
            if part in line:
                return
        raise AssertionError(f"{part!r} was not told:\n" + "\n".join(self.lines))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout_s: float = 60) -> int:
        """The exit status; nothing that the demo started is left."""
        try:
            self.lines += self.process.communicate(timeout=timeout_s)[0].splitlines()
        finally:
            self.process.kill()
        assert self.family, "no process was seen"
        assert wait_gone(list(self.family), 1.0), "a process is left"
        return self.process.returncode

    def outcome(self) -> dict[str, Any]:
        """The last line."""
        found: dict[str, Any] = json.loads(self.lines[-1])
        return found


def test_it_ends_by_itself_and_tells_what_happened_and_the_next_one_goes_on(folder: Path, recording: Path) -> None:
    first = Demo(folder, "--fresh", "--for", "16", "--recording", str(recording))
    first.until_line("Start the processes  ")
    refused = Demo(folder, "--for", "5")
    text = refused.process.communicate(timeout=30)[0]
    assert refused.process.returncode == 2
    assert "another demo already runs" in text
    first.until_line("{")
    assert first.end() == 0, "\n".join(first.lines)
    told = first.outcome()
    assert told["rows"] >= 84
    assert told["dead_letters"] == 3
    assert told["events_in"] > 120
    assert told["lag"] == 0
    assert told["restarts"] == 0
    assert 0 < told["seconds_to_first_row"] < 20
    assert not any("\x1b" in line for line in first.lines)

    began = time.monotonic()
    second = Demo(folder, "--recording", str(recording))
    second.until_line("Start the processes  ")
    assert time.monotonic() - began < 20
    noted = json.loads((folder / "data" / "health" / "worker" / "worker.pid").read_text())
    os.kill(noted["server"]["pid"], signal.SIGKILL)
    second.until_line("worker: SIGKILL")
    assert stored(folder) >= told["rows_by_table"]["zone_occupancy_10s"], "the first demo's rows are still there"
    second.until_line("events/s")
    again = json.loads((folder / "data" / "health" / "worker" / "worker.pid").read_text())
    assert again["server"] != noted["server"]
    second.signal(signal.SIGINT)
    assert second.end() == 0, "\n".join(second.lines)
    assert "everything is stopped" in second.lines[-1]


def stored(folder: Path) -> int:
    """Rows of the table, asked through the line that the demo shows."""
    command = [folder / "data" / "psql", "-Atc", "SELECT count(*) FROM v_zone_occupancy_10s"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_starts_nothing_is_left(folder: Path, number: signal.Signals) -> None:
    demo = Demo(folder)
    demo.until_line("Start Kafka")
    time.sleep(0.3)
    demo.family.update(descendants(demo.process.pid))
    demo.signal(number)
    assert demo.end(timeout_s=30) == 130, "\n".join(demo.lines)


def test_a_second_ctrl_c_hurries(folder: Path) -> None:
    demo = Demo(folder)
    demo.until_line("Start the processes  ")
    demo.signal(signal.SIGINT)
    time.sleep(0.6)
    demo.signal(signal.SIGINT)
    began = time.monotonic()
    assert demo.end() == 0, "\n".join(demo.lines)
    assert time.monotonic() - began < 5
