"""Decides how a server lives and dies with the process that starts it.

- Its own session: Ctrl-C in the terminal reaches the parent only, which then stops its servers in order.
- A parent-death signal (Linux prctl PR_SET_PDEATHSIG): should the parent die by SIGKILL, the kernel ends the
  server. The signal is tied to the parent *thread*, so every server is started by one thread that lives as
  long as the process; it is set after the change of user, which would clear it.
- A pid file that names server and starter by pid and start time, so a reused pid is never taken for ours: a
  second start over the same folder is refused while the first starter lives, and an orphan is ended.

Knows nothing of Kafka or PostgreSQL.
"""

import concurrent.futures
import ctypes
import functools
import json
import os
import queue
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ioc.embedded.account import Account
from ioc.embedded.bounded_log import BoundedLog
from ioc.embedded.prerequisites import AlreadyRunning

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TRIM_EVERY_S = 15.0
_ORPHAN_GRACE_S = 10.0


@dataclass(frozen=True)
class Identity:
    """A process for good: its pid, and when it started (clock ticks since boot), which a reused pid does not
    share.
    """

    pid: int
    started_ticks: int

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """The live process with this pid, or None where there is none or it is only waiting to be reaped."""
    fields = _stat_fields(pid)
    return None if fields is None or fields[0] in "ZX" else Identity(pid, int(fields[19]))


def descendants(pid: int) -> list[Identity]:
    """All live processes below `pid`."""
    children: dict[int, list[int]] = {}
    for other in all_pids():
        if (fields := _stat_fields(other)) is not None:
            children.setdefault(int(fields[1]), []).append(other)
    found, open_pids = [], [pid]
    while open_pids:
        for child in children.get(open_pids.pop(), ()):
            open_pids.append(child)
            if (identity := identify(child)) is not None:
                found.append(identity)
    return found


def working_in(folder: Path) -> list[Identity]:
    """Live processes whose working directory is `folder`, as far as this user may see."""
    found = []
    for pid in all_pids():
        try:
            inside = Path(f"/proc/{pid}/cwd").readlink() == folder
        except OSError:
            continue
        if inside and (identity := identify(pid)) is not None:
            found.append(identity)
    return found


def kill_tree(identity: Identity, *, timeout_s: float = 10.0) -> None:
    """SIGKILL the process and everything below it, and return when none of them is left."""
    family = [identity, *descendants(identity.pid)]
    for member in family:
        _send(member, signal.SIGKILL)
    wait_gone(family, timeout_s)


def wait_gone(processes: Sequence[Identity], timeout_s: float) -> bool:
    """Wait until none of the processes is left; False where one still is after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while any(process.is_alive() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def spawn_bound(command: Sequence[str], *, env: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, which Ctrl-C does not reach and which the kernel kills if we die."""
    work = functools.partial(_spawn, command, Path.cwd(), dict(env), output, None, signal.SIGKILL)
    return _on_lasting_thread(work)


class ServerProcess:
    """One server over one data folder; at most one at a time, also between processes."""

    def __init__(
        self,
        name: str,
        pid_file: Path,
        log: BoundedLog,
        *,
        stop_signal: signal.Signals,
        death_signal: signal.Signals,
    ) -> None:
        """`stop_signal` asks the server to end in order; `death_signal` is what the kernel sends if we die
        first.
        """
        self.name, self._pid_file, self._log = name, pid_file, log
        self._stop_signal, self._death_signal = stop_signal, death_signal
        self._child: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        """The running server's pid."""
        return self._child.pid if self._child is not None and self.is_running() else None

    @property
    def returncode(self) -> int | None:
        """How the last server ended; None while it runs and before the first start."""
        return None if self._child is None else self._child.poll()

    def is_running(self) -> bool:
        """Whether the server this object started is alive."""
        return self._child is not None and self._child.poll() is None

    def clear_orphan(self) -> None:
        """AlreadyRunning while another starter's server lives; a server whose starter is gone is ended."""
        server, owner = self._read_pid_file()
        if server is None or owner is None or not server.is_alive():
            self._pid_file.unlink(missing_ok=True)
            return
        if owner.is_alive():
            raise AlreadyRunning(self.name, self._pid_file.parent, server.pid, owner.pid)
        family = [server, *descendants(server.pid)]
        if not wait_gone(family, _ORPHAN_GRACE_S / 2):  # its death signal is most likely at work
            _send(server, self._stop_signal)
            if not wait_gone(family, _ORPHAN_GRACE_S):
                kill_tree(server)
        self._pid_file.unlink(missing_ok=True)

    def launch(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], account: Account | None = None
    ) -> None:
        """Start the server; the caller has called clear_orphan and holds the folder's lock."""
        output = self._log.open()
        try:
            spawn = functools.partial(_spawn, command, cwd, dict(env), output, account, self._death_signal)
            child = _on_lasting_thread(spawn)
        finally:
            os.close(output)
        self._child, self._identity = child, identify(child.pid)
        self._write_pid_file()
        self._ended = threading.Event()
        threading.Thread(target=self._keep_log_bounded, args=(self._ended,), daemon=True).start()

    def stop(self, timeout_s: float) -> None:
        """Ask the server to end, wait, and kill it with all its children if it has not by then."""
        if self._child is None:
            return
        family = [] if self._identity is None else [self._identity, *descendants(self._identity.pid)]
        if self.is_running():
            self._child.send_signal(self._stop_signal)
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        wait_gone(family, 5.0)
        self._tidy()

    def kill(self) -> None:
        """End the server and all its children at once, as a power cut would."""
        if self._child is None:
            return
        if self._identity is not None:
            kill_tree(self._identity)
        self._child.wait()
        self._tidy()

    def _tidy(self) -> None:
        self._ended.set()
        self._pid_file.unlink(missing_ok=True)

    def _keep_log_bounded(self, ended: threading.Event) -> None:
        while not ended.wait(_TRIM_EVERY_S) and self.is_running():
            self._log.trim()

    def _write_pid_file(self) -> None:
        owner = identify(os.getpid())
        if self._identity is None or owner is None:
            return
        partial = self._pid_file.with_suffix(".partial")
        partial.write_text(json.dumps({"server": asdict(self._identity), "owner": asdict(owner)}))
        partial.replace(self._pid_file)

    def _read_pid_file(self) -> tuple[Identity | None, Identity | None]:
        try:
            noted = json.loads(self._pid_file.read_text())
            return Identity(**noted["server"]), Identity(**noted["owner"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, None


def all_pids() -> list[int]:
    """Every process of the machine that shows itself."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat_fields(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _send(process: Identity, number: signal.Signals) -> None:
    if process.is_alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _spawn(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    output: int,
    account: Account | None,
    death_signal: signal.Signals,
) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork among threads; ours makes two system calls before exec and no more
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            preexec_fn=functools.partial(_die_with_parent, death_signal, os.getpid()),
        )


def _die_with_parent(number: signal.Signals, parent_pid: int) -> None:
    """Runs in the child between fork and exec, after the change of user."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the signal was set
        os._exit(1)


class _LastingThread:
    """A thread that ends only with its process: the parent, in the kernel's eyes, of every server."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="embedded-servers", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._calls.get()()

    def call(self, work: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        done: concurrent.futures.Future[subprocess.Popen[bytes]] = concurrent.futures.Future()

        def settle() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - not handled here: result() raises it in the caller
                done.set_exception(error)

        self._calls.put(settle)
        return done.result()


_lasting_thread: _LastingThread | None = None
_lasting_thread_lock = threading.Lock()


def _on_lasting_thread(work: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    global _lasting_thread
    with _lasting_thread_lock:
        if _lasting_thread is None or _lasting_thread.pid != os.getpid():  # a fork copies no threads
            _lasting_thread = _LastingThread()
        return _lasting_thread.call(work)
