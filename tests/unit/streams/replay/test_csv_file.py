"""CSV: the same events come back; what cannot be rows is refused; a broken row is told with its line."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.replay.csv_file import COLUMNS, is_tabular, read_csv, write_csv
from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import Entry, Record, RecordingInfo
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import CameraObservation, LineCrossing, TrafficReading, ZoneCount
from streams.schema.instants import microseconds
from tests.unit.streams.replay.examples import START, observation, reading, recordings, tick, verbatim

INFO = RecordingInfo("thử", "test", "a test", 7)


def bare(entry: Any) -> Any:
    return Record(entry.logged_us, entry.event)


@st.composite
def any_readings(draw: st.DrawFn) -> Record:
    rows = draw(st.integers(1, 4))
    count = st.none() | st.integers(0, 2**31 - 1)
    value = st.none() | st.floats(allow_nan=False, allow_infinity=False)

    def column(cells: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(cells, min_size=rows, max_size=rows)

    event = TrafficReading(
        corridor=draw(st.sampled_from(["ql5", "null"])),
        observed_at=START,
        received_at=START,
        interval_s=draw(st.floats(1, 900)),
        station=draw(column(st.text(max_size=12))),
        lane=draw(column(st.integers(-(2**31), 2**31 - 1))),
        count=draw(column(count)),
        occupancy_pct=draw(st.just([]) | column(value)),
        speed_kmh=draw(st.just([]) | column(value)),
        flow_veh_h=draw(st.just([]) | column(value)),
        class_counts=draw(st.dictionaries(st.sampled_from(["moto", "light", "heavy"]), column(count))),
        gateway=draw(st.text(max_size=8)),
    )
    return Record(microseconds(START), event)


@st.composite
def any_observations(draw: st.DrawFn) -> Record:
    ids = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True)
    count = st.integers(0, 100_000)
    event = CameraObservation(
        camera=draw(ids),
        observed_at=START,
        received_at=START,
        frame_interval_s=draw(st.floats(0.01, 60)),
        zones=draw(st.lists(st.builds(ZoneCount, ids, count), max_size=3)),
        crossings=draw(st.lists(st.builds(LineCrossing, ids, count, count), max_size=3)),
        health=draw(st.sampled_from(["ok", "black"])),
    )
    return Record(microseconds(START), event)


@given(st.lists(any_readings() | any_observations() | st.just(tick(0)), min_size=1, max_size=6))
def test_any_events_come_back(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> None:
    path = tmp_path_factory.mktemp("r") / "r.csv"
    write_csv(path, entries, INFO)
    assert [bare(entry) for entry in open_recording(path)] == entries
    assert foreign_site(path) is None


@given(recordings())
def test_a_recording_comes_back(tmp_path_factory: pytest.TempPathFactory, whole: list[Entry]) -> None:
    path = tmp_path_factory.mktemp("r") / "r.csv.gz"
    entries = [entry for entry in whole if is_tabular(entry)]
    info = write_csv(path, entries, INFO)
    assert [bare(entry) for entry in open_recording(path)] == entries
    assert info.events == len(entries)


def test_a_row_is_a_zone_a_line_a_lane_or_a_tick(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write_csv(path, [tick(0), observation(0), reading(5, 2)], INFO)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["tick", "zone", "zone", "line", "lane", "lane"]
    assert [row["entry"] for row in rows] == ["1", "2", "2", "2", "3", "3"]
    assert (rows[4]["place"], rows[4]["speed_kmh"], rows[4]["occupancy_pct"], rows[4]["moto"]) == (
        "s0",
        "40.0",
        "",
        "0",
    )


def test_what_a_spreadsheet_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write_csv(path, [observation(0)], INFO)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n"))
    assert [bare(entry) for entry in open_recording(path)] == [observation(0)]


@pytest.mark.parametrize("broken", [verbatim(0), "columns"])
def test_what_cannot_be_rows_is_refused(tmp_path: Path, broken: Any) -> None:
    if broken == "columns":
        broken = Record(0, replace(reading(0, 2).event, lane=[1]))
    assert not is_tabular(broken)
    with pytest.raises(ValueError, match="entry 1 cannot be rows"):
        write_csv(tmp_path / "r.csv", [broken], INFO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("z0", "waiting", ""),
        ("z0", "Z 0", r"line 2 \$.zones\[0\].zone"),
        (",0,", ",many,", "line 2: not rows of this form"),
        ("2026-03-02T01:00:00.200000Z,camera", "yesterday,camera", "line 2: not rows"),
        ("camera-observation.v1", "camera-observation.v9", r"line 2"),
        ("ok", "ok,", "line 2: expected 22 cells"),
    ],
)
def test_a_broken_row_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "r.csv"
    write_csv(path, [observation(0, zones=1)], INFO)
    path.write_text(path.read_text().replace(old, new, 1))
    if not told:
        assert len(list(read_csv(path))) == 1
        return
    with pytest.raises(ConfigurationInvalid, match=told):
        list(read_csv(path))


def test_entries_out_of_order_and_a_cut_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write_csv(path, [tick(0)], INFO)
    late = path.read_text().splitlines()[1].replace("01:00", "00:59").replace("1,", "2,", 1)
    path.write_text(path.read_text() + late + "\r\n")
    with pytest.raises(ConfigurationInvalid, match="line 3: logged_at is earlier"):
        list(read_csv(path))
    packed = tmp_path / "r.csv.gz"
    write_csv(packed, [tick(at) for at in range(200)], INFO)
    assert gzip.decompress(packed.read_bytes()).startswith(",".join(COLUMNS).encode())
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ConfigurationInvalid, match="cut or damaged"):
        list(read_csv(packed))
