"""Foreign formats become readings, and the shared recordings are read whole."""

from __future__ import annotations

import csv
import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streams.replay.i24 import KM_PER_MILE, i24_site
from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import Record, Recording, write_recording
from streams.replay.ticking import with_ticks
from streams.replay.traffic_sim import traffic_sim_site
from streams.schema.codec import decode_input, encode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Tick, TrafficReading
from streams.schema.instants import instant
from tests.unit.streams.replay.examples import START, reading, tick

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
I24 = SHARED / "traffic" / "ftaed_i24_2023-12-08" / "i24_rds_30s.csv.gz"
SIM = SHARED / "traffic-sim"
HEADER = "unix_time,milemarker,lane,volume_raw,occ_raw_pct,speed_raw_mph,speed_smoothed_mph"


def readings(recording: Recording) -> list[Record]:
    return [e for e in recording if isinstance(e, Record) and isinstance(e.event, TrafficReading)]


def ticks(recording: Recording) -> list[Record]:
    return [e for e in recording if isinstance(e, Record) and isinstance(e.event, Tick)]


@pytest.fixture
def i24_file(tmp_path: Path) -> Path:
    path = tmp_path / "i24.csv"
    rows = [
        HEADER, "1702033201,53.3,1,2,1,81,83.21", "1702033201,53.3,2,,,,70", "1702033201,53.6,1,2.50,0,0,83",
        "1702033231,53.3,1,0,0,,70", "1702033231,53.6,1,7,4.50,60.5,70",
    ]  # fmt: skip
    path.write_text("\n".join(rows) + "\n")
    return path


def test_i24_rows_of_one_step_are_one_reading(i24_file: Path) -> None:
    first, second = (record.event for record in readings(open_recording(i24_file)))
    assert isinstance(first, TrafficReading) and isinstance(second, TrafficReading)
    assert first.corridor == "i24-westbound"
    assert first.station == ["i24-mm53.6", "i24-mm53.3", "i24-mm53.3"]
    assert first.lane == [1, 1, 2]
    assert first.count == [3, 2, None]
    assert first.occupancy_pct == [0, 1, None]
    assert first.speed_kmh == [None, 81 * KM_PER_MILE, None]
    assert second.speed_kmh == [60.5 * KM_PER_MILE, None]
    assert first.observed_at.timestamp() == 1702033201
    assert (first.received_at - first.observed_at).total_seconds() == 1
    assert first.interval_s == 30


def test_i24_payloads_say_what_the_events_say(i24_file: Path) -> None:
    for record in readings(open_recording(i24_file)):
        assert decode_input(record.payload) == record.event


def test_i24_site_runs_with_the_traffic(i24_file: Path) -> None:
    site = i24_site(i24_file, lateness_s=10, grace_s=20)
    (corridor,) = site.corridors
    assert [(s.id, s.position_km, s.lanes) for s in corridor.stations] == [
        ("i24-mm53.6", 0.0, 4), ("i24-mm53.3", round(0.3 * KM_PER_MILE, 6), 4),
    ]  # fmt: skip
    assert (site.streams.traffic.lateness_s, site.streams.traffic.grace_s) == (10, 20)
    assert i24_site([53.3, 53.6], lateness_s=10, grace_s=20) == site
    assert foreign_site(i24_file, lateness_s=10, grace_s=20) == site


@pytest.mark.parametrize("row", ["1,2,3", "x,53.3,1,2,1,81,83", "1702033201,53.3,1,2,1,fast,83"])
def test_a_broken_i24_row_is_refused_with_its_line(i24_file: Path, row: str) -> None:
    i24_file.write_text(i24_file.read_text() + row + "\n")
    with pytest.raises(ConfigurationInvalid, match="line 7"):
        open_recording(i24_file)


def sim_line(**changes: Any) -> dict[str, Any]:
    return {
        "sensor_id": "COR-S05-L2", "station_km": 2.45, "lane": 2, "event_time": "2025-03-09T22:30:20Z",
        "arrival_time": "2025-03-09T22:30:21.2Z", "interval_s": 20, "flow_veh_h": 360, "count": 2,
        "occupancy_pct": 1.5, "speed_kmh": 55.5, "class_counts": {"moto": 1, "light": 1, "heavy": 0},
    } | changes  # fmt: skip


def sim_file(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    return path


def test_simulated_lines_that_arrived_together_are_one_reading(tmp_path: Path) -> None:
    path = sim_file(
        tmp_path / "readings.jsonl.gz",
        sim_line(),
        sim_line(sensor_id="COR-S05-L1", lane=1, arrival_time="2025-03-09T22:30:21.4Z", count=-1, speed_kmh=None),
        sim_line(event_time="2025-03-09T22:30:00Z", arrival_time="2025-03-09T22:30:21.6Z"),
        sim_line(arrival_time="2025-03-09T22:30:22Z"),
    )
    found = readings(open_recording(path))
    first = found[0].event
    assert isinstance(first, TrafficReading)
    assert (first.corridor, first.station, first.lane) == ("corridor", ["cor-s05", "cor-s05"], [2, 1])
    assert (first.count, first.speed_kmh, first.occupancy_pct) == ([2, -1], [55.5, None], [1.5, 1.5])
    assert first.class_counts == {"moto": [1, 1], "light": [1, 1], "heavy": [0, 0]}
    arrivals = [instant(record.logged_us).strftime("%S.%f") for record in found]
    assert arrivals == ["21.400000", "21.600000", "22.000000"]
    assert found[1].event.observed_at.second == 0  # type: ignore[union-attr]


def test_a_grid_sensor_is_a_station_of_one_lane(tmp_path: Path) -> None:
    path = sim_file(tmp_path / "r.gz", sim_line(sensor_id="GRD-A0A1-ENT", lane=None, link="A0A1", pos_m=40))
    event = readings(open_recording(path))[0].event
    assert isinstance(event, TrafficReading)
    assert (event.corridor, event.station, event.lane) == ("grid", ["grd-a0a1-ent"], [1])


def test_a_broken_simulated_line_is_refused_with_its_line(tmp_path: Path) -> None:
    path = sim_file(tmp_path / "r.gz", sim_line(), sim_line(count="many"))
    with pytest.raises(ConfigurationInvalid, match=r"line 2: not a reading .*count"):
        open_recording(path)


def test_our_own_form_is_recognised_packed_or_not(tmp_path: Path) -> None:
    for name in ("odd.name", "odd.gz"):
        write_recording(tmp_path / name, [tick(0)], title_vi="a", title_en="b", made_by="c")
        assert open_recording(tmp_path / name).info.events == 1
        assert foreign_site(tmp_path / name) is None


@pytest.mark.parametrize("text", [b"", b"time,value\n2015-07-10 14:24:00,564\n", b"\x00\x01", b"{}\n"])
def test_what_is_not_understood_is_refused_with_the_formats_that_are(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "what"
    path.write_bytes(text)
    with pytest.raises(ConfigurationInvalid, match=r"ioc-recording\.v1.*I-24.*simulated") as fault:
        open_recording(path)
    assert fault.value.path == str(path)


def test_ticks_come_at_whole_intervals_after_what_was_logged_and_go_on_to_the_end() -> None:
    entries = [reading(-1), reading(9), reading(58), reading(59)]  # each is received one second later
    out = list(with_ticks(entries, 60, flush_s=125))
    kinds = [(round((e.logged_us / 1e6) - START.timestamp()), type(e.event).__name__) for e in out]  # type: ignore[union-attr]
    assert kinds == [
        (0, "TrafficReading"), (0, "Tick"), (10, "TrafficReading"), (59, "TrafficReading"), (60, "TrafficReading"),
        (60, "Tick"), (120, "Tick"), (180, "Tick"), (240, "Tick"),
    ]  # fmt: skip
    assert all(instant(e.logged_us) == e.event.ticked_at for e in out if isinstance(e.event, Tick))  # type: ignore[union-attr]


def test_no_entries_no_ticks() -> None:
    assert list(with_ticks([], 60)) == []


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared beside the project")
def test_the_real_day_is_read_whole() -> None:
    recording = open_recording(I24)
    found = readings(recording)
    assert len(found) == 1_343
    assert {len(record.event.station) for record in found} == {196}  # type: ignore[union-attr]
    with gzip.open(I24, "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 263_228
    speeds = sum(1 for row in rows if row["speed_raw_mph"] and float(row["speed_raw_mph"]) > 0)
    assert speeds == sum(s is not None for r in found for s in r.event.speed_kmh)  # type: ignore[union-attr]
    counted = sum(float(row["volume_raw"] or 0) for row in rows)
    assert abs(counted - sum(c or 0 for r in found for c in r.event.count)) < 63  # type: ignore[union-attr]
    site = i24_site(I24)
    assert len(site.corridors[0].stations) == 49
    assert found[0].event.station[::4] == [station.id for station in site.corridors[0].stations]  # type: ignore[union-attr]
    marks = [instant(record.logged_us) for record in ticks(recording)]
    assert {(b - a).total_seconds() for a, b in pairwise(marks)} == {60.0}
    assert (marks[-1] - instant(found[-1].logged_us)).total_seconds() >= 3600


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared beside the project")
@pytest.mark.parametrize("run", ["corridor_t1", "corridor_t2", "grid_t1", "grid_t2"])
def test_the_simulated_days_are_read_whole(run: str) -> None:
    meta = json.loads((SIM / run / "meta.json").read_text())
    recording = open_recording(SIM / run / "readings.jsonl.gz")
    found = readings(recording)
    assert sum(len(record.event.station) for record in found) == meta["n_readings"]  # type: ignore[union-attr]
    site = traffic_sim_site(SIM / run / "meta.json")
    lanes = {station.id: station.lanes for station in site.corridors[0].stations}
    seen = {place for r in found for place in zip(r.event.station, r.event.lane, strict=True)}  # type: ignore[union-attr]
    assert all(lane <= lanes[station] for station, lane in seen)
    assert {record.event.corridor for record in found} == {site.corridors[0].id}  # type: ignore[union-attr]
    for record in found[:200]:
        assert decode_input(encode(record.event)) == record.event
    assert all(a.logged_us <= b.logged_us for a, b in pairwise(recording))
