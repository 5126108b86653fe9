"""An MCAP recording: anything survives it, the same entries give the same bytes, others can read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader

from streams.replay.mcap_file import McapWriter, write_mcap
from streams.replay.mcap_reader import check_summary, read_chunks, read_head, read_mcap
from streams.replay.recording import Record, RecordingInfo, Verbatim
from streams.schema.codec import decode_input, encode
from streams.schema.instants import microseconds
from tests.unit.streams.replay.examples import observation, reading, recordings, tick, verbatim, verbatims

INFO = RecordingInfo("thử", "test", "a test", 7)


def bare(entry: Any) -> Any:
    return entry if isinstance(entry, Verbatim) else Record(entry.logged_us, entry.event)


def test_what_is_written_is_read_with_its_payload(tmp_path: Path) -> None:
    path = tmp_path / "day.mcap"
    spaced = b'{ "kind":"tick.v1",\n "ticked_at":"2026-03-02T01:00:00Z" }'
    entries = [Record(tick(0).logged_us, tick(0).event, spaced), observation(0), reading(0.5), verbatim(2), tick(3)]
    info = write_mcap(path, entries, INFO)
    found = read_mcap(path)
    assert found.info == info
    assert (info.events, info.seed, info.from_us, info.to_us) == (5, 7, entries[0].logged_us, entries[-1].logged_us)
    for _ in range(2):  # it may be read again
        assert [bare(entry) for entry in found] == [bare(entry) for entry in entries]
    assert [e.payload for e in found][:2] == [spaced, encode(observation(0).event)]
    assert [each.name for each in tmp_path.iterdir()] == ["day.mcap"]
    check_summary(path)


@given(recordings(), st.lists(verbatims(), max_size=5), st.integers(1, 3000))
def test_any_recording_survives(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Any], more: list[Any], chunk_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("r") / "r.mcap"
    whole = sorted(entries + more, key=lambda entry: entry.logged_us)
    writer = McapWriter(path, INFO, chunk_bytes=chunk_bytes)
    chunks = 1 + sum(writer.add(entry) for entry in whole)
    written = writer.finish()
    assert [bare(entry) for entry in read_mcap(path)] == whole
    assert read_mcap(path).info == written
    assert chunks - 1 <= len(list(read_chunks(path))) <= chunks


def test_the_same_entries_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_mcap(tmp_path / name, [tick(0), reading(1), verbatim(3)], INFO)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    entries = [observation(0), reading(0.5), verbatim(2, "{ broken", "key"), tick(3)]
    write_mcap(path, entries, INFO)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ioc-recording.v1"
        (said,) = (each.metadata for each in reader.iter_metadata() if each.name == "ioc-recording.v1")
        assert said == {"title_vi": "thử", "title_en": "test", "made_by": "a test", "seed": "7"}
        found = list(reader.iter_messages())
    assert [channel.topic for _, channel, _ in found] == [
        "observations.camera", "observations.traffic", "observations.traffic/verbatim", "ticks",
    ]  # fmt: skip
    for (described, channel, message), entry in zip(found, entries, strict=True):
        assert described is not None and described.encoding == "jsonschema" and channel.message_encoding == "json"
        jsonschema.validate(json.loads(message.data), json.loads(described.data))
        assert message.log_time == entry.logged_us * 1000
    event = observation(0).event
    assert found[0][2].publish_time == microseconds(event.observed_at) * 1000  # type: ignore[union-attr]
    assert found[0][2].data == encode(event)
    assert json.loads(found[2][2].data)["raw"] == "{ broken" and json.loads(found[2][2].data)["key"] == "key"


def test_an_observation_from_before_1970_or_after_2554_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    texts = [
        b'{"kind":"tick.v1","ticked_at":"0001-01-01T00:00:00+07:00"}',
        b'{"kind":"tick.v1","ticked_at":"9999-12-31T23:59:59Z"}',
    ]
    write_mcap(path, [Record(1, decode_input(text), text) for text in texts], INFO)
    assert [entry.payload for entry in read_mcap(path)] == texts


def test_source_and_position_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    writer = McapWriter(path, INFO, source={"namespace": "ioc"}, position={"t/0": 3}, chunk_bytes=1)
    for offset in (4, 5):
        assert writer.add(tick(offset), {"t/0": offset})
    writer.finish({"t/0": 9})
    head = read_head(path)
    assert (head.source, head.position) == ({"namespace": "ioc"}, {"t/0": 3})
    assert [chunk.position for chunk in read_chunks(path)] == [{"t/0": 4}, {"t/0": 5}]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "r.mcap"
    write_mcap(path, [tick(0)], INFO)
    before = path.read_bytes()
    for entries in ([tick(1), tick(0)], []):
        with pytest.raises(ValueError, match=r"arrived before|at least one"):
            write_mcap(path, entries, INFO)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "r.mcap"
    tracemalloc.start()
    try:
        writer = McapWriter(path, INFO, chunk_bytes=65_536)
        for number in range(3_000):
            writer.add(reading(number, 50))
        writer.finish()
        assert sum(1 for _ in read_mcap(path)) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
