"""Decides whether this machine can run the embedded servers, and says what to do where it cannot.

Each check looks at one thing and is called only where that thing is about to be used: with the jars already
in the cache Maven is not asked for, with the PostgreSQL tree unpacked apt is not. An error's message holds
what is wrong and the way out, so a caller prints it and ends. Knows nothing of how a server is started.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
JAVA_MINIMUM = 17
ZONEINFO = Path("/usr/share/zoneinfo")
_MIB = 1024 * 1024


class EmbeddedError(Exception):
    """An embedded server cannot be had or cannot go on; the message says why and what to do."""


class PrerequisiteMissing(EmbeddedError):
    """A program the machine must bring is not there, or is too old."""

    def __init__(self, name: str, found: str, install: str) -> None:
        """`name` of what is needed, what was `found` in its place, and the exact line that installs it."""
        self.name, self.found, self.install = name, found, install
        super().__init__(f"{name} is needed; {found}. Install it with:\n    {install}")


class PortTaken(EmbeddedError):
    """Another process listens on the port the server is to have."""

    def __init__(self, port: int, server: str) -> None:
        self.port, self.server = port, server
        super().__init__(
            f"port {port} on {LOOPBACK} is wanted for {server} but another process listens there. "
            f"See which with `ss -ltnp sport = :{port}` and stop it, or give {server} another port."
        )


class DiskSpaceLow(EmbeddedError):
    """Too little free space to start or unpack a server without the risk of running full."""

    def __init__(self, path: Path, free_bytes: int, needed_bytes: int, purpose: str) -> None:
        self.path, self.free_bytes, self.needed_bytes = path, free_bytes, needed_bytes
        super().__init__(
            f"{purpose} needs {needed_bytes // _MIB} MiB free in {path}, which has {free_bytes // _MIB} MiB. "
            "Free some space there, or choose another folder (downloads: IOC_CACHE_DIR)."
        )


class PathNotTraversable(EmbeddedError):
    """The unprivileged account a root-started server runs as cannot reach a folder."""

    def __init__(self, path: Path, barrier: Path, account: str) -> None:
        self.path, self.barrier, self.account = path, barrier, account
        super().__init__(
            f"started by root, the server runs as '{account}', which may not enter {barrier} on the "
            f"way to {path}. Choose a folder outside of {barrier} (downloads: IOC_CACHE_DIR), or run as an "
            "ordinary user."
        )


class DownloadFailed(EmbeddedError):
    """Fetching or unpacking a server's files did not succeed; nothing half-done is kept."""

    def __init__(self, what: str, output: str) -> None:
        self.what, self.output = what, output
        super().__init__(
            f"could not fetch {what}. Check the network and the proxy settings, then start again. Last lines:\n{output}"
        )


class StartFailed(EmbeddedError):
    """The server ended, or did not answer in time; holds the last lines of its log."""

    def __init__(self, server: str, reason: str, log: Path, last_lines: str) -> None:
        self.server, self.reason, self.log, self.last_lines = server, reason, log, last_lines
        super().__init__(f"{server} did not start: {reason}. Last lines of {log}:\n{last_lines or '(empty)'}")


class AlreadyRunning(EmbeddedError):
    """A live process still serves this data folder."""

    def __init__(self, server: str, data_dir: Path, pid: int, owner_pid: int) -> None:
        self.server, self.data_dir, self.pid, self.owner_pid = server, data_dir, pid, owner_pid
        super().__init__(
            f"{server} already runs over {data_dir} as process {pid}, started by process {owner_pid}. "
            f"Stop process {owner_pid} first, or use another data folder."
        )


class DataUnusable(EmbeddedError):
    """The data folder does not fit the server at hand."""


class MirrorUnknown(EmbeddedError):
    """No Debian mirror is configured on this machine and none was given."""

    def __init__(self) -> None:
        super().__init__(
            "no Debian mirror was found in this machine's apt configuration. Name one in IOC_DEBIAN_MIRROR "
            "(the address a `deb` line would have), or install PostgreSQL 15 or later with the timescaledb "
            "extension, or give a database by URL."
        )


@dataclass(frozen=True)
class Java:
    """A Java runtime that is new enough."""

    executable: Path
    version: str

    @property
    def home(self) -> Path:
        """The runtime's own folder (JAVA_HOME), links resolved."""
        return self.executable.resolve().parent.parent


def parse_java_major(text: str) -> int | None:
    """Major version out of what `java -version` prints ('1.8.0_292' is 8, '17.0.15' is 17, '26-ea' is 26)."""
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    first, second = int(match[1]), match[2]
    return int(second) if first == 1 and second else first


def java_candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Where a Java may be, first choice first: (where it was named, the executable's path)."""
    for variable in ("IOC_JAVA_HOME", "JAVA_HOME"):
        if home := environ.get(variable):
            yield variable, Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH")):
        yield "PATH", Path(on_path)


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """The first Java of at least JAVA_MINIMUM named by IOC_JAVA_HOME, JAVA_HOME or PATH.

    Raises PrerequisiteMissing, naming every Java that was found and what was wrong with it.
    """
    refused = []
    for origin, executable in java_candidates(os.environ if environ is None else environ):
        if not os.access(executable, os.X_OK):
            refused.append(f"{origin} names {executable}, which is no program")
            continue
        said = _output_of([str(executable), "-version"])
        major = parse_java_major(said)
        if major is not None and major >= JAVA_MINIMUM:
            return Java(executable, said.strip())
        version = f"is version {major}" if major is not None else "does not tell its version"
        refused.append(f"{executable} (from {origin}) {version}")
    raise PrerequisiteMissing(
        f"Java {JAVA_MINIMUM} or later",
        "; ".join(refused) or "none was found by IOC_JAVA_HOME, JAVA_HOME or PATH",
        "sudo apt-get install openjdk-17-jre-headless",
    )


def find_maven(environ: Mapping[str, str] | None = None) -> Path:
    """Maven's `mvn` on the PATH, or PrerequisiteMissing."""
    found = shutil.which("mvn", path=(os.environ if environ is None else environ).get("PATH"))
    if found is None:
        raise PrerequisiteMissing("Maven", "there is no `mvn` on the PATH", "sudo apt-get install maven")
    return Path(found)


def check_debian_tools(environ: Mapping[str, str] | None = None) -> None:
    """The programs that fetch and unpack Debian packages, or PrerequisiteMissing."""
    path = (os.environ if environ is None else environ).get("PATH")
    missing = [tool for tool in ("apt-get", "dpkg-deb", "tar") if shutil.which(tool, path=path) is None]
    if missing:
        raise PrerequisiteMissing(
            "PostgreSQL with TimescaleDB, or apt to fetch it",
            f"no PostgreSQL with the extension was found, nor {', '.join(missing)} to fetch one",
            "sudo apt-get install apt dpkg tar    (elsewhere: install PostgreSQL and timescaledb)",
        )


def check_keyring(keyring: Path) -> None:
    """The keys that Debian's archive is verified with: nothing is fetched unverified."""
    if not keyring.is_file():
        raise PrerequisiteMissing(
            "Debian's archive keyring",
            f"{keyring} is not there",
            "sudo apt-get install debian-archive-keyring",
        )


def check_zoneinfo(zoneinfo: Path = ZONEINFO) -> None:
    """PostgreSQL reads time zones from the system; without them 'Asia/Ho_Chi_Minh' is unknown to it."""
    if not (zoneinfo / "Asia" / "Ho_Chi_Minh").exists():
        raise PrerequisiteMissing(
            "The time zone database", f"{zoneinfo} has no Asia/Ho_Chi_Minh", "sudo apt-get install tzdata"
        )


def check_free_space(path: Path, needed_bytes: int, purpose: str) -> None:
    """DiskSpaceLow unless `path`, or its nearest existing parent, has `needed_bytes` free for this user."""
    probe = path
    while not probe.exists():
        probe = probe.parent
    free = shutil.disk_usage(probe).free
    if free < needed_bytes:
        raise DiskSpaceLow(path, free, needed_bytes, purpose)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def check_port(port: int, server: str) -> None:
    """PortTaken unless the loopback port is free."""
    if not port_is_free(port):
        raise PortTaken(port, server)


def _output_of(command: Sequence[str]) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout + ran.stderr
