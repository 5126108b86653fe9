"""Same recording in, same rows out: each of tests/replay/cases, at any speed, disturbed, by any number of workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ioc.verification import golden
from ioc.verification.case import Case, find_case
from ioc.verification.difference import differences, report
from ioc.verification.run import Way, run_case
from streams.replay.perturb import duplicate, shuffle_within
from streams.replay.recording import Entry, Record, Recording
from streams.schema.events import Tick
from streams.schema.instants import microseconds
from tests.integration.platform import READER_PASSWORD, WRITER_PASSWORD, wired

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/replay/cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())
AS_FAST_AS_IT_GOES = Way()
WAYS = [("three-minutes", way) for way in (Way(speed=60.0), Way(partitions=4, workers=2), Way(partitions=4, workers=4))]
CONDITIONS = {"zone-overcrowded", "road-congested", "source-silent", "camera-cannot-see"}
pytestmark = pytest.mark.integration


def case_named(name: str) -> Case:
    return find_case(CASES / name, None, ROOT / "config/haiphong.toml")


@pytest.mark.parametrize(("name", "way"), [*((name, AS_FAST_AS_IT_GOES) for name in NAMES), *WAYS])
def test_a_case_gives_what_it_gave(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path, name: str, way: Way
) -> None:
    case = case_named(name)
    assert (CASES / name / "WHY.md").is_file()
    base = wired(kafka_bootstrap, admin_database_url)
    now = run_case(case.recording(), case.site(), base, server_dir, way)
    assert report(differences(golden.read(case.golden), now), dict) == ""


def test_shuffled_within_lateness_and_5_percent_twice_gives_the_same(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path
) -> None:
    case = case_named("morning-alarms")
    site, recording = case.site(), case.recording()
    lateness_s = min(site.streams.camera.lateness_s, site.streams.traffic.lateness_s)
    in_time = [entry for entry in recording if came_within(entry, lateness_s)]
    disturbed = shuffle_within(duplicate(in_time, 0.05, seed=1, within_s=lateness_s), lateness_s, seed=2)
    assert disturbed != in_time
    base = wired(kafka_bootstrap, admin_database_url)
    plain, again = (
        run_case(Recording(recording.info, lambda given=given: iter(given)), site, base, server_dir, way)
        for given, way in ((in_time, Way()), (disturbed, Way(partitions=4, workers=2)))
    )
    letters = "dead_letter"  # a bad event that comes twice is refused twice
    same = {name: rows for name, rows in plain.rows.items() if name != letters}
    assert same == {name: rows for name, rows in again.rows.items() if name != letters}
    assert plain.alarms == again.alarms
    assert {alarm.split('"condition":"')[1].split('"')[0] for alarm in plain.alarms} == CONDITIONS


def came_within(entry: Entry, lateness_s: float) -> bool:
    if not isinstance(entry, Record) or isinstance(entry.event, Tick):
        return True
    return entry.logged_us - microseconds(entry.event.observed_at) < lateness_s * 1e6


def test_the_command_tells_what_differs_and_accepts_it(
    kafka_bootstrap: str, admin_database_url: str, tmp_path: Path
) -> None:
    case = tmp_path / "case"
    shutil.copytree(CASES / "three-minutes", case)
    rows = case / "golden/zone_occupancy_1m.csv"
    heading, first, *rest = rows.read_text().splitlines()
    rows.write_text("\n".join([heading, first.replace(",1,", ",7,", 1), *rest[1:]]) + "\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")} | {
        "IOC_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "IOC_ADMIN_DATABASE_URL": admin_database_url,
        "IOC_WRITER_PASSWORD": WRITER_PASSWORD,
        "IOC_READER_PASSWORD": READER_PASSWORD,
        "IOC_DATA_DIR": str(tmp_path / "data"),
    }

    def verify(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ioc", "verify", str(case), "--plain", *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=ROOT)

    told = verify()
    assert told.returncode == 1, told.stderr
    assert "zone_occupancy_1m: 1 rows differ, 0 missing, 1 too many" in told.stdout
    assert "revision: golden '7', now '1'" in told.stdout
    assert "since entry" in told.stdout
    assert verify("--accept").returncode == 0
    again = verify()
    assert again.returncode == 0 and "all as they were" in again.stdout, again.stdout + again.stderr
