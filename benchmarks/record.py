"""Messages a second that `ioc record` takes from Kafka, and that a killed recorder goes on to the same bytes.

python -m benchmarks.record [FILE] [--passes 20]

FILE (default: the bundled morning) is played so many times on end, then recorded by the command as a process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.servers import Servers, machine, peak_memory_mb, servers
from streams.admin import ensure_topics
from streams.replay.player import Progress, play
from streams.replay.readers import open_recording
from streams.schema.settings import Settings

MORNING = Path(__file__).parents[1] / "ioc" / "recordings" / "haiphong-demo.jsonl.gz"
NAMESPACE = "benchmark_record"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=MORNING)
    parser.add_argument("--passes", type=int, default=20)
    given = parser.parse_args()
    print(machine())
    with servers() as running:
        settings = Settings(kafka_bootstrap=running.kafka.bootstrap, namespace=NAMESPACE)
        messages = asyncio.run(fill(settings, given.file, given.passes))
        whole, killed = running.folder / "whole.mcap", running.folder / "killed.mcap"
        took_s, peak_mb = measure(start(running, whole))
        size = whole.stat().st_size
        print(f"{messages} messages, {size / 1e6:.1f} MB: {took_s:.1f} s, {messages / took_s:,.0f}/s, {peak_mb:.0f} MB")
        kill_at(start(running, killed), killed.with_name("killed.mcap.part"), size // 3)
        took_s, peak_mb = measure(start(running, killed, "--resume"))
        same = "the same bytes" if killed.read_bytes() == whole.read_bytes() else "OTHER BYTES"
        print(f"killed after a third and resumed: {took_s:.1f} s, {peak_mb:.0f} MB, {same}")


async def fill(settings: Settings, file: Path, passes: int) -> int:
    """Plays the file so many times; how many messages that are."""
    await ensure_topics(settings)
    stop = asyncio.Event()

    def watch(progress: Progress) -> None:
        if progress.passes > passes:
            stop.set()

    return (await play(open_recording(file), settings, loop=True, on_progress=watch, stop=stop)).messages


def start(running: Servers, out: Path, *more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"IOC_KAFKA_BOOTSTRAP": running.kafka.bootstrap, "IOC_NAMESPACE": NAMESPACE}
    command = [sys.executable, "-m", "ioc", "record", str(out), "--plain", *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Seconds until it ends, from its start, and the most memory it had."""
    began, peak = time.monotonic(), 0.0
    while process.poll() is None:
        with suppress(IndexError, FileNotFoundError):  # it has ended since
            peak = max(peak, peak_memory_mb(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the recorder ended with {process.returncode}")
    return time.monotonic() - began, peak


def kill_at(process: subprocess.Popen[bytes], part: Path, size: int) -> None:
    while not part.exists() or part.stat().st_size < size:
        if process.poll() is not None:
            raise SystemExit("the recorder ended before it could be killed; take more --passes")
        time.sleep(0.01)
    process.kill()
    process.wait()


if __name__ == "__main__":
    main()
