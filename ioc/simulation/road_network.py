"""A corridor of the site file as input for SUMO: nodes, edges, vehicle types, demand, incidents, detectors.

Decides the vehicles and how many there are (invented; no count was ever taken on these roads); refuses to run
anything. A corridor is one straight carriageway without junctions: enough for flow, speed, occupancy and a
congestion wave, not a model of the street. SUMO's lane 0 is the rightmost, our lane 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from xml.sax.saxutils import quoteattr

from streams.schema.events import VehicleClass
from streams.schema.site import Corridor, Station

APPROACH_M = 700.0
"""Road before the first and after the last station, so that vehicles are in free flow when they are counted."""
SPEED_LIMIT_KMH = 52.0
RUN_UP_M = 360.0
"""A vehicle that will stop joins the traffic so long before; closer by it may find no gap (seen with 60 m)."""
SUMO_CLASS: dict[VehicleClass, str] = {"moto": "motorcycle", "light": "passenger", "heavy": "truck"}
TYPES = """\
  <vType id="moto" vClass="motorcycle" length="1.9" width="0.75" minGap="0.8" accel="2.8" decel="4.5" tau="0.9"
         maxSpeed="15" speedFactor="normc(0.88,0.10,0.6,1.1)"/>
  <vType id="light" vClass="passenger" length="4.5" width="1.8" minGap="1.8" tau="1.1"
         speedFactor="normc(0.92,0.08,0.7,1.15)"/>
  <vType id="heavy" vClass="truck" length="9.5" width="2.4" minGap="2.5" tau="1.4" accel="1.0"
         speedFactor="normc(0.78,0.06,0.6,0.95)"/>
"""


@dataclass(frozen=True)
class Incident:
    """Stopped vehicles: on these lanes (1 is the rightmost), from a second of the simulation on, for a while."""

    position_km: float
    lanes: tuple[int, ...]
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Demand:
    """Vehicles an hour that enter the corridor, all lanes together, by class."""

    moto: float = 2600.0
    light: float = 1500.0
    heavy: float = 220.0

    def of(self, vehicle_class: VehicleClass) -> float:
        return {"moto": self.moto, "light": self.light, "heavy": self.heavy}[vehicle_class]


@dataclass(frozen=True)
class Edge:
    """A stretch with the same number of lanes, from and to in metres along the corridor."""

    name: str
    from_m: float
    to_m: float
    lanes: int


@dataclass(frozen=True)
class Detector:
    name: str
    station: str
    lane: int
    vehicle_class: VehicleClass | None
    """None: counts all; else only this class."""


def edges(corridor: Corridor) -> list[Edge]:
    """The carriageway cut where the number of lanes changes, half-way between the stations."""
    runs: list[list[Station]] = [list(run) for _, run in groupby(corridor.stations, key=lambda s: s.lanes)]
    cuts_km = [(u[-1].position_km + d[0].position_km) / 2 for u, d in pairwise(runs)]
    first_m = corridor.stations[0].position_km * 1000 - APPROACH_M
    last_m = corridor.stations[-1].position_km * 1000 + APPROACH_M
    bounds = [first_m, *(cut * 1000 for cut in cuts_km), last_m]
    return [Edge(f"e{k}", bounds[k], bounds[k + 1], run[0].lanes) for k, run in enumerate(runs)]


def nodes_xml(corridor: Corridor) -> str:
    road = edges(corridor)
    places = [road[0].from_m, *(edge.to_m for edge in road)]
    lines = (f'  <node id="n{k}" x="{x - places[0]:.1f}" y="0" type="unregulated"/>' for k, x in enumerate(places))
    return _document("nodes", lines)


def edges_xml(corridor: Corridor) -> str:
    lines = (
        f'  <edge id="{edge.name}" from="n{k}" to="n{k + 1}" numLanes="{edge.lanes}" '
        f'speed="{SPEED_LIMIT_KMH / 3.6:.2f}" width="3.3"/>'
        for k, edge in enumerate(edges(corridor))
    )
    return _document("edges", lines)


def routes_xml(corridor: Corridor, demand: Demand, incidents: Sequence[Incident], duration_s: float) -> str:
    """Vehicle types, Poisson inflow by class, and the vehicles that stop."""
    road = edges(corridor)
    lines = [TYPES, f'  <route id="all" edges="{" ".join(edge.name for edge in road)}"/>']
    stops = [
        (incident.start_s, _stopped_vehicle(f"stopped-{i}-{lane}", incident, lane, road))
        for i, incident in enumerate(incidents)
        for lane in incident.lanes
    ]
    lines += [
        f'  <flow id="{name}" type="{name}" route="all" begin="0" end="{duration_s:.0f}" '
        f'period="exp({demand.of(name) / 3600:.5f})" departLane="random" departSpeed="desired"/>'
        for name in SUMO_CLASS
    ]
    lines += [vehicle for _, vehicle in sorted(stops)]
    return _document("routes", lines)


def _stopped_vehicle(name: str, incident: Incident, lane: int, road: list[Edge]) -> str:
    place_m = incident.position_km * 1000
    k = next(k for k, edge in enumerate(road) if edge.from_m <= place_m < edge.to_m)
    stop_m = place_m - road[k].from_m
    vehicle_class = "heavy" if lane == 1 else "light"
    return (
        f'  <vehicle id="{name}" type="{vehicle_class}" depart="{incident.start_s:.0f}" departLane="{lane - 1}" '
        f'departPos="{max(0.0, stop_m - RUN_UP_M):.1f}" departSpeed="avg">'
        f'<route edges="{" ".join(edge.name for edge in road[k:])}"/>'
        f'<stop lane="{road[k].name}_{lane - 1}" endPos="{stop_m:.1f}" '
        f'until="{incident.start_s + incident.duration_s:.0f}"/></vehicle>'
    )


def detectors(corridor: Corridor) -> list[Detector]:
    """One for all vehicles and one for each class, on every lane of every station, in the order of the columns."""
    return [
        Detector(f"{station.id}/{lane}/{name or 'all'}", station.id, lane, name)
        for station in corridor.stations
        for lane in range(1, station.lanes + 1)
        for name in (None, *SUMO_CLASS)
    ]


def detectors_xml(corridor: Corridor, output: str) -> str:
    road = edges(corridor)
    position_m = {station.id: station.position_km * 1000 for station in corridor.stations}
    lines: list[str] = []
    for detector in detectors(corridor):
        place_m = position_m[detector.station]
        edge = next(edge for edge in road if edge.from_m <= place_m < edge.to_m)
        only = f' vTypes="{detector.vehicle_class}"' if detector.vehicle_class else ""
        lines.append(
            f'  <inductionLoop id="{detector.name}" lane="{edge.name}_{detector.lane - 1}" '
            f'pos="{place_m - edge.from_m:.1f}" period="{corridor.interval_s:g}" file={quoteattr(output)}{only}/>'
        )
    return _document("additional", lines)


def _document(root: str, lines: Iterable[str]) -> str:
    return f"<{root}>\n" + "\n".join(lines) + f"\n</{root}>\n"
