"""The commands as a person runs them, against real servers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ioc.embedded.kafka import EmbeddedKafka
from streams.schema.site import load_site
from tests.integration.platform import Platform

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture
def made(kafka_bootstrap: str, admin_database_url: str, server_dir: Path) -> Iterator[Platform]:
    with Platform(
        kafka_bootstrap, admin_database_url, load_site(ROOT / "config/haiphong.toml"), server_dir
    ) as platform:
        yield platform


def ioc(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ioc", *arguments]
    return subprocess.run(command, env=platform.environment, capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_replay_then_doctor_then_export(made: Platform) -> None:
    worker = made.start_worker()
    played = ioc(made, "replay", "ioc/recordings/smoke.jsonl.gz", "--speed", "max", "--plain")
    assert played.returncode == 0 and "all acknowledged" in played.stdout
    made.wait_until_drained()
    assert worker.poll() is None

    looked = ioc(made, "doctor")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    for told in ("all topics", "0 messages wait", "TimescaleDB", "up to date", "clock", "GB free"):
        assert told in looked.stdout
    password = urlsplit(made.settings.admin_database_url).password
    assert password and password not in looked.stdout + looked.stderr

    first, second = (ioc(made, "export", "zone_occupancy_10s").stdout for _ in range(2))
    assert first == second and len(first.splitlines()) > 50
    deadline = time.monotonic() + 20
    while ioc(made, "health", "worker").returncode and time.monotonic() < deadline:
        time.sleep(1)
    assert ioc(made, "health", "worker").returncode == 0
    assert "no heartbeat" in ioc(made, "health", "ticker").stderr


def test_what_is_there_already_is_left_alone(made: Platform) -> None:
    assert "nothing to apply" in ioc(made, "migrate").stdout
    assert ioc(made, "topics").stdout.strip() == "all topics are there"


def test_doctor_names_what_is_away_and_what_is_missing(made: Platform, kafka: EmbeddedKafka) -> None:
    made.execute("DELETE FROM schema_migration WHERE name LIKE '0005%'")
    kafka.stop()
    looked = ioc(made, "doctor")
    kafka.start()
    assert looked.returncode == 1
    assert "FAULT  kafka" in looked.stdout and "run `ioc migrate`" in looked.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "nothing"), "no such table"),
        (("replay", "README.md"), "not a recording"),
        (("site", "check", "pyproject.toml"), "pyproject.toml"),
        (("replay", "ioc/recordings/smoke.jsonl.gz", "--speed", "-1"), "above 0"),
    ],
)
def test_a_wrong_call_is_told_in_a_line(made: Platform, arguments: tuple[str, ...], told: str) -> None:
    done = ioc(made, *arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
