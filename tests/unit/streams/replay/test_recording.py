"""The JSON Lines form: what is written is read again; what is broken is refused with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.recording import Record, Recording, Verbatim, read_recording, write_recording
from streams.schema.codec import encode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.instants import instant
from tests.unit.streams.replay.examples import observation, reading, recordings, tick, verbatim, verbatims

HEADER = {
    "recording": "ioc-recording.v1", "title_vi": "thử", "title_en": "test", "from": "2026-03-02T01:00:00Z",
    "to": "2026-03-02T01:00:01Z", "seed": 7, "made_by": "a test", "events": 1,
}  # fmt: skip
LINE = {"logged_at": "2026-03-02T01:00:00Z", "event": {"kind": "tick.v1", "ticked_at": "2026-03-02T01:00:00Z"}}


def write(path: Path, entries: Any) -> Any:
    return write_recording(path, entries, title_vi="thử", title_en="test", made_by="a test", seed=7)


def lines(path: Path, *objects: Any) -> Path:
    path.write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in objects))
    return path


@pytest.mark.parametrize("name", ["day.jsonl", "day.jsonl.gz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    entries = [tick(0), observation(0), reading(0.5), verbatim(2, "{ nonsense \u1ec7", ""), verbatim(2, ""), tick(3)]
    info = write(tmp_path / name, entries)
    found = read_recording(tmp_path / name)
    assert found.info == info
    assert (info.events, info.seed, info.from_us, info.to_us) == (6, 7, entries[0].logged_us, entries[-1].logged_us)
    for _ in range(2):  # it may be read again
        assert [strip(entry) for entry in found] == entries
    assert [entry.payload for entry in found if isinstance(entry, Record)] == [
        encode(entry.event) for entry in entries if isinstance(entry, Record)
    ]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def strip(entry: Any) -> Any:
    return entry if isinstance(entry, Verbatim) else Record(entry.logged_us, entry.event)


@given(recordings(), st.lists(verbatims(), max_size=5))
def test_any_recording_survives(tmp_path_factory: pytest.TempPathFactory, entries: list[Any], more: list[Any]) -> None:
    path = tmp_path_factory.mktemp("r") / "r.jsonl"
    whole = sorted(entries + more, key=lambda entry: entry.logged_us)
    write(path, whole)
    assert [strip(entry) for entry in read_recording(path)] == whole


def test_a_line_break_in_a_payload_does_not_break_the_line(tmp_path: Path) -> None:
    spread = b'{"kind":"tick.v1",\r\n"ticked_at":"2026-03-02T01:00:00Z"}'
    write(tmp_path / "r.jsonl", [Record(tick(0).logged_us, tick(0).event, spread)])
    (found,) = read_recording(tmp_path / "r.jsonl")
    assert found.payload == spread.replace(b"\r\n", b"  ") and strip(found) == tick(0)


def test_the_same_entries_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write(tmp_path / name, [tick(0), reading(1)])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_whitespace_of_an_event_is_kept_as_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    event = '{ "kind": "tick.v1",  "ticked_at": "2026-03-02T01:00:00Z" }'
    path.write_text(json.dumps(HEADER) + '\n{"logged_at":"2026-03-02T01:00:00Z","event":' + event + "}\n")
    assert [entry.payload for entry in read_recording(path)] == [event.encode()]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ({**LINE, "event": {"kind": "tick.v1"}}, "line 2 $.event"),
        ({**LINE, "event": {"kind": "tick.v1", "ticked_at": "yesterday"}}, "line 2 $.event.ticked_at"),
        ({**LINE, "event": {"kind": "alarm.v1"}}, "line 2 $.event.kind"),
        ({**LINE, "surplus": 1}, "line 2 $"),
        ({**LINE, "logged_at": "2026-03-02T01:00:00"}, "line 2 $.logged_at"),
        ({**LINE, "raw": "x"}, "line 2"),
        ({"logged_at": LINE["logged_at"]}, "line 2"),
        ({"logged_at": LINE["logged_at"], "raw": "x"}, "line 2"),
        ({"logged_at": LINE["logged_at"], "raw": "x", "topic": "alarms"}, "line 2 $.topic"),
    ],
)
def test_a_broken_line_is_refused_with_its_place(tmp_path: Path, line: Any, place: str) -> None:
    path = lines(tmp_path / "r.jsonl", HEADER, line)
    with pytest.raises(ConfigurationInvalid) as fault:
        list(read_recording(path))
    assert fault.value.path == f"{path} {place}"


@pytest.mark.parametrize(
    "header",
    [{**HEADER, "recording": "ioc-recording.v2"}, {**HEADER, "events": "many"}, {}, [], {**HEADER, "from": "x"}],
)
def test_a_broken_header_is_refused_at_once(tmp_path: Path, header: Any) -> None:
    path = lines(tmp_path / "r.jsonl", header)
    with pytest.raises(ConfigurationInvalid, match="line 1"):
        read_recording(path)


def test_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "r.jsonl", HEADER)
    path.write_bytes(path.read_bytes() + b"not json\n")
    with pytest.raises(ConfigurationInvalid, match="line 2: not a line of JSON"):
        list(read_recording(path))


def test_a_line_out_of_order_is_refused(tmp_path: Path) -> None:
    earlier = {**LINE, "logged_at": "2026-03-02T00:59:59Z"}
    path = lines(tmp_path / "r.jsonl", {**HEADER, "events": 2}, LINE, earlier)
    with pytest.raises(ConfigurationInvalid, match=r"line 3 .*earlier than the line before"):
        list(read_recording(path))


@pytest.mark.parametrize("events", [0, 2])
def test_another_number_of_entries_than_promised_is_refused(tmp_path: Path, events: int) -> None:
    path = lines(tmp_path / "r.jsonl", {**HEADER, "events": events}, LINE)
    with pytest.raises(ConfigurationInvalid, match=f"ends after 1 entries; its header promises {events}"):
        list(read_recording(path))


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    write(path, [reading(number) for number in range(500)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ConfigurationInvalid, match=r"cut or damaged|promises 500|not a line of JSON"):
        list(read_recording(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot read it"):
        read_recording(tmp_path / "none.jsonl")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    write(path, [tick(0)])
    before = path.read_bytes()
    for entries in ([tick(1), tick(0)], []):
        with pytest.raises(ValueError, match=r"arrived before|at least one"):
            write(path, entries)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "r.jsonl.gz"
    write(path, (reading(number, 50) for number in range(2_000)))
    assert len(gzip.decompress(path.read_bytes())) > 2_000_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_recording(path)) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_of_sorts_by_arrival() -> None:
    recording = Recording.of([tick(2), reading(0), tick(1)])
    assert [entry.logged_us for entry in recording] == sorted(entry.logged_us for entry in recording)
    assert recording.info.events == 3
    assert instant(recording.info.from_us or 0).isoformat() == "2026-03-02T01:00:01+00:00"
