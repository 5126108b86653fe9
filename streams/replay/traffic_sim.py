"""Reads the simulated city traffic kept beside the project: one JSON line a sensor and interval, in order of arrival.

Decides how lines become readings; knows nothing of the truth that lies beside them.

- Consecutive lines of one ``event_time`` and one second of arrival are one reading; it arrived with its last line, so
  lateness and order of arrival stay as they were.
- ``COR-S05-L2`` is lane 2 of station ``cor-s05`` of the corridor ``corridor``. ``GRD-A0A1-ENT`` measures both lanes
  together and is lane 1 of the one-lane station ``grd-a0a1-ent`` of the corridor ``grid``.
- Impossible values (planted faults) are passed on as they are. ``flow_veh_h`` is count * 3600 / interval and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from streams.replay.recording import Record, Recording, RecordingInfo, numbered_lines
from streams.replay.ticking import FLUSH_S, TICK_INTERVAL_S, with_ticks
from streams.schema.codec import encode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Instant, IntColumn, TrafficReading, VehicleClass
from streams.schema.instants import microseconds
from streams.schema.site import Corridor, Duty, Site, Station, StreamPolicy, Streams

_CLASSES: tuple[VehicleClass, ...] = ("moto", "light", "heavy")


class _Reading(Struct, kw_only=True):
    sensor_id: str
    lane: int | None
    event_time: Instant
    arrival_time: Instant
    interval_s: float
    count: int | None
    occupancy_pct: float | None
    speed_kmh: float | None
    class_counts: dict[VehicleClass, int | None]


class _Sensor(Struct, kw_only=True):
    sensor_id: str
    lane: int | None
    station_km: float | None = None


class _Meta(Struct, kw_only=True):
    scenario: Literal["corridor", "grid"]
    interval_s: float
    sensors: list[_Sensor]


_reading_decoder = msgspec.json.Decoder(_Reading)


def read_traffic_sim(path: Path, *, tick_interval_s: float = TICK_INTERVAL_S, flush_s: float = FLUSH_S) -> Recording:
    """The run as a recording with ticks; built once and held in memory (about 60 MB a day). Refuses a broken line."""
    groups = groupby(_readings(path), key=_batch)
    held = Recording.of(with_ticks((_record(list(rows)) for _, rows in groups), tick_interval_s, flush_s))
    info = RecordingInfo(
        "Giao thông mô phỏng (SUMO)",
        "Simulated traffic (SUMO)",
        f"traffic-sim {path.parent.name}",
        None,
        held.info.from_us,
        held.info.to_us,
        held.info.events,
    )
    return Recording(info, held.__iter__)


def traffic_sim_site(meta: Path, *, lateness_s: float = 60.0, grace_s: float = 600.0) -> Site:
    """A site with the sensors of a run, from its meta.json.

    Latitude and longitude are 0, a placeholder. A grid has no kilometres along one road: there ``position_km`` only
    numbers the stations (0.1 a station). Not for the live system.
    """
    try:
        found = msgspec.json.decode(meta.read_bytes(), type=_Meta)
    except OSError as fault:
        raise ConfigurationInvalid(str(meta), f"cannot read it: {fault.strerror}") from None
    except msgspec.DecodeError as fault:
        raise ConfigurationInvalid(str(meta), str(fault)) from None
    lanes: dict[str, int] = {}
    km: dict[str, float] = {}
    for sensor in found.sensors:
        station, lane = _place(sensor.sensor_id, sensor.lane)
        lanes[station] = max(lanes.get(station, 1), lane)
        km.setdefault(station, sensor.station_km if sensor.station_km is not None else round(len(km) * 0.1, 1))
    policy = StreamPolicy(lateness_s=lateness_s, grace_s=grace_s, silent_after_s=600.0)
    corridor = Corridor(
        id=found.scenario,
        name_vi="Đường mô phỏng",
        name_en="Simulated road",
        interval_s=found.interval_s,
        stations=[
            Station(
                id=station,
                name_vi=station,
                name_en=station,
                position_km=km[station],
                latitude=0.0,
                longitude=0.0,
                lanes=lanes[station],
            )
            for station in sorted(km, key=lambda station: (km[station], station))
        ],
    )
    return Site(
        name_vi="Giao thông mô phỏng",
        name_en="Simulated traffic",
        time_zone="Asia/Ho_Chi_Minh",
        streams=Streams(camera=policy, traffic=policy),
        offices=[],
        corridors=[corridor],
        duty=Duty(channels=[], people=[], shifts=[]),
    )


def _readings(path: Path) -> Iterator[_Reading]:
    for number, line in numbered_lines(path):
        try:
            yield _reading_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise ConfigurationInvalid(f"{path} line {number}", f"not a reading of this format: {fault}") from None


def _batch(reading: _Reading) -> tuple[str, int, int, float]:
    arrival_s = microseconds(reading.arrival_time) // 1_000_000
    return _corridor(reading.sensor_id), microseconds(reading.event_time), arrival_s, reading.interval_s


def _corridor(sensor: str) -> str:
    return "grid" if sensor.startswith("GRD-") else "corridor"


def _place(sensor: str, lane: int | None) -> tuple[str, int]:
    """Station and lane of a sensor."""
    if lane is None:
        return sensor.lower(), 1
    return sensor.removesuffix(f"-L{lane}").lower(), lane


def _record(rows: list[_Reading]) -> Record:
    places = [_place(row.sensor_id, row.lane) for row in rows]
    event = TrafficReading(
        corridor=_corridor(rows[0].sensor_id),
        observed_at=rows[0].event_time,
        received_at=rows[-1].arrival_time,
        interval_s=rows[0].interval_s,
        station=[station for station, _ in places],
        lane=[lane for _, lane in places],
        count=[row.count for row in rows],
        occupancy_pct=[row.occupancy_pct for row in rows],
        speed_kmh=[row.speed_kmh for row in rows],
        class_counts=_class_counts(rows),
    )
    return Record(microseconds(event.received_at), event, encode(event))


def _class_counts(rows: Iterable[_Reading]) -> dict[VehicleClass, IntColumn]:
    return {name: [row.class_counts.get(name) for row in rows] for name in _CLASSES}
