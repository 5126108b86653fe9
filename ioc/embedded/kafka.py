"""Decides how one Kafka broker runs embedded: KRaft, broker and controller in one JVM, on loopback, small.

Topics are never made by accident, a message may be 16 MiB, and a stored message survives SIGKILL of the
broker (it is in the kernel's hands when the producer hears of it; a power cut is another matter). Anyone with
an account on the machine can reach the port: an embedded broker is for development, tests and demonstrations.
"""

import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

from ioc.embedded.bounded_log import BoundedLog, last_lines
from ioc.embedded.cache import default_cache_dir, exclusive
from ioc.embedded.kafka_jars import KafkaJars, kafka_jars
from ioc.embedded.ports import RememberedPorts
from ioc.embedded.prerequisites import (
    LOOPBACK,
    DataUnusable,
    Java,
    StartFailed,
    check_free_space,
    check_port,
    find_java,
    port_is_free,
)
from ioc.embedded.process import ServerProcess

MESSAGE_MAX_BYTES = 16 * 1024 * 1024
_NEEDED_BYTES = 256 * 1024 * 1024
_STOP_TIMEOUT_S = 30.0
_CLIENT_ID = b"ioc"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{proxied_listener}
advertised.listeners=PLAINTEXT://{host}:{port}{proxied_address}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
message.max.bytes={message_max_bytes}
replica.fetch.max.bytes={message_max_bytes}
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""


class EmbeddedKafka:
    """One broker over one data folder. Not for use from several threads at once."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        cache_dir: Path | None = None,
        heap_mb: int = 256,
        proxy_port: int | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """`port` None: a free one is chosen once and kept. `on_progress` hears of long steps. `proxy_port`: of a
        proxy on loopback that forwards to `behind_proxy`; clients that come through it are told to stay with it.
        """
        self._data_dir = data_dir.absolute()
        self._cache_dir = (cache_dir or default_cache_dir()).absolute()
        self._given_port, self._heap_mb, self._proxy_port = port, heap_mb, proxy_port
        self._on_progress = on_progress or (lambda _: None)
        self._ports = RememberedPorts(self._data_dir / "ports.json")
        self._logs, self._log_dir = self._data_dir / "logs", self._data_dir / "log"
        self._console = BoundedLog(self._logs / "console.log")
        self._process = ServerProcess(
            "Kafka",
            self._data_dir / "server.pid",
            self._console,
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGKILL,  # reaches a hanging JVM too, and what was acknowledged is not lost
        )
        self._archive_draft: tuple[Path, Path] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients; known before the start and the same after every restart."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def behind_proxy(self) -> tuple[str, int]:
        """Where a proxy at `proxy_port` forwards to; nobody listens there without one."""
        return LOOPBACK, self._ports.get("proxied")

    @property
    def _port(self) -> int:
        return self._ports.get("broker", self._given_port)

    @property
    def pid(self) -> int | None:
        """The broker's pid while it runs."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the broker this object started is alive."""
        return self._process.is_running()

    def start(self, timeout_s: float = 60) -> None:
        """Start the broker and return when it answers a client's request; nothing happens if it runs already.

        `timeout_s` is for the broker's own start; fetching and formatting, once each, come before it.
        Raises PrerequisiteMissing, DownloadFailed, DiskSpaceLow, PortTaken, AlreadyRunning or StartFailed.
        """
        if self.is_running():
            return
        java = find_java()
        jars = kafka_jars(self._cache_dir, java, self._on_progress)
        if "," in str(self._data_dir):
            raise DataUnusable(f"Kafka takes the comma in {self._data_dir} for two folders; choose another one")
        self._logs.mkdir(parents=True, exist_ok=True)
        self._data_dir.chmod(0o700)
        with exclusive(self._data_dir / "start.lock"):
            self._process.clear_orphan()
            check_free_space(self._data_dir, _NEEDED_BYTES, "Kafka")
            check_port(self._port, "Kafka")
            if not port_is_free(self._ports.get("controller")):
                self._ports.forget("controller")
            log4j = resources.files("ioc.embedded").joinpath("kafka-log4j2.xml").read_text()
            (self._data_dir / "log4j2.xml").write_text(log4j)
            if not self._log_dir.is_dir():
                self._format(java, jars)
            properties = self._write_properties("server.properties", self._log_dir)
            flags = self._archive_flags(java, jars)
            command = self._java_command(java, jars, flags, ["kafka.Kafka", str(properties)])
            self._process.launch(command, cwd=self._data_dir, env=_java_environment())
            try:
                self._wait_until_ready(timeout_s)
            except BaseException:  # Ctrl-C too: a start that did not succeed leaves nothing running
                self.kill()
                raise

    def stop(self) -> None:
        """End in order (SIGTERM), by SIGKILL after 30 s; nothing is left running."""
        self._process.stop(_STOP_TIMEOUT_S)
        self._keep_archive()

    def kill(self) -> None:
        """End at once (SIGKILL); the same folder can be started again."""
        self._process.kill()
        self._drop_archive_draft()

    def wipe(self) -> None:
        """Forget every topic and offset of the stopped broker; the port stays."""
        if self.is_running():
            raise RuntimeError("stop Kafka before its data are wiped")
        with exclusive(self._data_dir / "start.lock"):
            self._process.clear_orphan()
            if self._log_dir.is_dir():
                shutil.rmtree(self._log_dir)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _format(self, java: Java, jars: KafkaJars) -> None:
        """Format into a folder beside, renamed when done: a folder with the right name is a formatted one."""
        self._on_progress("formatting Kafka's storage")
        partial = self._data_dir / "log.partial"
        if partial.is_dir():
            shutil.rmtree(partial)
        properties = self._write_properties("format.properties", partial)
        cluster_id = base64.urlsafe_b64encode(b"\x00" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        arguments = [
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            cluster_id,
            "--config",
            str(properties),
        ]
        archive = jars.class_archive(java)
        flags = [
            "-XX:TieredStopAtLevel=1",
            *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
        ]
        ran = subprocess.run(
            self._java_command(java, jars, flags, arguments),
            env=_java_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if ran.returncode != 0:
            output = (ran.stdout + ran.stderr)[-3000:]
            raise StartFailed("Kafka", "its storage could not be formatted", self._log_dir, output)
        partial.rename(self._log_dir)

    def _write_properties(self, name: str, log_dir: Path) -> Path:
        file = self._data_dir / name
        file.write_text(
            _PROPERTIES.format(
                host=LOOPBACK,
                port=self._port,
                controller_port=self._ports.get("controller"),
                proxied_listener=f",PROXIED://{LOOPBACK}:{self.behind_proxy[1]}" if self._proxy_port else "",
                proxied_address=f",PROXIED://{LOOPBACK}:{self._proxy_port}" if self._proxy_port else "",
                log_dir=escaped_property(str(log_dir)),
                message_max_bytes=MESSAGE_MAX_BYTES,
            )
        )
        return file

    def _java_command(self, java: Java, jars: KafkaJars, flags: list[str], arguments: list[str]) -> list[str]:
        small = ["-Xms64m", f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
        quiet = ["-XX:-UsePerfData", "-Djava.awt.headless=true", f"-Dioc.logs={self._logs}"]
        log4j = f"-Dlog4j2.configurationFile={self._data_dir / 'log4j2.xml'}"
        return [str(java.executable), *small, *quiet, log4j, *flags, "-cp", jars.classpath, *arguments]

    def _archive_flags(self, java: Java, jars: KafkaJars) -> list[str]:
        archive = jars.class_archive(java)
        self._archive_draft = None
        if archive.exists():
            return [f"-XX:SharedArchiveFile={archive}"]
        if not os.access(archive.parent, os.W_OK):
            return []
        draft = archive.with_name(f".{archive.name}.{uuid.uuid4().hex}")
        self._archive_draft = (draft, archive)
        return [f"-XX:ArchiveClassesAtExit={draft}", "-Xlog:cds*=error"]

    def _keep_archive(self) -> None:
        if self._archive_draft is not None:
            draft, archive = self._archive_draft
            if self._process.returncode in (0, 128 + signal.SIGTERM) and draft.exists():
                draft.replace(archive)
        self._drop_archive_draft()

    def _drop_archive_draft(self) -> None:
        if self._archive_draft is not None:
            self._archive_draft[0].unlink(missing_ok=True)
            self._archive_draft = None

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not answers_as(LOOPBACK, self._port):
            if not self.is_running():
                reason = f"the broker ended with status {self._process.returncode}"
            elif time.monotonic() > deadline:
                reason = f"it did not answer within {timeout_s:g} s"
            else:
                time.sleep(0.02)
                continue
            log = self._logs / "kafka.log"
            lines = f"{last_lines(log)}\n{last_lines(self._console.path)}".strip()
            raise StartFailed("Kafka", reason, log, lines)


def answers_as(host: str, port: int) -> bool:
    """Whether a broker answers a Metadata request (version 1, no topics) and names itself as alive at
    host:port.
    """
    request = struct.pack(">hhih", 3, 1, 1, len(_CLIENT_ID)) + _CLIENT_ID + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.settimeout(2.0)
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = b""
            while len(reply) < 4 or len(reply) < 4 + struct.unpack_from(">i", reply)[0]:
                if not (part := connection.recv(4096)):
                    return False
                reply += part
        brokers = struct.unpack_from(">i", reply, 8)[0]
        if brokers != 1:
            return False
        length = struct.unpack_from(">h", reply, 16)[0]
        return reply[18 : 18 + length] == host.encode() and struct.unpack_from(">i", reply, 18 + length)[0] == port
    except (OSError, struct.error):
        return False


def escaped_property(value: str) -> str:
    """A value for a Java properties file, which is Latin-1 and has its own use for backslashes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = struct.unpack(f">{len(units) // 2}H", units)
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)


def _java_environment() -> dict[str, str]:
    """This process's, without what would change the JVM's flags behind our back; paths may be in any language."""
    unwanted = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "LC_ALL": "C.UTF-8"}
