"""Runs SUMO on a corridor and reads its induction loops as traffic readings, one an interval.

Decides how a loop's figures become a reading (time-mean speed, null when nothing was counted); refuses to know
when a reading arrives. SUMO is the development extra ``simulation`` (PyPI eclipse-sumo), run as a process in a
temporary folder; its own output is thrown away. These are not real counts. Without SUMO's sublane model: with it
(0.8 m) a corridor took 142 s instead of 4 s, and coarser (1.1 m) an incident could lock all lanes for good; so
motorcycles here follow each other in lanes.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from ioc.simulation.road_network import (
    SUMO_CLASS,
    Demand,
    Incident,
    detectors,
    detectors_xml,
    edges_xml,
    nodes_xml,
    routes_xml,
)
from streams.schema.events import TrafficReading
from streams.schema.site import Corridor

WARM_UP_S = 480.0
STEP_S = 0.5


class SumoMissing(Exception):
    """The development extra is not installed."""


@dataclass(frozen=True)
class LoopFigures:
    """What one induction loop measured in one interval."""

    vehicles: int
    occupancy_pct: float
    speed_kmh: float | None


def simulate_corridor(
    corridor: Corridor,
    start: datetime,
    duration_s: float,
    seed: int,
    demand: Demand,
    incidents: Sequence[Incident] = (),
) -> list[TrafficReading]:
    """Complete readings whose intervals lie in [start, start + duration_s]; received_at is observed_at still.

    incidents: their seconds count from ``start``.
    """
    shifted = [replace(incident, start_s=incident.start_s + WARM_UP_S) for incident in incidents]
    end_s = WARM_UP_S + duration_s
    with tempfile.TemporaryDirectory(prefix="ioc-sumo-") as folder:
        place = Path(folder)
        (place / "nodes.xml").write_text(nodes_xml(corridor), encoding="utf-8")
        (place / "edges.xml").write_text(edges_xml(corridor), encoding="utf-8")
        (place / "routes.xml").write_text(routes_xml(corridor, demand, shifted, end_s), encoding="utf-8")
        (place / "loops.xml").write_text(detectors_xml(corridor, "measured.xml"), encoding="utf-8")
        _run(place, "netconvert", "-n", "nodes.xml", "-e", "edges.xml", "-o", "net.xml", "--no-turnarounds")
        _run(
            place, "sumo", "-n", "net.xml", "-r", "routes.xml", "-a", "loops.xml", "--seed", str(seed),
            "--end", f"{end_s:.0f}", "--step-length", str(STEP_S),
            "--time-to-teleport", "-1", "--collision.action", "none", "--no-step-log", "--no-warnings",
        )  # fmt: skip
        measured = _read_loops(place / "measured.xml")
    return _readings(corridor, measured, start.astimezone(UTC), duration_s)


def _run(folder: Path, program: str, *arguments: str) -> None:
    try:
        home = Path(import_module("sumo").SUMO_HOME)
    except ImportError:
        raise SumoMissing("SUMO is missing; install it with: pip install -e '.[simulation]'") from None
    done = subprocess.run(
        [str(home / "bin" / program), *arguments],
        cwd=folder,
        env={"SUMO_HOME": str(home), "PATH": "", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")


def _read_loops(path: Path) -> dict[tuple[str, float], LoopFigures]:
    """By loop and begin of the interval, in seconds of the simulation."""
    measured: dict[tuple[str, float], LoopFigures] = {}
    for _, element in ElementTree.iterparse(path):  # noqa: S314 - written by our own SUMO run
        if element.tag != "interval":
            continue
        vehicles, speed_m_s = int(element.attrib["nVehContrib"]), float(element.attrib["speed"])
        measured[element.attrib["id"], float(element.attrib["begin"])] = LoopFigures(
            vehicles=vehicles,
            occupancy_pct=round(min(100.0, float(element.attrib["occupancy"])), 1),
            speed_kmh=round(speed_m_s * 3.6, 1) if vehicles and speed_m_s >= 0 else None,
        )
        element.clear()
    return measured


def _readings(
    corridor: Corridor, measured: dict[tuple[str, float], LoopFigures], start: datetime, duration_s: float
) -> list[TrafficReading]:
    loops = detectors(corridor)
    totals = [loop for loop in loops if loop.vehicle_class is None]
    readings: list[TrafficReading] = []
    for k in range(int(duration_s // corridor.interval_s)):
        begin_s = WARM_UP_S + k * corridor.interval_s
        figures = [measured[loop.name, begin_s] for loop in totals]
        end = start + timedelta(seconds=(k + 1) * corridor.interval_s)
        readings.append(
            TrafficReading(
                corridor=corridor.id,
                observed_at=end,
                received_at=end,
                interval_s=corridor.interval_s,
                station=[loop.station for loop in totals],
                lane=[loop.lane for loop in totals],
                count=[f.vehicles for f in figures],
                occupancy_pct=[f.occupancy_pct for f in figures],
                speed_kmh=[f.speed_kmh for f in figures],
                class_counts={
                    name: [measured[loop.name, begin_s].vehicles for loop in loops if loop.vehicle_class == name]
                    for name in SUMO_CLASS
                },
                gateway=f"gw-{corridor.id}",
            )
        )
    return readings
