"""The embedded servers are real: they keep what they are given, survive SIGKILL, leave no process behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ioc.embedded.kafka import MESSAGE_MAX_BYTES, EmbeddedKafka
from ioc.embedded.prerequisites import AlreadyRunning, PortTaken, StartFailed
from ioc.embedded.process import Identity, descendants, identify, wait_gone
from ioc.embedded.timescale import EmbeddedTimescale

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like tmp_path, but open to the account that a server started by root runs as."""
    made = Path(tempfile.mkdtemp(prefix="ioc Hải Phòng "))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def kafka(folder: Path) -> Iterator[EmbeddedKafka]:
    server = EmbeddedKafka(folder / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def timescale(folder: Path) -> Iterator[EmbeddedTimescale]:
    server = EmbeddedTimescale(folder / "timescale")
    server.start()
    yield server
    server.stop()


def family(pid: int | None) -> list[Identity]:
    assert pid is not None
    itself = identify(pid)
    assert itself is not None
    return [itself, *descendants(pid)]


async def store_message(bootstrap: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_request_size=MESSAGE_MAX_BYTES, request_timeout_ms=20_000
    )
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def first_message(bootstrap: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id="reader")
    await consumer.start()
    try:
        return (await consumer.getone()).value
    finally:
        await consumer.stop()


def store_row(timescale: EmbeddedTimescale) -> None:
    with psycopg.connect(timescale.dsn) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        connection.execute("CREATE TABLE reading (observed_at timestamptz NOT NULL, value int)")
        connection.execute("SELECT create_hypertable('reading', 'observed_at')")
        connection.execute("INSERT INTO reading VALUES (now(), 7)")


def stored_row(timescale: EmbeddedTimescale) -> tuple[int] | None:
    with psycopg.connect(timescale.dsn) as connection:
        return connection.execute("SELECT value FROM reading").fetchone()


async def test_a_restarted_broker_has_its_messages_and_its_port(kafka: EmbeddedKafka) -> None:
    bootstrap = kafka.bootstrap
    await store_message(bootstrap, "kept", b"one")
    kafka.stop()
    kafka.start()
    assert kafka.bootstrap == bootstrap
    assert await first_message(bootstrap, "kept") == b"one"


async def test_an_acknowledged_message_survives_sigkill_of_the_broker(kafka: EmbeddedKafka) -> None:
    await store_message(kafka.bootstrap, "kept", b"two")
    kafka.kill()
    assert not kafka.is_running()
    kafka.start()
    assert await first_message(kafka.bootstrap, "kept") == b"two"


async def test_a_message_of_fifteen_mebibytes_fits(kafka: EmbeddedKafka) -> None:
    await store_message(kafka.bootstrap, "large", bytes(15 * 1024 * 1024))


async def test_a_wiped_broker_has_forgotten(kafka: EmbeddedKafka) -> None:
    await store_message(kafka.bootstrap, "gone", b"three")
    with pytest.raises(RuntimeError):
        kafka.wipe()
    bootstrap = kafka.bootstrap
    kafka.stop()
    kafka.wipe()
    kafka.start()
    assert kafka.bootstrap == bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        assert "gone" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_stopped_broker_leaves_no_process(kafka: EmbeddedKafka) -> None:
    processes = family(kafka.pid)
    kafka.stop()
    assert kafka.pid is None
    assert wait_gone(processes, 0)


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            EmbeddedKafka(folder / "kafka", port=port).start()
        with pytest.raises(PortTaken, match=str(port)):
            EmbeddedTimescale(folder / "timescale", port=port).start()


def test_a_failed_start_shows_the_end_of_the_log(folder: Path) -> None:
    with pytest.raises(StartFailed, match="heap"):
        EmbeddedKafka(folder / "kafka", heap_mb=1).start()


def test_a_second_start_over_a_live_folder_is_refused(folder: Path, timescale: EmbeddedTimescale) -> None:
    with pytest.raises(AlreadyRunning, match=str(timescale.pid)):
        EmbeddedTimescale(folder / "timescale").start()
    assert timescale.is_running()


def test_a_restarted_database_has_its_rows_and_its_address(timescale: EmbeddedTimescale) -> None:
    store_row(timescale)
    dsn = timescale.dsn
    timescale.stop()
    timescale.start()
    assert timescale.dsn == dsn
    assert stored_row(timescale) == (7,)


def test_a_committed_row_survives_sigkill_of_the_database(timescale: EmbeddedTimescale) -> None:
    store_row(timescale)
    processes = family(timescale.pid)
    timescale.kill()
    assert wait_gone(processes, 0)
    timescale.start()
    assert stored_row(timescale) == (7,)


def test_the_database_starts_again_after_someone_else_killed_it(timescale: EmbeddedTimescale) -> None:
    store_row(timescale)
    assert timescale.pid is not None
    os.kill(timescale.pid, signal.SIGKILL)
    while timescale.is_running():
        time.sleep(0.01)
    timescale.start()
    assert stored_row(timescale) == (7,)


def test_a_stopped_database_leaves_no_process(timescale: EmbeddedTimescale) -> None:
    with psycopg.connect(timescale.dsn):  # a client that stays does not keep it from stopping
        processes = family(timescale.pid)
        assert len(processes) > 3
        timescale.stop()
    assert wait_gone(processes, 0)


def test_the_database_lets_nobody_in_without_the_password(timescale: EmbeddedTimescale) -> None:
    address = urlsplit(timescale.dsn)
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=address.hostname, port=address.port, user="postgres", dbname="ioc", password=password)


def test_the_database_is_durable_and_knows_vietnamese(timescale: EmbeddedTimescale) -> None:
    asked = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), lower('ĐƯỜNG HẢI PHÒNG')"
    with psycopg.connect(timescale.dsn) as connection:
        assert connection.execute(asked).fetchone() == ("on", "on", "đường hải phòng")
        assert connection.execute("SELECT count(*) FROM pg_extension").fetchone() == (1,)


STARTER = """
import signal, sys, threading, time
from pathlib import Path
from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.timescale import EmbeddedTimescale

signal.signal(signal.SIGINT, signal.SIG_IGN)
servers = [EmbeddedKafka(Path(sys.argv[1]) / "kafka"), EmbeddedTimescale(Path(sys.argv[1]) / "timescale")]
for server in servers:
    thread = threading.Thread(target=server.start)  # a thread that ends before its servers
    thread.start()
    thread.join()
print(*(server.pid for server in servers), flush=True)
time.sleep(600)
"""


def test_servers_ignore_the_terminal_but_end_with_a_killed_parent_and_start_again(folder: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(STARTER), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        os.killpg(parent.pid, signal.SIGINT)
        time.sleep(1.0)
        processes = [member for pid in pids for member in family(pid)]
        parent.kill()
    # at once, while the orphans may still be going down
    kafka, timescale = EmbeddedKafka(folder / "kafka"), EmbeddedTimescale(folder / "timescale")
    try:
        timescale.start()
        kafka.start()
        assert wait_gone(processes, 5)
    finally:
        kafka.stop()
        timescale.stop()


def test_nothing_is_left_when_the_parent_is_killed(folder: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(STARTER), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        processes = [member for word in parent.stdout.readline().split() for member in family(int(word))]
        assert len(processes) > 4
        parent.kill()
    assert wait_gone(processes, 15)
