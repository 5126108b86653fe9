"""`ioc record` on a real broker: what was produced is recorded, and plays to the same log."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ioc.embedded.kafka import EmbeddedKafka
from streams.admin import delete_topics, ensure_topics
from streams.replay.log_range import Wanted
from streams.replay.mcap_reader import check_summary, read_chunks
from streams.replay.player import play
from streams.replay.readers import open_recording
from streams.replay.recorder import Recorded, record
from streams.replay.recording import Recording, Verbatim
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings
from tests.integration.test_replay import Log, busy_recording, read_log
from tests.unit.streams.replay.examples import tick

pytestmark = pytest.mark.integration


@pytest.fixture
async def settings(kafka_bootstrap: str) -> AsyncIterator[Settings]:
    own = Settings(kafka_bootstrap=kafka_bootstrap, namespace=f"t{uuid.uuid4().hex[:12]}", partitions=3)
    copy = replace(own, namespace=own.namespace + "copy")
    await ensure_topics(own)
    await ensure_topics(copy)
    yield own
    await delete_topics(own)
    await delete_topics(copy)


def with_poison(seconds: int) -> Recording:
    entries = list(busy_recording(seconds))
    at = tick(seconds // 2).logged_us + 500_000
    entries += [
        Verbatim(at, None, "observations.traffic", "corridor-2"),
        Verbatim(at, b"keyless", "observations.camera"),
        Verbatim(at, b"\xff\xfe", "observations.camera", "camera-1"),
        Verbatim(at, b'{"kind":"tick.v1","ticked_at":"2026-03-02T01:00:00Z"}', "observations.camera", "camera-2"),
        Verbatim(at, b"{}", "observations.traffic", b"\xc3(".decode("utf-8", "surrogateescape")),
    ]
    return Recording.of(entries)


async def played_again(path: Path, settings: Settings) -> Log:
    """The log that a recording gives in a namespace of its own, under the names of the first."""
    copy = replace(settings, namespace=settings.namespace + "copy")
    await play(open_recording(path), copy)
    log = await read_log(copy)
    return {
        (topic.replace(copy.namespace, settings.namespace), number): found for (topic, number), found in log.items()
    }


def environment(settings: Settings) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "IOC_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "IOC_NAMESPACE": settings.namespace,
        "IOC_PARTITIONS": str(settings.partitions),
    }


def start_recorder(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ioc", "record", *arguments, "--plain", "--lang", "en"]
    return subprocess.Popen(command, env=environment(settings), text=True, stdout=-1, stderr=-1)


async def wait_for_chunks(path: Path, number: int) -> None:
    async with asyncio.timeout(60):
        while not path.exists() or sum(1 for _ in read_chunks(path, salvage=True)) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_is_recorded_plays_to_the_same_log(settings: Settings, tmp_path: Path) -> None:
    recording = with_poison(120)
    await play(recording, settings)
    done = await record(settings, tmp_path / "a.mcap", Wanted(chunk_bytes=50_000))
    assert (done.ticks, done.events, done.raised) == (120, 120 * 13 + 5, 0)
    assert done.read == done.expected and done.paths == (tmp_path / "a.mcap",)
    check_summary(tmp_path / "a.mcap")
    assert await played_again(tmp_path / "a.mcap", settings) == await read_log(settings)

    await record(settings, tmp_path / "b.mcap", Wanted(chunk_bytes=50_000))
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()


async def test_a_stretch_and_a_device(settings: Settings, tmp_path: Path) -> None:
    await play(with_poison(60), settings)
    first, after = tick(10).logged_us, tick(20).logged_us
    await record(settings, tmp_path / "a.mcap", Wanted(from_us=first, to_us=after))
    found = [entry for entry in with_poison(60) if first <= entry.logged_us < after]
    assert sorted(entry.logged_us for entry in open_recording(tmp_path / "a.mcap")) == [e.logged_us for e in found]
    done = await record(settings, tmp_path / "b.mcap", Wanted(devices=("camera-1", "camera-x")))
    assert (done.events, done.ticks, done.verbatim, done.unseen) == (61, 60, 1, ("camera-x",))
    with pytest.raises(ConfigurationInvalid, match="exists already"):
        await record(settings, tmp_path / "b.mcap", Wanted())
    with pytest.raises(ConfigurationInvalid, match="nothing to resume: it is complete"):
        await record(settings, tmp_path / "b.mcap", None)
    nothing = await record(settings, tmp_path / "c.mcap", Wanted(from_us=tick(10_000).logged_us))
    assert nothing.paths == () and not (tmp_path / "c.mcap").exists()


@pytest.mark.parametrize("split", [(), ("--split-s", "20")])
async def test_killed_in_the_middle_and_resumed_nothing_is_lost_or_doubled(
    settings: Settings, tmp_path: Path, split: tuple[str, ...]
) -> None:
    out = tmp_path / "live.mcap"
    unfinished = out.with_name("live.p0002.mcap.part" if split else "live.mcap.part")
    recording = with_poison(60)
    playing = asyncio.create_task(play(recording, settings, speed=10))
    recorder = start_recorder(settings, str(out), "--follow", "--from", "2026-03-01T00:00Z", "--chunk-kb", "20", *split)
    await wait_for_chunks(unfinished, 2)
    recorder.kill()
    recorder.communicate()
    await playing
    stop = asyncio.Event()

    def watch(done: Recorded) -> None:
        if done.logged_us == recording.info.to_us:
            stop.set()

    again = await asyncio.wait_for(record(settings, out, None, on_progress=watch, stop=stop), 60)
    assert again.read < 60 * 18  # it went on, it did not begin anew

    paths = sorted(tmp_path.iterdir())
    assert all(path.suffix == ".mcap" for path in paths) and len(paths) == (3 if split else 1)
    entries = [entry for path in paths for entry in open_recording(path)]
    at_once = tmp_path / "at-once.mcap"
    await record(settings, at_once, Wanted())
    assert entries == list(open_recording(at_once))


async def test_kafka_away_is_waited_for(settings: Settings, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    said: list[str | None] = []
    stop = asyncio.Event()
    away = asyncio.Event()

    def hear(text: str | None) -> None:
        said.append(text)
        away.set()

    def watch(done: Recorded) -> None:
        if done.logged_us == tick(40).logged_us:
            stop.set()

    await play(busy_recording(20), settings)
    path = tmp_path / "a.mcap"
    task = asyncio.create_task(
        record(settings, path, Wanted(from_us=0, follow=True), stop=stop, on_away=hear, on_progress=watch)
    )
    await asyncio.to_thread(kafka.stop)
    await asyncio.wait_for(away.wait(), 60)
    await asyncio.to_thread(kafka.start)
    later = Recording.of([entry for entry in busy_recording(40) if entry.logged_us > tick(20).logged_us])
    await play(later, settings)
    await asyncio.wait_for(task, 60)
    assert said[0] is not None and settings.kafka_bootstrap in said[0] and said[1] is None
    assert await played_again(path, settings) == await read_log(settings)


async def test_without_topics_it_is_refused(kafka_bootstrap: str, tmp_path: Path) -> None:
    nowhere = Settings(kafka_bootstrap=kafka_bootstrap, namespace="nowhere")
    with pytest.raises(ConfigurationInvalid, match=r"nowhere\.observations\.camera: there is no such topic"):
        await record(nowhere, tmp_path / "a.mcap", Wanted())
