"""Posts a second that the HTTP ingest takes, 202 only after Kafka acknowledged; Kafka and the client beside it.

python -m benchmarks.ingest [--seconds 10]

One reading is 24 rows of one corridor. The client writes prepared requests on kept connections and reads no more of
the answer than its status, so that most of what is measured is the server.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.servers import Servers, cpu_seconds, machine, peak_memory_mb, servers
from streams.admin import ensure_topics
from streams.schema.settings import Settings
from streams.schema.site import Corridor, load_site

ROWS = 24
TOKEN = "token-of-the-benchmark"
SITE_FILE = Path(__file__).parents[1] / "config" / "haiphong.toml"
SHAPES = ((1, 1), (1, 16), (50, 8))
"""(readings a post, posts at once)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(machine())
    with servers() as running:
        port = free_port()
        process = start(running, port)
        try:
            for readings, at_once in SHAPES:
                asyncio.run(measure(process.pid, port, readings, at_once, given.seconds))
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(running: Servers, port: int) -> subprocess.Popen[bytes]:
    """The ingest process, ready."""
    asyncio.run(ensure_topics(Settings(kafka_bootstrap=running.kafka.bootstrap)))
    tokens = running.folder / "tokens"
    tokens.write_text(f"gateway-1={TOKEN}\n")
    environment = os.environ | {
        "IOC_KAFKA_BOOTSTRAP": running.kafka.bootstrap,
        "IOC_SITE_FILE": str(SITE_FILE),
        "IOC_INGEST_PORT": str(port),
        "IOC_GATEWAY_TOKENS_FILE": str(tokens),
        "IOC_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "ioc", "ingest"], env=environment)
    deadline = time.monotonic() + 30
    while not asyncio.run(is_ready(port)):
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit("the ingest did not become ready")
        time.sleep(0.2)
    return process


async def is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return b" 200 " in answer.split(b"\r\n", 1)[0]


def requests(corridor: Corridor, readings: int) -> Iterator[bytes]:
    """Posts that never repeat a moment."""
    lanes = [(station.id, lane) for station in corridor.stations for lane in range(1, station.lanes + 1)]
    rows = list(itertools.islice(itertools.cycle(lanes), ROWS)) if len(lanes) >= ROWS else lanes
    at = datetime.now(UTC) - timedelta(hours=1)
    for first in itertools.count(0, readings):
        body = msgspec.json.encode(
            {
                "readings": [
                    {
                        "corridor": corridor.id,
                        "observed_at": at + timedelta(milliseconds=first + number),
                        "interval_s": 30,
                        "station": [station for station, _ in rows],
                        "lane": [lane for _, lane in rows],
                        "count": [12] * len(rows),
                        "occupancy_pct": [7.5] * len(rows),
                        "speed_kmh": [43.2] * len(rows),
                    }
                    for number in range(readings)
                ]
            }
        )
        head = (
            f"POST /v1/traffic/readings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def measure(pid: int, port: int, readings: int, at_once: int, seconds: float) -> None:
    corridor = max(load_site(SITE_FILE).corridors, key=lambda road: sum(station.lanes for station in road.stations))
    rows = min(ROWS, sum(station.lanes for station in corridor.stations))
    prepared = requests(corridor, readings)
    taken: list[float] = []
    used, began = cpu_seconds(pid), time.monotonic()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() - began < seconds:
            request = next(prepared)
            sent = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if b" 202 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(head.decode())
            taken.append(time.monotonic() - sent)
        writer.close()

    await asyncio.gather(*(client() for _ in range(at_once)))
    took, used = time.monotonic() - began, cpu_seconds(pid) - used
    taken.sort()
    posts = len(taken)
    print(
        f"{readings:>3} readings a post, {at_once:>2} at once: {posts / took:7,.0f} posts/s "
        f"{posts * readings * rows / took:9,.0f} rows/s  p50 {1e3 * taken[posts // 2]:5.1f} ms  "
        f"p99 {1e3 * taken[posts * 99 // 100]:5.1f} ms  {1e6 * used / posts:6,.0f} us CPU a post  "
        f"peak {peak_memory_mb(pid):.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
