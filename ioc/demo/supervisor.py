"""Decides what happens when a process of the demo ends by itself: it is started again, each time after a longer wait.

Children live and die with this process (ioc.embedded.process): their own session, a parent-death signal, a pid file.
Knows nothing of what they do.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ioc.embedded.bounded_log import BoundedLog, last_lines
from ioc.embedded.prerequisites import EmbeddedError
from ioc.embedded.process import ServerProcess, descendants

FIRST_WAIT_S, LAST_WAIT_S = 0.5, 30.0
STEADY_AFTER_S = 60.0
"""A process that has run so long is well again: the next wait is the first."""
STOP_TIMEOUT_S = 12.0
_LOOK_EVERY_S = 0.2
log = logging.getLogger(__name__)


class Service(Protocol):
    """What is kept running: a child here, or an embedded server."""

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def is_running(self) -> bool: ...


class Child:
    """One process of the platform over a folder for its pid file; its output goes to a bounded log."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, output: BoundedLog
    ) -> None:
        self.name, self.log = name, output
        self._command, self._environment, self._folder = command, environment, folder
        self._process = ServerProcess(
            name,
            folder / f"{name}.pid",
            output,
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGKILL,  # nothing is lost by it: what is not durable is done again
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def is_running(self) -> bool:
        return self._process.is_running()

    def start(self) -> None:
        """Raises AlreadyRunning, OSError."""
        if self.is_running():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process.clear_orphan()
        self._process.launch(self._command, cwd=self._folder, env=self._environment)

    def stop(self) -> None:
        self._process.stop(STOP_TIMEOUT_S)

    def why(self) -> str:
        """How it ended and the last line of its log."""
        code = self.returncode
        if code is None:
            return ""
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        return f"{how}: {last_lines(self.log.path, 1)[-160:]}"


@dataclass
class Kept:
    """A service and how it fares. state: starting, running, waiting (to be started again), stopped."""

    name: str
    service: Service
    state: Literal["starting", "running", "waiting", "stopped"] = "starting"
    restarts: int = 0
    fault: str = ""
    memory_bytes: int = 0


class Supervisor:
    """Keeps services running until it is told to stop. Use from one event loop."""

    def __init__(self, on_change: Callable[[str], None] = lambda _: None) -> None:
        """on_change hears, in one line, of every end and every new start."""
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.kept: dict[str, Kept] = {}

    def keep(self, name: str, service: Service) -> Kept:
        """Start the service if it does not run, and start it again whenever it ends."""
        kept = self.kept[name] = Kept(name, service)
        self._tasks[name] = asyncio.create_task(self._watch(kept), name=f"keep {name}")
        return kept

    async def stop(self, *names: str) -> None:
        """Stop these services, all at the same time; those named first are not stopped first."""
        await asyncio.gather(*(self._stop(name) for name in names if name in self._tasks))

    async def _stop(self, name: str) -> None:
        task, kept = self._tasks.pop(name), self.kept[name]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(kept.service.stop)
        kept.state = "stopped"

    async def _watch(self, kept: Kept) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            began = time.monotonic()
            try:
                kept.state = "running" if kept.service.is_running() else "starting"
                await _finished(asyncio.to_thread(kept.service.start))
                kept.state = "running"
                while kept.service.is_running():  # noqa: ASYNC110  nobody tells us
                    await asyncio.sleep(_LOOK_EVERY_S)
                kept.fault = kept.service.why() if isinstance(kept.service, Child) else "ended"
            except (EmbeddedError, OSError) as fault:
                kept.fault = str(fault).partition("\n")[0]
            if time.monotonic() - began > STEADY_AFTER_S:
                wait_s = FIRST_WAIT_S
            kept.state = "waiting"
            kept.restarts += 1
            log.warning("%s ended (%s); started again in %.1f s", kept.name, kept.fault, wait_s)
            self._on_change(f"{kept.name}: {kept.fault} -> {wait_s:g} s")
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LAST_WAIT_S)


async def _finished(work: object) -> None:
    """Waits for a thread's work to its end even when cancelled: a start cannot be left half done."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def memory_of(pid: int | None) -> int:
    """Bytes that a process and all below it hold, shared pages counted once; 0 where nobody says."""
    if pid is None:
        return 0
    return sum(_memory(member) for member in (pid, *(below.pid for below in descendants(pid))))


def _memory(pid: int) -> int:
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(field):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError):
            continue
    return 0
