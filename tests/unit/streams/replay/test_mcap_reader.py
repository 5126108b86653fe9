"""Damage is found and told with its place; what is whole of a cut file is saved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.mcap_file import McapWriter, write_mcap
from streams.replay.mcap_reader import check_summary, read_chunks, read_head, read_mcap
from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import RecordingInfo
from streams.schema.errors import ConfigurationInvalid
from tests.unit.streams.replay.examples import reading, tick, verbatim

INFO = RecordingInfo("thử", "test", "a test", 7)
ENTRIES = [*(reading(number) for number in range(12)), verbatim(20), tick(30)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "r.mcap"
    writer = McapWriter(path, INFO, position={"t/0": 0}, chunk_bytes=1000)
    for number, entry in enumerate(ENTRIES, 1):
        writer.add(entry, {"t/0": number})
    writer.finish({"t/0": len(ENTRIES)})
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "r.mcap"


def logged(path: Path, salvage: bool = False) -> list[int]:
    return [entry.logged_us for chunk in read_chunks(path, salvage=salvage) for entry in chunk.entries]


TIMES = [entry.logged_us for entry in ENTRIES]


def test_it_is_known_by_its_first_bytes(place: Path, whole: bytes) -> None:
    place.write_bytes(whole)
    assert [entry.logged_us for entry in open_recording(place)] == TIMES
    assert foreign_site(place) is None


@given(st.data())
def test_a_cut_file_is_refused_and_what_is_whole_of_it_is_saved(place: Path, whole: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(whole) - 1))
    place.write_bytes(whole[:length])
    with pytest.raises(ConfigurationInvalid, match=r"cut|damaged"):
        read_mcap(place)
    with pytest.raises(ConfigurationInvalid):
        logged(place)
    saved = logged(place, salvage=True)
    assert saved == TIMES[: len(saved)]
    positions = [chunk.position["t/0"] for chunk in read_chunks(place, salvage=True) if chunk.position]
    assert all(position <= len(saved) for position in positions)
    assert len(saved) - (positions[-1] if positions else 0) <= len(TIMES)


@given(st.data())
def test_a_changed_byte_is_never_taken_for_data(place: Path, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    place.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    try:
        found = [entry.logged_us for entry in read_mcap(place)]
        check_summary(place)
    except ConfigurationInvalid:
        return
    assert found == TIMES


def test_a_chunk_that_is_gone_is_noticed(place: Path, whole: bytes) -> None:
    first, second = (match.start() - 13 for match in list(re.finditer(b"ioc-position", whole))[1:3])
    place.write_bytes(whole[:first] + whole[second:])
    with pytest.raises(ConfigurationInvalid, match="is not there"):
        logged(place)
    assert logged(place, salvage=True) == TIMES[:4]


def test_damage_in_a_file_without_positions_gives_nothing_twice(place: Path) -> None:
    writer = McapWriter(place, INFO, chunk_bytes=1000)
    sizes = [writer.bytes_written for entry in ENTRIES if writer.add(entry)]
    writer.finish()
    content = bytearray(place.read_bytes())
    content[sizes[0] + 200] ^= 0xFF
    place.write_bytes(content)
    assert logged(place, salvage=True) == TIMES[:4]


def test_nothing_is_lost_but_the_unfinished_chunk(place: Path, whole: bytes) -> None:
    found = [match.start() for match in re.finditer(b"ioc-position", whole)]
    place.write_bytes(whole[: found[len(found) // 2 - 1]])  # the last one; each is told again in the summary
    assert logged(place, salvage=True) == TIMES
    assert [bool(chunk.position) for chunk in read_chunks(place, salvage=True)][-2:] == [True, False]
    assert read_head(place, salvage=True).position == {"t/0": 0}


@pytest.mark.parametrize("content", [b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + bytes(100)])
def test_a_file_without_a_head_is_refused(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    with pytest.raises(ConfigurationInvalid):
        read_head(place, salvage=True)


def test_an_mcap_of_others_is_refused(place: Path) -> None:
    from mcap.writer import Writer

    writer = Writer(str(place))
    writer.start(profile="ros2")
    writer.finish()
    with pytest.raises(ConfigurationInvalid, match="profile 'ros2'"):
        open_recording(place)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot read it"):
        open_recording(tmp_path / "none.mcap")


def test_entries_out_of_order_are_refused(place: Path) -> None:
    write_mcap(place, [tick(0), tick(5)], INFO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.replay.mcap_file.Span.include", lambda span, _: setattr(span, "count", span.count + 1))
        write_mcap(place, [tick(5), tick(0)], INFO)
    with pytest.raises(ConfigurationInvalid, match="earlier than the one before"):
        list(read_mcap(place))
