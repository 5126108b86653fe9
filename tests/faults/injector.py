"""Does to an isolated run what a schedule says: to its workers, its servers and the connections between.

A supervisor goes on all the while: a worker that has ended is started again, as the compose file would. A server's
stop and start run beside, each server's one after the other.
"""

from __future__ import annotations

import heapq
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ioc.chaos.schedule import Fault
from ioc.isolated import IsolatedRun
from tests.faults.proxy import Condition, Proxy
from tests.faults.servers import Servers

CONDITIONS = {
    "refuse": Condition(refused=True),
    "delay": Condition(delay_s=0.3),
    "throttle": Condition(bytes_per_s=64 * 1024),
    "hole": Condition(held=True),
}
LEAVE_WITHIN_S = 12.0
"""A worker that was asked to end and has not by then is killed, as the compose file's engine would."""
STEP_S = 0.05
Act = Callable[[], None]
Pending = tuple[float, int, Act]


class FaultRun(IsolatedRun):
    """An isolated run whose workers reach Kafka and the database through the proxies."""

    def __init__(self, *given: Any, through: Servers, **options: Any) -> None:
        super().__init__(*given, **options)
        self._through = through
        self.leaving: list[tuple[float, subprocess.Popen[bytes]]] = []

    @property
    def environment(self) -> dict[str, str]:
        direct = super().environment
        host = direct["IOC_DATABASE_URL"].rpartition("@")[2].partition("/")[0]
        return direct | {
            "IOC_KAFKA_BOOTSTRAP": self._through.kafka_proxy.address,
            "IOC_DATABASE_URL": direct["IOC_DATABASE_URL"].replace(host, self._through.database_proxy.address),
        }

    def leave(self, worker: subprocess.Popen[bytes]) -> None:
        """Ask it to end, without waiting; the last one is started again by the supervisor."""
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
        if len(self.workers) > 1:
            self.workers.remove(worker)
            self.leaving.append((time.monotonic() + LEAVE_WITHIN_S, worker))

    def supervise(self) -> None:
        self.restart_ended()
        for until, worker in list(self.leaving):
            if worker.poll() is None and time.monotonic() > until:
                self.kill_worker(worker)
            if worker.poll() is not None:
                self.leaving.remove((until, worker))

    def __exit__(self, *fault: object) -> None:
        self.workers += [worker for _, worker in self.leaving]
        super().__exit__(*fault)


class Injector:
    """Use as a context: at its end every server runs, every condition is lifted, every pause is over."""

    def __init__(self, run: FaultRun, servers: Servers, most_workers: int) -> None:
        self._run, self._servers, self._most_workers = run, servers, most_workers
        self._pools = {name: ThreadPoolExecutor(1, name) for name in ("kafka", "database")}
        self._restarts: list[Future[None]] = []
        self._paused: list[subprocess.Popen[bytes]] = []
        self._pending: list[Pending] = []
        self._count = 0

    def __enter__(self) -> Injector:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._paused:
            self._resume(worker)
        for pool in self._pools.values():
            pool.shutdown(wait=True)
        self._servers.heal()

    def execute(self, faults: Iterable[Fault], began: float) -> float:
        """All faults from `began` on (time.monotonic), and all their ends; when the last one was over.

        Raises what a server's start raises.
        """
        for fault in faults:
            self._at(began + fault.at_s, self._begin(fault))
        while self._pending or not all(restart.done() for restart in self._restarts):
            while self._pending and self._pending[0][0] <= time.monotonic():
                heapq.heappop(self._pending)[2]()
            self._run.supervise()
            time.sleep(STEP_S)
        for restart in self._restarts:
            restart.result()
        return time.monotonic()

    def _at(self, moment: float, act: Act) -> None:
        self._count += 1
        heapq.heappush(self._pending, (moment, self._count, act))

    def _begin(self, fault: Fault) -> Act:
        part, _, how = fault.kind.partition("-")
        if part in ("kafka", "database"):
            if how in ("stop", "kill"):
                return lambda: self._restart(part, how, fault.for_s)
            proxy = self._servers.kafka_proxy if part == "kafka" else self._servers.database_proxy
            return proxy.cut if how == "cut" else lambda: self._disturb(proxy, CONDITIONS[how], fault.for_s)
        strike = {"kill": self._kill, "pause": self._pause, "join": self._join, "leave": self._leave}[fault.kind]
        return lambda: strike(fault)

    def _worker(self, fault: Fault) -> subprocess.Popen[bytes]:
        return self._run.workers[fault.target % len(self._run.workers)]

    def _kill(self, fault: Fault) -> None:
        self._run.kill_worker(self._worker(fault))

    def _pause(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker.poll() is None:
            worker.send_signal(signal.SIGSTOP)
            self._paused.append(worker)
            self._at(time.monotonic() + fault.for_s, lambda: self._resume(worker))

    @staticmethod
    def _resume(worker: subprocess.Popen[bytes]) -> None:
        if worker.poll() is None:
            worker.send_signal(signal.SIGCONT)

    def _join(self, _: Fault) -> None:
        if len(self._run.workers) < self._most_workers:
            self._run.start_worker()

    def _leave(self, fault: Fault) -> None:
        self._run.leave(self._worker(fault))

    def _disturb(self, proxy: Proxy, condition: Condition, for_s: float) -> None:
        imposed = Condition(condition.refused, condition.held, condition.delay_s, condition.bytes_per_s)
        proxy.impose(imposed)
        self._at(time.monotonic() + for_s, lambda: proxy.lift(imposed))

    def _restart(self, part: str, how: str, for_s: float) -> None:
        server = self._servers.kafka if part == "kafka" else self._servers.timescale

        def restart() -> None:
            server.kill() if how == "kill" else server.stop()
            time.sleep(for_s)
            server.start()

        self._restarts.append(self._pools[part].submit(restart))
