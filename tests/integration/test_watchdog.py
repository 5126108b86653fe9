"""A worker that looks alive and consumes nothing is noticed, told and ended; the next one goes on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from streams.admin import consumer_lag, total
from streams.schema.site import load_site
from streams.watchdog import EXIT_STALLED
from tests.integration.platform import Platform
from tests.integration.stalling_worker import AFTER_S

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


def fate(platform: Platform, how: str) -> int:
    """The exit status of a worker that stalls."""
    command = [sys.executable, "-m", "tests.integration.stalling_worker", how]
    worker = subprocess.Popen(command, env=platform.environment, cwd=ROOT)
    try:
        return worker.wait(AFTER_S + 60)
    finally:
        worker.kill()
        worker.wait()


def test_a_worker_that_crashes_and_cannot_stop_is_ended(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path
) -> None:
    site = load_site(ROOT / "config/haiphong.toml")
    with Platform(kafka_bootstrap, admin_database_url, site, server_dir) as platform:
        assert fate(platform, "unending") == EXIT_STALLED
        assert platform.count("alarm_event") == 0


@pytest.mark.parametrize("how", ["paused", "stuck"])
def test_a_stalled_worker_is_told_and_ended_and_the_next_goes_on(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path, how: str
) -> None:
    site = load_site(ROOT / "config/haiphong.toml")
    with Platform(kafka_bootstrap, admin_database_url, site, server_dir) as platform, platform.ticking():
        status = fate(platform, how)
        assert status == EXIT_STALLED if how == "stuck" else status != 0
        told = platform.query("SELECT condition, state FROM alarm_event ORDER BY state DESC")
        assert told == [("worker-stalled", "unacknowledged"), ("worker-stalled", "returned-unacknowledged")]
        platform.start_worker()
        platform.wait_for(lambda: lag_of(platform) <= 4 or None, 60, "the next worker to catch up")


def lag_of(platform: Platform) -> int:
    return total(asyncio.run(consumer_lag(platform.settings, platform.settings.topics.group)))
