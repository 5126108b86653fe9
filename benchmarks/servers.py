"""Embedded servers for a measurement, and what a process has used."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.timescale import EmbeddedTimescale


@dataclass(frozen=True)
class Servers:
    kafka: EmbeddedKafka
    timescale: EmbeddedTimescale
    folder: Path


@contextmanager
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="ioc-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with EmbeddedKafka(folder / "kafka") as kafka, EmbeddedTimescale(folder / "timescale") as timescale:
            yield Servers(kafka, timescale, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    return f"{os.cpu_count()} cores of {model}"
