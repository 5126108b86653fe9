"""How long a 24-hour recording takes to replay at full speed, servers on the same machine.

python -m benchmarks.day [--hours 24] [--partitions 1] [--workers 1]

The recording is the bundled morning of 21 cameras and two roads, one after the other until the day is full, with a tick
a second. Timed from the first message sent until everything is acknowledged; making the recording is not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.servers import cpu_seconds, machine, servers
from streams.replay.outgoing import shifted
from streams.replay.readers import open_recording
from streams.replay.recording import Entry, Record, Recording, write_recording
from streams.schema.site import load_site
from tests.integration.platform import Platform

ROOT = Path(__file__).parents[1]
MORNING_S = 20 * 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    with servers() as running:
        file = running.folder / "day.jsonl"
        morning = open_recording(ROOT / "ioc/recordings/haiphong-demo.jsonl.gz")
        info = write_recording(
            file, repeated(morning, given.hours), title_vi="Một ngày", title_en="A day", made_by="benchmarks.day"
        )
        platform = Platform(
            running.kafka.bootstrap,
            running.timescale.dsn,
            load_site(ROOT / "config/haiphong.toml"),
            running.folder,
            partitions=given.partitions,
        )
        with platform:
            workers = [platform.start_worker() for _ in range(given.workers)]
            time.sleep(8)
            used, began = [cpu_seconds(worker.pid) for worker in workers], time.monotonic()
            played = platform.play(open_recording(file))
            sent_s = time.monotonic() - began
            platform.wait_until_drained(timeout_s=3600)
            seconds = time.monotonic() - began
            cpu = sum(cpu_seconds(worker.pid) for worker in workers) - sum(used)
    print(
        f"{machine()}; {given.hours:g} h, {info.events} entries, {played.messages} messages, {given.partitions} "
        f"partitions, {given.workers} workers: {seconds:.0f} s ({sent_s:.0f} s to send), workers' CPU {cpu:.0f} s, "
        f"{1e6 * cpu / played.messages:.0f} us a message"
    )


def repeated(morning: Recording, hours: float) -> Iterator[Entry]:
    """The morning's well-formed events in time, over and over."""
    entries = [entry for entry in morning if isinstance(entry, Record)]
    end_us = entries[0].logged_us + MORNING_S * 1_000_000
    for number in range(round(hours * 3600 / MORNING_S)):
        by = timedelta(seconds=MORNING_S * number)
        for entry in entries:
            if entry.logged_us < end_us:
                yield Record(entry.logged_us + MORNING_S * 1_000_000 * number, shifted(entry.event, by))


if __name__ == "__main__":
    main()
