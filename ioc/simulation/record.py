"""Puts a recording together: halls, roads, ticks and the faults of the story, in order of arrival, and writes it.

Decides the file (JSON Lines, gzip; a header, then one event a line, sorted by ``logged_at``) and which random
numbers belong to whom; refuses to simulate. The same request gives the same bytes. A tick line stands for one
tick to every partition of every input topic.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from ioc.simulation.delivery import Logged, deliver_observations, deliver_readings, malformed, ticks
from ioc.simulation.road import simulate_corridor
from ioc.simulation.road_network import Demand
from ioc.simulation.site_halls import generator, office_day, office_observations
from ioc.simulation.story import Story
from streams.schema.events import TrafficReading
from streams.schema.site import Corridor, Office, Site

FORMAT = "ioc-recording.v1"


class Header(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """First line of a recording."""

    recording: str
    title_vi: str
    title_en: str
    from_: datetime
    to: datetime
    seed: int
    made_by: str
    events: int


@dataclass(frozen=True)
class Request:
    """What to record. start: local time, aware, on a whole second; offices and corridors: all that take part."""

    site: Site
    start: datetime
    duration_s: float
    seed: int
    story: Story
    offices: tuple[Office, ...]
    corridors: tuple[Corridor, ...]

    @property
    def end(self) -> datetime:
        return (self.start + timedelta(seconds=self.duration_s)).astimezone(UTC)


def hall_lines(request: Request) -> list[Logged]:
    """What the cameras of the halls send."""
    start, story = request.start, request.story
    from_s = (start - start.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    outages = {
        camera: tuple(replace(o, start_s=o.start_s + from_s, end_s=o.end_s + from_s) for o in spells)
        for camera, spells in story.outages.items()
    }
    lines: list[Logged] = []
    for office in request.offices:
        surge = story.surges.get(office.id)
        surges = [replace(surge, start_s=surge.start_s + from_s, end_s=surge.end_s + from_s)] if surge else []
        day = office_day(office, start, from_s + request.duration_s, request.seed, surges)
        seen = office_observations(office, day, start, request.duration_s, request.seed, outages)
        for camera in office.cameras:
            rng = generator(request.seed, camera.id, "delivery")
            lines += deliver_observations((o for o in seen if o.camera == camera.id), story, start, rng)
    return lines


def road_lines(request: Request) -> list[Logged]:
    """What the detectors of the corridors send; needs SUMO. The corridors run beside each other."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        measured = list(pool.map(lambda corridor: _measured(request, corridor), request.corridors))
    lines: list[Logged] = []
    for corridor, readings in zip(request.corridors, measured, strict=True):
        rng = generator(request.seed, corridor.id, "delivery")
        lines += deliver_readings(readings, request.story, request.start, rng)
    return lines


def _measured(request: Request, corridor: Corridor) -> list[TrafficReading]:
    seed = int(generator(request.seed, corridor.id, "sumo").integers(1, 2**31))
    share = min(station.lanes for station in corridor.stations) / 3
    demand = Demand(Demand.moto * share, Demand.light * share, Demand.heavy * share)
    incidents = request.story.incidents.get(corridor.id, ())
    return simulate_corridor(corridor, request.start, request.duration_s, seed, demand, incidents)


def recording_lines(request: Request, sent: Sequence[Logged]) -> list[Logged]:
    """Everything that was logged from start to end, with ticks and planted faults, in order of arrival."""
    lines = ticks(request.start.astimezone(UTC), request.duration_s) + list(sent)
    if request.story.duplicated_share:
        lines += malformed(sent, request.start, request.duration_s)
    lines = [line for line in lines if line.logged_at <= request.end]
    return sorted(lines, key=lambda line: (line.logged_at, msgspec.json.encode(line.event)))


def write_recording(
    path: Path, request: Request, lines: Sequence[Logged], title_vi: str, title_en: str, made_by: str
) -> int:
    """Writes the file and returns its size in bytes."""
    header = Header(
        FORMAT, title_vi, title_en, request.start.astimezone(UTC), request.end, request.seed, made_by, len(lines)
    )
    payload = gzip_lines([header, *lines])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)
    return len(payload)


def gzip_lines(lines: Iterable[msgspec.Struct]) -> bytes:
    """JSON Lines in gzip without time and name in its header, so that equal lines give equal bytes."""
    encoder = msgspec.json.Encoder()
    return gzip.compress(b"".join(encoder.encode(line) + b"\n" for line in lines), compresslevel=9, mtime=0)
