"""Strikes the workers of an installation on this machine: only `ioc worker`, only this user's, only one namespace's.

A pause always ends, also where the striking itself is interrupted. Starting a killed worker again is the business of
whatever supervises it.
"""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ioc.chaos.schedule import KILL, PAUSE, Fault
from ioc.embedded.process import Identity, all_pids, identify
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings

KINDS = (KILL, PAUSE)


def find_workers(namespace: str) -> list[Identity]:
    """This user's workers of the namespace that run now, by pid."""
    return [worker for pid in sorted(all_pids()) if (worker := _worker(pid, namespace)) is not None]


def worker_of(pid: int, namespace: str) -> Identity:
    """Raises ConfigurationInvalid where the pid is no worker of this user in this namespace."""
    worker = _worker(pid, namespace)
    if worker is None:
        raise ConfigurationInvalid(f"pid {pid}", f"it is no `ioc worker` of yours in the namespace {namespace!r}")
    return worker


def _worker(pid: int, namespace: str) -> Identity | None:
    folder = Path("/proc") / str(pid)
    identity = identify(pid)
    try:
        if identity is None or folder.stat().st_uid != os.getuid():
            return None
        words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        environment = (folder / "environ").read_bytes().split(b"\0")
    except OSError:  # it has just ended, or hides itself: not one to strike
        return None
    if not _runs_worker(words):
        return None
    prefix = b"IOC_NAMESPACE="
    given = next((line.removeprefix(prefix).decode() for line in environment if line.startswith(prefix)), "")
    return identity if (given or Settings.namespace) == namespace else None


def _runs_worker(words: Sequence[bytes]) -> bool:
    """`python -m ioc worker`, `ioc worker`, `python .../bin/ioc worker`."""
    if len(words) < 2 or words[-1] != b"worker":
        return False
    return words[-2] == b"ioc" or words[-2].endswith(b"/ioc")


class Striking:
    """targets: asked anew at each strike; say: hears of each strike in one line."""

    def __init__(self, targets: Callable[[], Sequence[Identity]], say: Callable[[str], None]) -> None:
        self._targets, self._say = targets, say
        self._paused: list[tuple[float, int, Identity]] = []

    def execute(self, faults: Iterable[Fault], for_s: float) -> int:
        """All faults, from now on; returns after for_s, when every pause is over: how many strikes found a worker."""
        began, struck = time.monotonic(), 0
        try:
            for fault in faults:
                self._wait(began + fault.at_s)
                struck += self._strike(fault)
            self._wait(began + for_s)
        finally:
            for _, _, worker in self._paused:
                _send(worker, signal.SIGCONT)
        return struck

    def _wait(self, until: float) -> None:
        while (now := time.monotonic()) < until:
            due = self._paused[0][0] if self._paused else until
            if due <= now:
                worker = heapq.heappop(self._paused)[2]
                _send(worker, signal.SIGCONT)
                self._say(f"resume {worker.pid}")
            else:
                time.sleep(min(due, until) - now)

    def _strike(self, fault: Fault) -> bool:
        targets = [worker for worker in self._targets() if worker.is_alive()]
        if not targets:
            self._say(f"{fault}: no worker runs")
            return False
        worker = targets[fault.target % len(targets)]
        self._say(f"{fault}: pid {worker.pid}")
        if fault.kind == KILL.name:
            _send(worker, signal.SIGKILL)
        else:
            _send(worker, signal.SIGSTOP)
            heapq.heappush(self._paused, (time.monotonic() + fault.for_s, worker.pid, worker))
        return True


def _send(worker: Identity, number: signal.Signals) -> None:
    """A pid that is another process by now gets nothing."""
    if worker.is_alive():
        os.kill(worker.pid, number)
