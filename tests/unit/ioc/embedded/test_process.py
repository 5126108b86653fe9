"""A server process is known for sure, ends with its children, and is not started twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ioc.embedded.bounded_log import BoundedLog, last_lines
from ioc.embedded.prerequisites import AlreadyRunning
from ioc.embedded.process import Identity, ServerProcess, descendants, identify, wait_gone

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print('up', flush=True); time.sleep(600)",
]


def server(folder: Path) -> ServerProcess:
    log = BoundedLog(folder / "log")
    pid_file = folder / "server.pid"
    return ServerProcess("it", pid_file, log, stop_signal=signal.SIGTERM, death_signal=signal.SIGKILL)


def launch(process: ServerProcess, folder: Path, command: list[str]) -> None:
    process.launch(command, cwd=folder, env=os.environ)
    until(lambda: "up" in last_lines(folder / "log"))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_identity_is_not_shared_by_a_reused_pid() -> None:
    itself = identify(os.getpid())
    assert itself is not None
    assert itself.is_alive()
    assert not Identity(itself.pid, itself.started_ticks + 1).is_alive()


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        until(lambda: identify(child.pid) is None)


def test_stop_ends_it_and_removes_the_pid_file(tmp_path: Path) -> None:
    process = server(tmp_path)
    launch(process, tmp_path, SLEEPER)
    assert process.pid is not None
    assert json.loads((tmp_path / "server.pid").read_text())["server"]["pid"] == process.pid
    process.stop(5)
    assert not process.is_running()
    assert process.pid is None
    assert process.returncode == -signal.SIGTERM
    assert not (tmp_path / "server.pid").exists()


def test_one_that_does_not_heed_the_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    process = server(tmp_path)
    launch(process, tmp_path, STUBBORN)
    assert process.pid is not None
    children = descendants(process.pid)
    assert len(children) == 1
    process.stop(0.1)
    assert process.returncode == -signal.SIGKILL
    assert wait_gone(children, 0)


def test_a_second_start_is_refused_while_the_starter_lives(tmp_path: Path) -> None:
    process = server(tmp_path)
    launch(process, tmp_path, SLEEPER)
    with pytest.raises(AlreadyRunning, match=f"process {process.pid}, started by process {os.getpid()}"):
        server(tmp_path).clear_orphan()
    process.kill()
    server(tmp_path).clear_orphan()


def test_an_orphan_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ioc.embedded.process._ORPHAN_GRACE_S", 0.2)
    process = server(tmp_path)
    launch(process, tmp_path, SLEEPER)
    noted = json.loads((tmp_path / "server.pid").read_text())
    noted["owner"]["started_ticks"] -= 1  # a starter that is gone, its pid now another's
    (tmp_path / "server.pid").write_text(json.dumps(noted))
    server(tmp_path).clear_orphan()
    assert not process.is_running()
    process.stop(0)


def test_a_foreign_process_with_a_reused_pid_is_let_alone(tmp_path: Path) -> None:
    itself = identify(os.getpid())
    assert itself is not None
    stale = {"pid": itself.pid, "started_ticks": itself.started_ticks - 1}
    (tmp_path / "server.pid").write_text(json.dumps({"server": stale, "owner": stale}))
    server(tmp_path).clear_orphan()
    (tmp_path / "server.pid").write_text("{ torn")
    server(tmp_path).clear_orphan()
    assert not (tmp_path / "server.pid").exists()


def test_a_program_that_is_not_there_is_the_callers_error_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            server(tmp_path).launch(["/none"], cwd=tmp_path, env={})


def test_the_log_is_cut_under_its_writer(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log", limit_bytes=10)
    descriptor = log.open()
    os.write(descriptor, b"one\ntwo\nthree\n")
    log.trim()
    os.write(descriptor, b"four\n")
    os.close(descriptor)
    assert (tmp_path / "log").read_text() == "four\n"
    assert last_lines(tmp_path / "log.1", 2) == "two\nthree"
    assert last_lines(tmp_path / "none") == ""
