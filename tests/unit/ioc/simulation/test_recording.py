"""The bundled recordings: well-formed, sorted, small, true to the site file, and what the code makes."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner

from ioc.simulation.__main__ import main
from ioc.simulation.delivery import UNKNOWN_CAMERA, UNKNOWN_STATION, Logged
from ioc.simulation.record import Request, gzip_lines, hall_lines, recording_lines
from ioc.simulation.story import BUSY_MORNING, QUIET
from streams.schema.codec import decode_input, encode
from streams.schema.events import CameraObservation, Tick, TrafficReading
from streams.schema.site import load_site

ROOT = Path(__file__).parents[4]
DEMO = ROOT / "ioc" / "recordings" / "haiphong-demo.jsonl.gz"
SMOKE = ROOT / "ioc" / "recordings" / "smoke.jsonl.gz"
SITE = load_site(ROOT / "config" / "haiphong.toml")
BOTH = pytest.mark.parametrize("path", [DEMO, SMOKE], ids=["demo", "smoke"])
SECOND = timedelta(seconds=1)


@cache
def read(path: Path) -> tuple[dict[str, Any], list[Logged]]:
    first, *others = gzip.decompress(path.read_bytes()).splitlines()
    lines = []
    for text in others:
        line = msgspec.json.decode(text)
        assert set(line) == {"logged_at", "event"}
        event = decode_input(msgspec.json.encode(line["event"]))
        assert decode_input(encode(event)) == event
        lines.append(Logged(datetime.fromisoformat(line["logged_at"]), event))
    return msgspec.json.decode(first), lines


def observations(path: Path, camera: str) -> list[CameraObservation]:
    return [x.event for x in read(path)[1] if isinstance(x.event, CameraObservation) and x.event.camera == camera]


def readings(path: Path) -> list[Logged]:
    return [line for line in read(path)[1] if isinstance(line.event, TrafficReading)]


@BOTH
def test_the_header_says_what_it_is(path: Path) -> None:
    header, lines = read(path)
    assert list(header) == ["recording", "title_vi", "title_en", "from", "to", "seed", "made_by", "events"]
    assert header["recording"] == "ioc-recording.v1"
    assert header["events"] == len(lines)
    assert header["made_by"].startswith(f"python -m ioc.simulation --out ioc/recordings/{path.name} --seed 1")
    assert "not real counts" in header["title_en"]


@BOTH
def test_lines_are_sorted_and_logged_after_they_were_received(path: Path) -> None:
    header, lines = read(path)
    logged = [line.logged_at for line in lines]
    assert logged == sorted(logged)
    assert datetime.fromisoformat(header["from"]) <= logged[0]
    assert logged[-1] <= datetime.fromisoformat(header["to"])
    for line in lines:
        if not isinstance(line.event, Tick):
            assert line.event.observed_at <= line.event.received_at <= line.logged_at


@BOTH
def test_there_is_a_tick_each_second(path: Path) -> None:
    header, lines = read(path)
    ticks = [line.event.ticked_at for line in lines if isinstance(line.event, Tick)]
    assert {later - earlier for earlier, later in itertools.pairwise(ticks)} == {SECOND}
    assert (ticks[0], ticks[-1]) == (datetime.fromisoformat(header["from"]), datetime.fromisoformat(header["to"]))


@pytest.mark.parametrize(("path", "limit_bytes"), [(DEMO, 2_000_000), (SMOKE, 60_000)])
def test_they_are_small_and_carry_neither_time_nor_name_of_making(path: Path, limit_bytes: int) -> None:
    payload = path.read_bytes()
    assert len(payload) < limit_bytes
    assert payload[3] & 0x08 == 0, "a file name in the gzip header"
    assert payload[4:8] == b"\0\0\0\0", "a time in the gzip header"


@BOTH
def test_apart_from_the_planted_faults_every_place_exists(path: Path) -> None:
    cameras, corridors = SITE.cameras, SITE.corridors_by_id
    faults: Counter[str] = Counter()
    for line in read(path)[1]:
        event = line.event
        if isinstance(event, CameraObservation):
            if event.camera == UNKNOWN_CAMERA:
                faults["camera"] += 1
                continue
            camera = cameras[event.camera][1]
            assert {z.zone for z in event.zones} <= {z.id for z in camera.zones}
            assert {c.line for c in event.crossings} <= {known.id for known in camera.lines}
        elif isinstance(event, TrafficReading):
            places = {(s.id, lane) for s in corridors[event.corridor].stations for lane in range(1, s.lanes + 1)}
            unknown = set(zip(event.station, event.lane, strict=True)) - places
            assert {station for station, _ in unknown} <= {UNKNOWN_STATION}
            faults["station"] += len(unknown)
            columns = [event.count, event.occupancy_pct, event.speed_kmh, *event.class_counts.values()]
            faults["columns"] += any(len(column) != len(event.station) for column in columns)
    assert faults == {"camera": 1, "station": 1, "columns": 1}


@BOTH
def test_a_reading_has_a_speed_where_it_has_vehicles_and_classes_that_add_up(path: Path) -> None:
    for line in readings(path):
        reading = line.event
        assert isinstance(reading, TrafficReading)
        for k, (count, speed) in enumerate(zip(reading.count, reading.speed_kmh, strict=False)):
            assert (speed is None) == (count == 0)
            assert count == sum(column[k] or 0 for column in reading.class_counts.values())
            assert 0 <= (reading.occupancy_pct[k] or 0) <= 100


def test_the_demo_has_all_cameras_and_both_roads() -> None:
    lines = read(DEMO)[1]
    cameras = {line.event.camera for line in lines if isinstance(line.event, CameraObservation)}
    roads = {line.event.corridor for line in lines if isinstance(line.event, TrafficReading)}
    assert cameras - {UNKNOWN_CAMERA} == set(SITE.cameras)
    assert roads == set(SITE.corridors_by_id)


def test_one_hall_is_overcrowded_for_minutes() -> None:
    office, camera = SITE.cameras["cam-ngo-quyen-01"]
    limit = camera.zones[0].area_m2 / 0.6  # level D of HCM queues begins at 0.6 m2 a person
    ten_seconds: dict[int, list[int]] = defaultdict(list)
    for observation in observations(DEMO, camera.id):
        ten_seconds[int(observation.observed_at.timestamp()) // 10].append(observation.zones[0].people)
    crowded = [window for window, people in ten_seconds.items() if sum(people) / len(people) > limit]
    assert office.overcrowding.grade == "D"
    assert _longest_run(sorted(crowded)) * 10 > office.overcrowding.on_delay_s + 60


def test_one_road_is_congested_for_minutes() -> None:
    corridor = SITE.corridors_by_id["le-hong-phong"]
    assert corridor.congestion is not None
    slow: dict[str, set[int]] = defaultdict(set)
    for line in readings(DEMO):
        reading = line.event
        assert isinstance(reading, TrafficReading)
        if reading.corridor != corridor.id:
            continue
        for station in corridor.stations:
            rows = [k for k, name in enumerate(reading.station) if name == station.id]
            counted = [(reading.count[k] or 0, reading.speed_kmh[k]) for k in rows if k < len(reading.speed_kmh)]
            hours = sum(n / v for n, v in counted if v)
            if hours and sum(n for n, _ in counted) / hours < corridor.congestion.below_kmh:
                slow[station.id].add(int(reading.observed_at.timestamp() / corridor.interval_s))
    longest_s = max(_longest_run(sorted(intervals)) for intervals in slow.values()) * corridor.interval_s
    assert longest_s >= corridor.congestion.on_delay_s + 120


def test_one_camera_falls_silent_and_one_is_covered() -> None:
    moments = sorted(o.observed_at for o in observations(DEMO, "cam-kien-an-01"))
    gap = max(later - earlier for earlier, later in itertools.pairwise(moments))
    assert gap.total_seconds() > SITE.streams.camera.silent_after_s + 30
    covered = [o for o in observations(DEMO, "cam-duong-kinh-01") if o.health == "covered"]
    assert len(covered) > 60


def test_some_events_are_late_within_lateness_grace_and_beyond_and_some_come_twice() -> None:
    lines = [line for line in read(DEMO)[1] if not isinstance(line.event, Tick)]
    first: dict[bytes, Logged] = {}
    for line in lines:
        first.setdefault(encode(line.event), line)
    assert len(lines) - len(first) >= 10, "duplicates"
    for kind, policy in ((CameraObservation, SITE.streams.camera), (TrafficReading, SITE.streams.traffic)):
        late_s = [
            (line.event.received_at - line.event.observed_at).total_seconds()
            for line in first.values()
            if isinstance(line.event, kind)
        ]
        assert sum(1 < late < policy.lateness_s + 1 for late in late_s) >= 2
        assert sum(policy.lateness_s + 10 < late < policy.grace_s for late in late_s) >= 2
        assert sum(late > policy.grace_s + 30 for late in late_s) == 1


@BOTH
def test_rows_that_come_late_are_not_in_the_batch_they_left(path: Path) -> None:
    events = {encode(line.event): line.event for line in readings(path)}.values()
    places: Counter[tuple[str, datetime, str, int]] = Counter()
    for reading in events:
        assert isinstance(reading, TrafficReading)
        if len(reading.speed_kmh) == len(reading.station):
            for station, lane in zip(reading.station, reading.lane, strict=True):
                places[reading.corridor, reading.observed_at, station, lane] += 1
    assert set(places.values()) == {1}


def test_the_hall_part_is_what_the_code_makes() -> None:
    """Without SUMO: the same halls, from the same seed, byte for byte."""
    for path in (DEMO, SMOKE):
        header, lines = read(path)
        cameras = {line.event.camera for line in lines if isinstance(line.event, CameraObservation)}
        begin, end = datetime.fromisoformat(header["from"]), datetime.fromisoformat(header["to"])
        request = Request(
            site=SITE,
            start=begin.astimezone(ZoneInfo(SITE.time_zone)),
            duration_s=(end - begin).total_seconds(),
            seed=header["seed"],
            story=BUSY_MORNING,
            offices=tuple(office for office in SITE.offices if office.cameras[0].id in cameras),
            corridors=(),
        )
        made = recording_lines(request, hall_lines(request))
        kept = [line for line in lines if not isinstance(line.event, TrafficReading)]
        assert gzip_lines(made) == gzip_lines(kept)


def test_the_command_makes_halls_without_roads_and_the_same_twice(tmp_path: Path) -> None:
    site = ["--site", str(ROOT / "config" / "haiphong.toml")]
    for folder in ("a", "b"):
        arguments = ["--out", str(tmp_path / folder / "x.jsonl.gz"), "--minutes", "1", "--no-roads", "--quiet-day"]
        done = CliRunner().invoke(main, [*arguments, *site, "--office", "do-son"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "a" / "x.jsonl.gz").read_bytes() == (tmp_path / "b" / "x.jsonl.gz").read_bytes()
    _, lines = read(tmp_path / "a" / "x.jsonl.gz")
    assert {line.event.camera for line in lines if isinstance(line.event, CameraObservation)} == {"cam-do-son-01"}
    assert QUIET.duplicated_share == 0


def test_the_command_names_the_places_there_are(tmp_path: Path) -> None:
    site = ["--site", str(ROOT / "config" / "haiphong.toml")]
    done = CliRunner().invoke(main, ["--out", str(tmp_path / "x.gz"), *site, "--corridor", "quoc-lo-5"])
    assert done.exit_code == 2
    assert "nguyen-van-linh" in done.output


def _longest_run(numbers: list[int]) -> int:
    longest = run = 0
    previous = None
    for number in numbers:
        run = run + 1 if previous is not None and number == previous + 1 else 1
        longest, previous = max(longest, run), number
    return longest
