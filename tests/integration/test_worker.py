"""Workers as processes: the bundled morning, sharing partitions, and what ends a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.replay.readers import open_recording
from streams.replay.recording import Entry, Record
from streams.schema.events import Tick
from streams.schema.instants import instant
from streams.schema.site import Site, load_site
from streams.schema.tables import DEAD_LETTER, TABLES
from tests.integration.platform import Platform

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration
COMPARED = [table for table in TABLES if table is not DEAD_LETTER]
"""Offsets and partitions are part of a dead letter's row; they follow the number of partitions."""


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(ROOT / "config/haiphong.toml")


@pytest.fixture(scope="module")
def morning() -> list[Entry]:
    """The bundled recording, and a last tick that closes every window."""
    entries = list(open_recording(ROOT / "ioc/recordings/haiphong-demo.jsonl.gz"))
    end_us = entries[-1].logged_us + 3_600_000_000
    return [*entries, Record(end_us, Tick(ticked_at=instant(end_us)))]


@pytest.fixture
def made(kafka_bootstrap: str, admin_database_url: str, server_dir: Path, site: Site) -> Iterator[Platform]:
    with Platform(kafka_bootstrap, admin_database_url, site, server_dir) as platform:
        yield platform


def test_the_bundled_morning_gives_its_planted_alarms_and_dead_letters(made: Platform, morning: list[Entry]) -> None:
    made.start_worker()
    made.play(morning)
    made.wait_until_drained()
    raised = made.query("SELECT condition, source FROM alarm_event WHERE state = 'unacknowledged' ORDER BY raised_at")
    assert {row[0] for row in raised} == {"zone-overcrowded", "camera-cannot-see", "source-silent", "road-congested"}
    assert [source for condition, source in raised if condition == "source-silent"] == ["cam-kien-an-01"]
    reasons = dict(made.query("SELECT reason, count(*) FROM dead_letter GROUP BY 1"))
    assert reasons == {"unknown-source": 1, "unknown-place": 1, "columns-differ": 1, "beyond-grace": 2}
    assert made.count("zone_occupancy_1m") > 1000
    assert made.count("line_crossing_1m") > 300
    assert made.count("correction") > 0


def test_partitions_and_workers_change_no_row(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path, site: Site, morning: list[Entry]
) -> None:
    exports = []
    for partitions, workers in ((1, 1), (4, 2)):
        with Platform(kafka_bootstrap, admin_database_url, site, server_dir, partitions=partitions) as platform:
            for _ in range(workers):
                platform.start_worker()
            platform.play(morning)
            platform.wait_until_drained()
            exports.append(platform.exports(COMPARED))
    one, four = exports
    for table in COMPARED:
        assert one[table.name] == four[table.name], table.name


def test_a_worker_that_meets_a_bug_ends_to_be_started_again(made: Platform, morning: list[Entry]) -> None:
    made.execute("ALTER TABLE line_crossing_1m RENAME TO lost")
    worker = made.start_worker()
    made.play(morning[:4000])
    assert worker.wait(60) != 0
    made.execute("ALTER TABLE lost RENAME TO line_crossing_1m")
    made.start_worker()
    made.wait_until_drained()
    assert made.count("line_crossing_1m") > 0
