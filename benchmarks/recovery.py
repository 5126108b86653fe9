"""How soon work goes on: after kill -9 of a worker with many states, and after the database was away.

python -m benchmarks.recovery [--keys 1000] [--runs 3] [--away-s 600] [--readings-s 5000]

Killed: a worker with the states of so many cameras; from the kill until the next worker has acknowledged something
new, its start included (a supervisor starts it at once). Away: the database is stopped while so many readings a second
go on coming; the worker's memory, and how fast it catches up.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from benchmarks.latency import CORRIDORS, LANES, STATIONS
from benchmarks.latency import reading as latency_reading
from benchmarks.latency import site as road_site
from benchmarks.servers import Servers, machine, peak_memory_mb, servers
from streams.admin import consumer_lag, group_reader, total
from streams.schema import codec
from streams.schema.events import CameraObservation, Event, ZoneCount
from streams.schema.site import Camera, Duty, Office, Site, StreamPolicy, Streams, Zone
from tests.integration.platform import Platform

SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
PARTITIONS = 4
ROWS = CORRIDORS * STATIONS * LANES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--away-s", type=float, default=600.0)
    parser.add_argument("--readings-s", type=int, default=5000)
    given = parser.parse_args()
    print(machine())
    with servers() as running:
        if given.runs:
            killed(running, given.keys, given.runs)
        if given.away_s:
            away(running, given.away_s, given.readings_s)


def hall_site(keys: int) -> Site:
    policy = StreamPolicy(lateness_s=2, grace_s=120, silent_after_s=600)
    cameras = [
        Camera(
            id=f"cam-{number:04}",
            name_vi="c",
            name_en="c",
            zones=[
                Zone(id=zone, name_vi="z", name_en="z", role="waiting", polygon_norm=SQUARE, area_m2=40, capacity=40)
                for zone in ("waiting", "counters", "staff", "entrance")
            ],
        )
        for number in range(keys)
    ]
    offices = [
        Office(
            id=f"office-{first:04}",
            name_vi="o",
            name_en="o",
            kind="district",
            latitude=0,
            longitude=0,
            opening={},
            cameras=cameras[first : first + 50],
        )
        for first in range(0, keys, 50)
    ]
    duty = Duty(channels=[], people=[], shifts=[])
    streams = Streams(camera=policy, traffic=policy)
    return Site(name_vi="x", name_en="x", time_zone="UTC", streams=streams, offices=offices, corridors=[], duty=duty)


def observation(number: int, at: datetime) -> CameraObservation:
    zones = [ZoneCount(zone, number % 30) for zone in ("waiting", "counters", "staff", "entrance")]
    return CameraObservation(
        camera=f"cam-{number:04}", observed_at=at, received_at=at, frame_interval_s=2.0, zones=zones
    )


@contextmanager
def sending(
    platform: Platform, topic: str, key_of: str, rounds: Iterator[list[Event]], pause_s: float
) -> Iterator[None]:
    """A round every pause_s until the end of the block."""
    stop = threading.Event()

    async def run() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=platform.settings.kafka_bootstrap, linger_ms=5)
        await producer.start()
        due = time.monotonic()
        for events in rounds:
            for event in events:
                await producer.send(topic, codec.encode(event), key=getattr(event, key_of).encode())
            due += pause_s
            if await asyncio.to_thread(stop.wait, max(0.0, due - time.monotonic())):
                break
        await producer.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def acknowledged(platform: Platform) -> int:
    async def ask() -> int:
        async with group_reader(platform.settings) as reader:
            return sum(position.acknowledged for position in (await reader.positions()).values())

    return asyncio.run(ask())


def lag(platform: Platform) -> int:
    return total(asyncio.run(consumer_lag(platform.settings, platform.settings.topics.group)))


def killed(running: Servers, keys: int, runs: int) -> None:
    def rounds() -> Iterator[list[Event]]:
        while True:
            at = datetime.now(UTC)
            yield [observation(number, at) for number in range(keys)]

    with Platform(
        running.kafka.bootstrap, running.timescale.dsn, hall_site(keys), running.folder, partitions=PARTITIONS
    ) as platform:
        topic = platform.settings.topics.camera_observations.name
        worker = platform.start_worker()
        with platform.ticking(), sending(platform, topic, "camera", rounds(), 2.0):
            took = []
            for _ in range(runs):
                time.sleep(20)
                platform.kill_worker(worker)
                began = time.monotonic()
                platform.workers.clear()
                worker = platform.start_worker()
                before = acknowledged(platform)
                while acknowledged(platform) == before:
                    time.sleep(0.1)
                took.append(time.monotonic() - began)
    told = ", ".join(f"{seconds:.1f}" for seconds in took)
    print(f"killed with the states of {keys} cameras: work goes on after {told} s", flush=True)


def away(running: Servers, away_s: float, readings_s: int) -> None:
    corridors = road_site().corridors
    policy = StreamPolicy(lateness_s=30, grace_s=120, silent_after_s=600)
    site: Site = replace(road_site(), streams=Streams(camera=policy, traffic=policy), corridors=corridors)
    pause_s = ROWS / readings_s

    def rounds() -> Iterator[list[Event]]:
        begun = datetime.now(UTC)
        number = 0
        while True:
            number += 1
            at = begun + timedelta(seconds=pause_s * number)
            yield [replace(latency_reading(corridor, number), observed_at=at, received_at=at, interval_s=1.0)
                   for corridor in range(CORRIDORS)]  # fmt: skip

    with Platform(
        running.kafka.bootstrap, running.timescale.dsn, site, running.folder, partitions=PARTITIONS
    ) as platform:
        topic = platform.settings.topics.traffic_readings.name
        worker = platform.start_worker()
        with platform.ticking(), sending(platform, topic, "corridor", rounds(), pause_s):
            time.sleep(30)
            before_mb = peak_memory_mb(worker.pid)
            running.timescale.stop()
            time.sleep(away_s)
            after_mb, behind = peak_memory_mb(worker.pid), lag(platform)
            running.timescale.start()
            came, began = acknowledged(platform), time.monotonic()
            while lag(platform) > 200:
                time.sleep(0.2)
            seconds = time.monotonic() - began
            rate = (acknowledged(platform) - came) / seconds
        alive = worker.poll() is None
    live = CORRIDORS / pause_s + 2 * PARTITIONS
    print(f"database away for {away_s:.0f} s at {readings_s} readings/s, the worker {'lived on' if alive else 'DIED'}:")
    print(f"  peak memory {before_mb:.0f} MB before, {after_mb:.0f} MB after")
    print(
        f"  {behind} messages behind, caught up in {seconds:.1f} s: {rate / live:.1f} times the live rate", flush=True
    )


if __name__ == "__main__":
    main()
