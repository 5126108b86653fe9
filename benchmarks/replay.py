"""Readings a second of a replay at maximum speed, servers on the same machine, beside a bare loop.

python -m benchmarks.replay FILE [--runs 3]

The bare loop is aiokafka + msgspec + COPY in one process: it decodes every event and copies every reading into a
table without a key. It has no windows, no state, no duplicates, no late data.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer

from benchmarks.servers import Servers, cpu_seconds, machine, peak_memory_mb, servers
from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import Entry, Record
from streams.schema import codec
from streams.schema.events import TrafficReading
from streams.schema.site import Site
from tests.integration.platform import Platform

BARE_BATCH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    entries = list(open_recording(given.file))
    readings = sum(
        len(entry.event.station)
        for entry in entries
        if isinstance(entry, Record) and isinstance(entry.event, TrafficReading)
    )
    print(f"{machine()}; {given.file.name}: {readings} readings, median of {given.runs} runs (least, most)")
    with servers() as running:
        for name, run in (
            ("to 1-min rows", rows_only),
            ("every reading stored too", readings_too),
            ("bare loop", bare),
        ):
            results = [run(running, given.file, entries) for _ in range(given.runs)]
            rate = sorted(readings / seconds for seconds, _, _ in results)
            cpu = sorted(1e6 * used / readings for _, used, _ in results)
            memory = max(peak for _, _, peak in results)
            print(
                f"{name:<26} {statistics.median(rate):>9,.0f} readings/s ({rate[0]:,.0f}, {rate[-1]:,.0f})"
                f"  {statistics.median(cpu):5.2f} us CPU a reading in the worker, peak {memory:.0f} MB",
                flush=True,
            )


def rows_only(running: Servers, file: Path, entries: list[Entry]) -> tuple[float, float, float]:
    return replay(running, file, entries, store_readings=False)


def readings_too(running: Servers, file: Path, entries: list[Entry]) -> tuple[float, float, float]:
    return replay(running, file, entries, store_readings=True)


def replay(running: Servers, file: Path, entries: list[Entry], *, store_readings: bool) -> tuple[float, float, float]:
    """Seconds from the first message sent to the last row stored, CPU seconds and peak MB of the worker."""
    site = foreign_site(file)
    with platform(running, site, store_readings) as made:
        worker = made.start_worker()
        time.sleep(8)
        made.play(entries[:1])
        made.wait_until_drained()
        used = cpu_seconds(worker.pid)
        began = time.monotonic()
        made.play(entries[1:])
        with psycopg.connect(made.settings.admin_database_url, autocommit=True) as connection:
            done = f"SELECT max(window_start) FROM {made.settings.namespace}.traffic_lane_1m"
            while connection.execute(done.encode()).fetchone() != expected_end(entries):
                time.sleep(0.02)
        seconds = time.monotonic() - began
        used = cpu_seconds(worker.pid) - used
        made.wait_until_drained()
        return seconds, used, peak_memory_mb(worker.pid)


def platform(running: Servers, site: Site | None, store_readings: bool) -> Platform:
    assert site is not None
    return Platform(
        running.kafka.bootstrap,
        running.timescale.dsn,
        site,
        running.folder,
        store_readings=store_readings,
    )


def expected_end(entries: list[Entry]) -> tuple[object]:
    """The start of the last window."""
    last = max(
        entry.event.observed_at
        for entry in entries
        if isinstance(entry, Record) and isinstance(entry.event, TrafficReading)
    )
    middle = last.timestamp() - 15
    return (last.fromtimestamp(middle // 60 * 60, last.tzinfo),)


def bare(running: Servers, file: Path, entries: list[Entry]) -> tuple[float, float, float]:
    site = foreign_site(file)
    with platform(running, site, False) as made:
        made.play(entries)
        spawned = multiprocessing.get_context("spawn")
        queue = spawned.Queue()
        process = spawned.Process(target=bare_process, args=(made, len(entries), queue))
        process.start()
        result: tuple[float, float, float] = queue.get(timeout=60)
        process.join()
        return result


def bare_process(made: Platform, messages: int, queue: Any) -> None:
    queue.put(asyncio.run(bare_loop(made, messages)))


async def bare_loop(made: Platform, messages: int) -> tuple[float, float, float]:
    columns = "station text, lane int2, observed_at timestamptz, count int4, occupancy_pct float8, speed_kmh float8"
    consumer = AIOKafkaConsumer(
        made.settings.topics.traffic_readings.name,
        bootstrap_servers=made.settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    used, began, seen = cpu_seconds(os.getpid()), time.monotonic(), 0
    async with await psycopg.AsyncConnection.connect(made.settings.admin_database_url, autocommit=True) as connection:
        await connection.execute(f"CREATE TABLE {made.settings.namespace}.bare ({columns})".encode())
        while seen < messages:
            batch = await consumer.getmany(timeout_ms=1000, max_records=BARE_BATCH)
            for records in batch.values():
                seen += len(records)
                events = [codec.decode_input(record.value) for record in records]
                async with (
                    connection.cursor() as cursor,
                    cursor.copy(f"COPY {made.settings.namespace}.bare FROM STDIN (FORMAT BINARY)".encode()) as copy,
                ):
                    copy.set_types(["text", "int2", "timestamptz", "int4", "float8", "float8"])
                    for event in events:
                        if isinstance(event, TrafficReading):
                            for row in zip(
                                event.station, event.lane, [event.observed_at] * len(event.station), event.count,
                                event.occupancy_pct, event.speed_kmh, strict=True,
                            ):  # fmt: skip
                                await copy.write_row(row)
    seconds = time.monotonic() - began
    used = cpu_seconds(os.getpid()) - used
    await consumer.stop()
    return seconds, used, peak_memory_mb(os.getpid())


if __name__ == "__main__":
    main()
