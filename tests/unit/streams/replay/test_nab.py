from __future__ import annotations

from pathlib import Path

import pytest

from streams.agents.sources import corridor_kind
from streams.core.partition import Partition
from streams.core.partition import Record as LogRecord
from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import Record
from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Tick, TrafficReading

SHARED = Path(__file__).parents[5] / "shared/data/traffic/nab_mndot"
OCCUPANCY = "timestamp,value\n2015-09-01 13:45:00,3.06\n2015-09-01 13:50:00,6.44\n"


def series(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def readings(file: Path) -> list[TrafficReading]:
    return [e.event for e in open_recording(file) if isinstance(e, Record) and isinstance(e.event, TrafficReading)]


def test_occupancy_is_kept_and_nothing_is_invented(tmp_path: Path) -> None:
    first, second = readings(series(tmp_path, "occupancy_6005.csv", OCCUPANCY))
    assert (first.station, first.lane, first.count, first.speed_kmh) == (["mndot-6005"], [1], [None], [])
    assert [first.occupancy_pct, second.occupancy_pct] == [[3.06], [6.44]]
    assert f"{first.observed_at:%Y-%m-%dT%H:%M:%S%z}" == "2015-09-01T13:45:00+0000"


def test_speed_becomes_km_an_hour(tmp_path: Path) -> None:
    (reading,) = readings(series(tmp_path, "speed_t4013.csv", "timestamp,value\n2015-09-01 11:25:00,50\n"))
    assert reading.speed_kmh == [pytest.approx(80.4672)]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("TravelTime_387.csv", OCCUPANCY, "TravelTime_387.csv"),
        ("occupancy_1.csv", OCCUPANCY + "2015-09-01 13:55:00,high\n", "line 4"),
        ("occupancy_1.csv", OCCUPANCY + "yesterday,3\n", "line 4"),
    ],
)
def test_what_is_no_such_series_is_refused_with_its_place(tmp_path: Path, name: str, text: str, where: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=where):
        readings(series(tmp_path, name, text))


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="the recordings beside the project are absent")
def test_a_whole_series_passes_the_core() -> None:
    file = SHARED / "occupancy_6005.csv"
    site = foreign_site(file)
    assert site is not None
    partition = Partition("t", 0, corridor_kind(site, store_readings=True), {})
    log = [
        LogRecord(
            number, None if isinstance(entry.event, Tick) else b"mndot", codec.encode(entry.event), entry.logged_us
        )
        for number, entry in enumerate(open_recording(file))
        if isinstance(entry, Record)
    ]
    batch = partition.process(log)
    lanes = sum(len(rows) for rows in batch.rows if rows.table.name == "traffic_lane_1m")
    assert lanes == len(readings(file)) == 2380
    assert batch.dead_letters == []
