"""Only what may be struck is struck, and every pause ends. The processes are sleepers that call themselves workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ioc.chaos.schedule import Fault
from ioc.chaos.striking import Striking, find_workers, worker_of
from ioc.cli import main
from ioc.embedded.process import identify
from streams.schema.errors import ConfigurationInvalid

NAMESPACE = "run_of_chaos"
Sleeper = subprocess.Popen[bytes]
Start = Callable[..., Sleeper]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A sleeper whose command line and environment look like those of a worker."""
    program = tmp_path / "ioc"
    program.write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    started: list[Sleeper] = []

    def begin(namespace: str = NAMESPACE, command: str = "worker") -> Sleeper:
        environment = {**os.environ, "IOC_NAMESPACE": namespace}
        child = subprocess.Popen([sys.executable, str(program), command], env=environment, stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        return child

    yield begin
    for child in started:
        child.kill()
        child.communicate()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_only_workers_of_the_namespace_are_found(start: Start) -> None:
    mine = start()
    start(namespace="run_of_another")
    start(command="ticker")
    assert [worker.pid for worker in find_workers(NAMESPACE)] == [mine.pid]


def test_a_pid_that_is_no_worker_of_the_namespace_is_refused(start: Start) -> None:
    other = start(namespace="run_of_another")
    for pid in (os.getpid(), 1, other.pid):
        with pytest.raises(ConfigurationInvalid, match=f"pid {pid}"):
            worker_of(pid, NAMESPACE)


def test_a_pause_ends_and_a_kill_kills(start: Start) -> None:
    first, second = start(), start()
    workers = [worker_of(child.pid, NAMESPACE) for child in (first, second)]
    said: list[str] = []
    seen: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        seen.append(state(first.pid))

    striking = Striking(lambda: workers, say)
    faults = (Fault(0.0, "pause", 0, 0.3), Fault(0.2, "kill", 1), Fault(0.4, "kill", 5))
    assert striking.execute(faults, 0.6) == 3
    assert said[:3] == [f"0s pause#0 0.3s: pid {first.pid}", f"0.2s kill#1: pid {second.pid}", f"resume {first.pid}"]
    assert seen[1] == "T"
    assert second.wait(5) == first.wait(5) == -signal.SIGKILL


def test_a_pause_ends_where_striking_is_interrupted(start: Start) -> None:
    child = start()
    worker = worker_of(child.pid, NAMESPACE)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    striking = Striking(lambda: [worker], lambda _: None)
    striking._strike(Fault(0.0, "pause", 0, 60))
    striking._say = interrupt
    with pytest.raises(KeyboardInterrupt):
        striking.execute([Fault(0.0, "kill", 0)], 1)
    assert state(child.pid) != "T"


def test_no_worker_is_said_and_no_strike(start: Start) -> None:
    said: list[str] = []
    assert Striking(list, said.append).execute([Fault(0.0, "kill", 0)], 0.1) == 0
    assert said == ["0s kill#0: no worker runs"]


def test_the_live_system_is_not_struck_unless_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IOC_NAMESPACE", raising=False)
    for asked in ([], ["--live"], ["--yes-live"]):
        refused = CliRunner().invoke(main, ["chaos", "--match", "--for", "1", *asked])
        assert refused.exit_code == 2 and "live system" in refused.output


def test_the_command_strikes_the_workers_of_a_staging_system(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    children = [start() for _ in range(2)]
    monkeypatch.setenv("IOC_NAMESPACE", NAMESPACE)
    ran = CliRunner().invoke(main, ["chaos", "--match", "--for", "1", "--every", "0.5", "--seed", "3"])
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith("seed 3, 2 strikes in 1 s")
    assert "2 of 2 strikes found a worker" in ran.output
    assert all(identify(child.pid) is None or state(child.pid) != "T" for child in children)
