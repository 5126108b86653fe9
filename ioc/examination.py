"""What `ioc doctor` looks at, and what it thinks of it. Each finding says what to do."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streams.admin import consumer_lag, missing_topics, total
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.settings import Settings, public_url
from streams.schema.site import load_site
from streams.storage.status import NEEDED_WORKER_PROCESSES, DatabaseStatus, database_status

MAX_CLOCK_OFFSET_S = 1.0
MAX_LAG = 10_000
MAX_PENDING_HOURS = 10_000
LOW_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """grave: something needs attention."""

    topic: str
    text: str
    grave: bool = False

    @property
    def mark(self) -> str:
        return "FAULT" if self.grave else "ok   "


async def examine(settings: Settings) -> list[Finding]:
    """Everything, one part after the other; a part that is away does not hide the others."""
    parts: list[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]]] = [
        ("site", _site),
        ("kafka", _kafka),
        ("database", _database),
        ("disk", _disk),
    ]
    findings = []
    for topic, part in parts:
        try:
            findings += await part(settings)
        except (ConfigurationInvalid, RetryLater) as fault:
            findings.append(Finding(topic, str(fault), grave=True))
    return findings


async def _site(settings: Settings) -> list[Finding]:
    site = load_site(settings.site_file)
    return [Finding("site", f"{settings.site_file}: {len(site.cameras)} cameras, {len(site.corridors)} corridors")]


async def _kafka(settings: Settings) -> list[Finding]:
    missing = await missing_topics(settings)
    if missing:
        return [Finding("kafka", f"topics are missing: {', '.join(missing)}; run `ioc topics`", grave=True)]
    found = [Finding("kafka", f"{settings.kafka_bootstrap}: all topics, {settings.partitions} partitions each")]
    lag = total(await consumer_lag(settings, settings.topics.group))
    told = f"{lag} messages wait for the workers"
    found.append(Finding("lag", told if lag <= MAX_LAG else f"{told}; is `ioc worker` running?", lag > MAX_LAG))
    return found


async def _database(settings: Settings) -> list[Finding]:
    status = await asyncio.to_thread(database_status, settings)
    return database_findings(status, public_url(settings.admin_database_url))


def database_findings(status: DatabaseStatus, url: str) -> list[Finding]:
    """What the database's answers mean."""
    if status.edition == "absent":
        return [Finding("database", f"{url} has no schema yet; run `ioc migrate`", grave=True)]
    edition = f"TimescaleDB {status.timescaledb} ({status.edition} edition) on PostgreSQL {status.postgres}"
    found = [Finding("database", f"{edition}, {status.size_bytes / 1e6:.0f} MB at {url}"), _schema(status)]
    found += _jobs(status)
    off_s = status.clock_offset_s
    far = abs(off_s) > MAX_CLOCK_OFFSET_S + status.round_trip_s
    found.append(Finding("clock", f"the database's clock is {off_s:+.3f} s from ours", grave=far))
    for table, newest in status.newest.items():
        found.append(Finding("newest", f"{table}: {newest.isoformat() if newest else 'no row yet'}"))
    return found


def _schema(status: DatabaseStatus) -> Finding:
    if status.changed:
        told = f"changed after they were applied: {', '.join(status.changed)}; is this the right version?"
        return Finding("schema", told, grave=True)
    if status.pending:
        return Finding("schema", f"not applied: {', '.join(status.pending)}; run `ioc migrate`", grave=True)
    return Finding("schema", "up to date")


def _jobs(status: DatabaseStatus) -> list[Finding]:
    if status.edition == "apache":
        hours = status.pending_rollup_hours
        told = f"none in this edition; {hours} touched hours wait for `ioc maintain`"
        return [Finding("jobs", told, grave=hours > MAX_PENDING_HOURS)]
    enough = status.worker_processes_enough
    advice = "" if enough else f"; set it to {NEEDED_WORKER_PROCESSES}, or background jobs fail"
    found = [Finding("jobs", f"max_worker_processes = {status.worker_processes}{advice}", grave=not enough)]
    if status.failed_jobs:
        found.append(Finding("jobs", f"failed: {', '.join(status.failed_jobs)}", grave=True))
    return found


async def _disk(settings: Settings) -> list[Finding]:
    free = shutil.disk_usage(settings.site_file.parent).free
    return [Finding("disk", f"{free / 1e9:.1f} GB free here", grave=free < LOW_DISK_BYTES)]
