"""`ioc replay` and `ioc runs` as a person or a script runs them, on real servers."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ioc.embedded.kafka import EmbeddedKafka
from ioc.replaying.isolated_namespaces import listed
from streams.admin import ensure_topics, running_members
from streams.replay.readers import open_recording
from streams.replay.recording import Record
from streams.schema.codec import decode_input
from streams.schema.errors import RejectedEvent
from streams.schema.events import CameraObservation, Tick
from streams.schema.settings import Settings
from tests.integration.platform import READER_PASSWORD, WRITER_PASSWORD, wired

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SMOKE = "ioc/recordings/smoke.jsonl.gz"


@dataclass
class Machine:
    """The test servers, and the command line on them with the live namespace."""

    settings: Settings
    found: frozenset[str] = frozenset()
    """Namespaces that others have made."""

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        return plain | {
            "IOC_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "IOC_DATABASE_URL": self.settings.database_url,
            "IOC_ADMIN_DATABASE_URL": self.settings.admin_database_url,
            "IOC_WRITER_PASSWORD": WRITER_PASSWORD,
            "IOC_READER_PASSWORD": READER_PASSWORD,
        }

    def ioc(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ioc", *arguments]
        return subprocess.run(
            command,
            env=self.environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            cwd=ROOT,
        )

    def names(self) -> set[str]:
        """The isolated namespaces that this test has made."""
        return {each.name for each in listed(self.settings)} - self.found

    def live_ends(self) -> dict[TopicPartition, int]:
        """Where each partition of the live topics ends."""
        return asyncio.run(_ends(self.settings, {topic.name: topic.partitions for topic in self.settings.topics.all}))


async def _ends(settings: Settings, topics: dict[str, int]) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends
    finally:
        await consumer.stop()


async def _read(settings: Settings, topics: dict[str, int]) -> list[object]:
    """What lies in the topics, decoded; what cannot be decoded stands as its bytes."""
    ends = await _ends(settings, topics)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(list(ends))
        found: list[object] = []
        async with asyncio.timeout(60):
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found += [_decoded(message.value) for message in messages]
        return found
    finally:
        await consumer.stop()


def _decoded(payload: bytes) -> object:
    try:
        return decode_input(payload)
    except RejectedEvent:
        return payload


@pytest.fixture
def machine(kafka_bootstrap: str, admin_database_url: str) -> Iterator[Machine]:
    """What a test leaves is removed."""
    made = Machine(wired(kafka_bootstrap, admin_database_url))
    made.found = frozenset(made.names())
    asyncio.run(ensure_topics(made.settings))
    yield made
    left = made.names()
    if left:
        dropped = made.ioc("runs", "drop", *left)
        assert dropped.returncode == 0, dropped.stderr


def test_a_complete_run_counts_what_came_of_it_and_leaves_the_live_topics_alone(machine: Machine) -> None:
    before = machine.live_ends()
    done = machine.ioc("replay", SMOKE, "--run", "--speed", "max", "--lang", "en", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "277 events, 1188 readings, 181 ticks" in done.stdout
    assert re.search(r"^ +204  zone_occupancy_10s$", done.stdout, re.M)
    assert "Alarms: 0" in done.stdout and "Dead letters: 3" in done.stdout and "(unknown-source)" in done.stdout
    (name,) = machine.names()
    assert f"Look: IOC_NAMESPACE={name} ioc export zone_occupancy_1m" in done.stdout
    assert machine.live_ends() == before

    shown = machine.ioc("runs")
    assert re.search(rf"^{name} +\d+ min +\d+\.\d MB +[\d,]+$", shown.stdout, re.M)
    again = machine.ioc("replay", SMOKE, "--run", "--into", name, "--drop")
    assert again.returncode == 2 and "was there before" in again.stderr
    assert machine.ioc("runs", "drop", name).stdout == f"dropped {name}\n"
    assert machine.names() == set()


def test_a_complete_run_that_is_dropped_leaves_nothing(machine: Machine) -> None:
    chosen = ("--until", "+1m", "--device", "cam-hong-bang-01")
    done = machine.ioc("replay", SMOKE, "--run", "--speed", "max", "--drop", *chosen)
    assert done.returncode == 0, done.stderr
    assert "zone_occupancy_10s" in done.stdout and "traffic_station_1m" not in done.stdout
    assert "đã xoá" in done.stdout
    assert machine.names() == set()


def test_a_broken_site_file_is_refused_before_anything_is_made(machine: Machine, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("nothing = 1\n")
    refused = machine.ioc("replay", SMOKE, "--run", IOC_SITE_FILE=str(site))
    assert refused.returncode == 2 and str(site) in refused.stderr and machine.names() == set()


def test_the_live_system_is_refused_without_the_second_asking(machine: Machine) -> None:
    before = machine.live_ends()
    for arguments in (("--live",), ("--yes-live",), ("--into", "ioc"), ("--map", "observations.camera=ioc.alarms")):
        refused = machine.ioc("replay", SMOKE, "--speed", "max", *arguments)
        assert refused.returncode == 2 and "--live" in refused.stderr and "Traceback" not in refused.stderr
    assert machine.live_ends() == before
    assert machine.names() == set()

    done = machine.ioc("replay", SMOKE, "--speed", "max", "--live", "--yes-live", "--until", "+5s", "--lang", "en")
    assert done.returncode == 0, done.stderr
    assert machine.live_ends() != before
    assert machine.names() == set()


@pytest.mark.parametrize(("answer", "status"), [("yes", 2), ("ioc", 0)])
def test_at_a_terminal_the_second_asking_is_typing_the_name(machine: Machine, answer: str, status: int) -> None:
    before = machine.live_ends()
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        command = [sys.executable, "-m", "ioc", "replay", SMOKE, "--live", "--until", "+2s", "--speed", "max"]
        os.execve(sys.executable, command, machine.environment | {"TERM": "xterm"})
    seen = b""
    while b"Type its name" not in seen:
        seen += os.read(screen, 4096)
    os.write(screen, f"{answer}\n".encode())
    try:
        while data := os.read(screen, 4096):
            seen += data
    except OSError:  # Linux tells so that the command has ended
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status, seen.decode()
    os.close(screen)
    assert (machine.live_ends() == before) is (status == 2)


def test_a_script_steps_and_seeks_into_a_namespace_by_name(machine: Machine) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    script = "step 2\nseek +2m\nspeed max\nresume\n"
    done = machine.ioc("replay", SMOKE, "--into", name, "--paused", "--plain", "--lang", "en", stdin=script)
    assert done.returncode == 0, done.stderr
    inputs = replace(machine.settings, namespace=name).topics.inputs
    sent = asyncio.run(_read(machine.settings, {topic.name: topic.partitions for topic in inputs}))
    recording = open_recording(ROOT / SMOKE)
    first = recording.info.from_us
    assert first is not None
    expected = [e for number, e in enumerate(recording) if number < 2 or e.logged_us >= first + 120_000_000]
    data = [event for event in sent if not isinstance(event, Tick)]
    assert len(data) == sum(not (isinstance(e, Record) and isinstance(e.event, Tick)) for e in expected)


def test_a_mapped_topic_gets_the_entries_and_the_ticks_instead(machine: Machine) -> None:
    name, topic = f"t{uuid.uuid4().hex[:10]}", f"cams-{uuid.uuid4().hex[:8]}"
    asyncio.run(_create(machine.settings, topic, 2))
    mapped = ("--map", f"observations.camera={topic}", "--kind", "camera")
    done = machine.ioc("replay", SMOKE, "--into", name, "--speed", "max", "--until", "+30s", *mapped)
    assert done.returncode == 0, done.stderr
    events = asyncio.run(_read(machine.settings, {topic: 2}))
    assert any(isinstance(event, CameraObservation) for event in events)
    ticks = sum(isinstance(event, Tick) for event in events)
    assert ticks and ticks % 2 == 0
    unused = replace(machine.settings, namespace=name).topics.camera_observations
    assert set(asyncio.run(_ends(machine.settings, {unused.name: unused.partitions})).values()) == {0}

    missing = machine.ioc("replay", SMOKE, "--into", name, "--map", "observations.camera=nowhere")
    assert missing.returncode == 2 and "nowhere: there is no such topic" in missing.stderr


async def _create(settings: Settings, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--device", "cam-hong-bag-01"), "near it are cam-hong-bang-01"),
        (("--from", "+9m"), "is after the recording's end"),
        (("--from", "soon"), "an ISO time"),
        (("--paused",), "nothing can resume it"),
        (("--workers", "2"), "belong to --run"),
        (("--kind", "tick", "--no-ticks"), "drop one of the two"),
        (("--device", "le-chan", "--kind", "traffic", "--until", "+1s", "--speed", "max"), "no 'le-chan'"),
    ],
)
def test_a_wrong_call_is_told_in_a_line(machine: Machine, arguments: tuple[str, ...], told: str) -> None:
    done = machine.ioc("replay", SMOKE, *arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_no_namespace_is_dropped_that_is_live_unknown_or_at_work(machine: Machine, tmp_path: Path) -> None:
    live = machine.ioc("runs", "drop", "ioc")
    assert live.returncode == 2 and "never dropped" in live.stderr
    name = f"t{uuid.uuid4().hex[:10]}"
    played = machine.ioc("replay", SMOKE, "--into", name, "--speed", "max")
    assert played.returncode == 0 and f"ioc runs drop {name}" in played.stderr
    near = machine.ioc("runs", "drop", name[:-1])
    assert near.returncode == 2 and f"near it are {name}" in near.stderr
    environment = machine.environment | {"IOC_NAMESPACE": name}
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "ioc", "worker"], env=environment, stdout=log, stderr=log, cwd=ROOT
        )
    try:
        deadline = time.monotonic() + 60
        while not asyncio.run(running_members(replace(machine.settings, namespace=name))):
            assert time.monotonic() < deadline and worker.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.2)
        busy = machine.ioc("runs", "drop", name)
        assert busy.returncode == 2 and f"workers run in '{name}' (1)" in busy.stderr
    finally:
        worker.terminate()
        worker.wait(30)
    assert machine.names() == {name}


def test_a_broker_that_is_away_is_told(machine: Machine, kafka: EmbeddedKafka) -> None:
    kafka.stop()
    done = machine.ioc("runs")
    kafka.start()
    assert done.returncode == 75 and "try again" in done.stderr
