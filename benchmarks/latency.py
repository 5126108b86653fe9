"""From event to visible row at 1,000 readings a second, servers on the same machine.

python -m benchmarks.latency [--seconds 60]

Ten corridors of 100 lanes send one reading each a second. The time of observation runs 30 times as fast as the clock,
so that every second reading ends a 1-min window of its corridor: latency is from sending that reading until a
reader's query shows the row. The window's length and its lateness are excluded by construction.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime, timedelta

import psycopg
from aiokafka import AIOKafkaProducer

from benchmarks.servers import cpu_seconds, machine, servers
from streams.schema import codec
from streams.schema.events import TrafficReading
from streams.schema.instants import microseconds
from streams.schema.site import Corridor, Duty, Site, Station, StreamPolicy, Streams
from tests.integration.platform import Platform

CORRIDORS, STATIONS, LANES, INTERVAL_S = 10, 25, 4, 30
LATENESS_S = 30.0
POLL_S = 0.01
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def site() -> Site:
    policy = StreamPolicy(lateness_s=LATENESS_S, grace_s=120, silent_after_s=600)
    corridors = [
        Corridor(
            id=f"c{c}",
            name_vi=f"c{c}",
            name_en=f"c{c}",
            interval_s=INTERVAL_S,
            stations=[
                Station(
                    id=f"c{c}-s{s:02}",
                    name_vi="s",
                    name_en="s",
                    position_km=s / 2,
                    latitude=0,
                    longitude=0,
                    lanes=LANES,
                )
                for s in range(STATIONS)
            ],
        )
        for c in range(CORRIDORS)
    ]
    duty = Duty(channels=[], people=[], shifts=[])
    streams = Streams(camera=policy, traffic=policy)
    return Site(name_vi="x", name_en="x", time_zone="UTC", streams=streams, offices=[], corridors=corridors, duty=duty)


def reading(corridor: int, step: int) -> TrafficReading:
    at = BEGIN + timedelta(seconds=INTERVAL_S * step)
    rows = STATIONS * LANES
    return TrafficReading(
        corridor=f"c{corridor}",
        observed_at=at,
        received_at=at,
        interval_s=INTERVAL_S,
        station=[f"c{corridor}-s{s:02}" for s in range(STATIONS) for _ in range(LANES)],
        lane=list(range(1, LANES + 1)) * STATIONS,
        count=[step % 20 + 1] * rows,
        occupancy_pct=[10.0] * rows,
        speed_kmh=[60.0] * rows,
    )


async def send(made: Platform, seconds: int, sent: dict[tuple[int, int], float]) -> None:
    """sent: when the reading was sent that ends a window, by (corridor, start of the window in s)."""
    producer = AIOKafkaProducer(bootstrap_servers=made.settings.kafka_bootstrap, enable_idempotence=True)
    await producer.start()
    began = time.monotonic()
    for number in range(seconds * CORRIDORS):
        await asyncio.sleep(max(0.0, began + number / CORRIDORS - time.monotonic()))
        corridor, step = number % CORRIDORS, number // CORRIDORS + 1
        event = reading(corridor, step)
        # the watermark stands lateness and half an interval behind the observation
        ended_s = microseconds(event.observed_at) / 1e6 - LATENESS_S - INTERVAL_S / 2
        sent.setdefault((corridor, int(ended_s // 60 * 60 - 60)), time.monotonic())
        await producer.send(
            made.settings.topics.traffic_readings.name, codec.encode(event), key=event.corridor.encode(), partition=0
        )
    await asyncio.sleep(3)
    await producer.stop()


async def watch(made: Platform, seen: dict[tuple[int, int], float], stop: asyncio.Event) -> None:
    newest = " UNION ALL ".join(
        f"SELECT {c}, (SELECT max(window_start) FROM v_traffic_station_1m WHERE station = 'c{c}-s00')"
        for c in range(CORRIDORS)
    )
    options = f"-c search_path={made.settings.namespace},public"
    url = made.settings.admin_database_url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, options=options) as connection:
        while not stop.is_set():
            for corridor, window in await (await connection.execute(newest.encode())).fetchall():
                if window is not None:
                    seen.setdefault((corridor, round(window.timestamp())), time.monotonic())
            await asyncio.sleep(POLL_S)


async def measure(made: Platform, seconds: int) -> list[float]:
    sent: dict[tuple[int, int], float] = {}
    seen: dict[tuple[int, int], float] = {}
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(made, seen, stop))
    await send(made, seconds, sent)
    stop.set()
    await watching
    return sorted(at - sent[window] for window, at in seen.items() if window in sent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with (
        servers() as running,
        Platform(running.kafka.bootstrap, running.timescale.dsn, site(), running.folder) as made,
    ):
        worker = made.start_worker()
        time.sleep(8)
        used = cpu_seconds(worker.pid)
        latencies = asyncio.run(measure(made, given.seconds))
        used = cpu_seconds(worker.pid) - used
    count = len(latencies)
    assert count > given.seconds, f"only {count} windows were seen"
    shares = {share: latencies[min(count - 1, int(count * share))] for share in (0.5, 0.95, 0.99)}
    told = ", ".join(f"p{share * 100:.0f} {1000 * value:.0f} ms" for share, value in shares.items())
    print(
        f"{machine()}; {CORRIDORS * STATIONS * LANES} readings/s, {count} windows: {told}, most "
        f"{1000 * latencies[-1]:.0f} ms; worker {100 * used / (given.seconds + 3):.0f} % of a core"
    )


if __name__ == "__main__":
    main()
