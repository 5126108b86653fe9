"""Children that end are started again; children that are stopped stay so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ioc.demo import supervisor as under_test
from ioc.demo.supervisor import Child, Supervisor, memory_of
from ioc.embedded.bounded_log import BoundedLog
from ioc.embedded.process import identify

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(under_test, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(under_test, "STOP_TIMEOUT_S", 0.5)


def child(tmp_path: Path, program: str, name: str = "dummy") -> Child:
    return Child(
        name, [sys.executable, "-c", program], dict(os.environ), tmp_path, BoundedLog(tmp_path / f"{name}.log")
    )


async def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def test_a_killed_child_is_started_again_and_that_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    keeper = Supervisor(told.append)
    kept = keeper.keep("dummy", child(tmp_path, SLEEPER))
    await until(lambda: kept.state == "running")
    first = kept.service.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: kept.restarts == 1 and kept.state == "running")
    assert kept.service.pid not in (None, first)
    assert kept.fault.startswith("SIGKILL")
    assert told[0].startswith("dummy: SIGKILL")
    second = kept.service.pid
    await keeper.stop("dummy")
    assert kept.state == "stopped"
    assert second is not None
    assert identify(second) is None


async def test_a_child_that_cannot_run_waits_longer_each_time_and_says_why(tmp_path: Path) -> None:
    told: list[str] = []
    keeper = Supervisor(told.append)
    kept = keeper.keep("dummy", child(tmp_path, "import sys; print('no site file'); sys.exit(2)"))
    await until(lambda: kept.restarts >= 3)
    await keeper.stop("dummy")
    assert kept.fault == "status 2: no site file"
    waits = [float(line.rpartition("-> ")[2].removesuffix(" s")) for line in told[:3]]
    assert waits == [0.02, 0.04, 0.08]


async def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    keeper = Supervisor()
    service = child(tmp_path, STUBBORN)
    kept = keeper.keep("dummy", service)
    await until(lambda: service.log.path.exists() and "up" in service.log.path.read_text())
    pid = kept.service.pid
    await keeper.stop("dummy")
    assert pid is not None
    assert identify(pid) is None


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    keeper = Supervisor()
    absent = Child("absent", [str(tmp_path / "nothing")], {}, tmp_path, BoundedLog(tmp_path / "absent.log"))
    kept = keeper.keep("absent", absent)
    await until(lambda: kept.state == "waiting")
    await keeper.stop("absent")
    assert "nothing" in kept.fault


async def test_stopped_before_it_is_up_leaves_nothing(tmp_path: Path) -> None:
    keeper = Supervisor()
    kept = keeper.keep("dummy", child(tmp_path, SLEEPER))
    await asyncio.sleep(0)
    await keeper.stop("dummy")
    assert kept.service.pid is None


def test_memory_of_a_process_and_of_none() -> None:
    assert memory_of(os.getpid()) > 1_000_000
    assert memory_of(None) == 0
