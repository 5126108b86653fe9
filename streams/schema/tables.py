"""What is stored: the tables the sink writes, their columns and natural keys.

The migrations create them (a test holds both together); readers see views, never these tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

ColumnType = Literal["text", "int2", "int4", "int8", "float8", "timestamptz"]
Values = Sequence[Any] | np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Table:
    """columns: name -> type, in order; key: the natural primary key, which includes the time.

    With a ``revision`` column a row is replaced by one with a higher revision only; without one the first stays.
    """

    name: str
    columns: Mapping[str, ColumnType]
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()

    @property
    def revised(self) -> bool:
        return "revision" in self.columns


@dataclass(frozen=True)
class Rows:
    """Rows for one table, as columns of equal length.

    timestamptz columns are int64 microseconds since 1970 UTC. NULL is None in a list, NaN in a float array and
    a negative number in an integer array of a nullable column.
    """

    table: Table
    columns: Mapping[str, Values]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


_ZONE: dict[str, ColumnType] = {
    "camera": "text", "zone": "text", "window_start": "timestamptz", "revision": "int4", "people_mean": "float8",
    "people_max": "int4", "density_per_m2": "float8", "level_of_service": "text", "samples": "int4",
    "coverage": "float8",
}  # fmt: skip
_TRAFFIC: dict[str, ColumnType] = {
    "window_start": "timestamptz", "corridor": "text", "revision": "int4", "vehicles": "int4",
    "flow_veh_h": "float8", "speed_kmh": "float8", "occupancy_pct": "float8", "density_veh_km": "float8",
    "level_of_service": "text", "readings": "int4", "coverage": "float8", "moto": "int4", "light": "int4",
    "heavy": "int4",
}  # fmt: skip
_TRAFFIC_NULL = frozenset(
    {
        "vehicles",
        "flow_veh_h",
        "speed_kmh",
        "occupancy_pct",
        "density_veh_km",
        "level_of_service",
        "moto",
        "light",
        "heavy",
    }
)

ZONE_OCCUPANCY_10S = Table("zone_occupancy_10s", _ZONE, ("camera", "zone", "window_start"))
ZONE_OCCUPANCY_1M = Table("zone_occupancy_1m", _ZONE, ("camera", "zone", "window_start"))
LINE_CROSSING_1M = Table(
    "line_crossing_1m",
    {"camera": "text", "line": "text", "window_start": "timestamptz", "revision": "int4", "entered": "int4",
     "exited": "int4", "samples": "int4"},
    ("camera", "line", "window_start"),
)  # fmt: skip
CAMERA_HEALTH = Table(
    "camera_health",
    {"camera": "text", "observed_at": "timestamptz", "health": "text", "previous": "text"},
    ("camera", "observed_at"),
)
TRAFFIC_LANE_1M = Table(
    "traffic_lane_1m",
    {"station": "text", "lane": "int2", **_TRAFFIC},
    ("station", "lane", "window_start"),
    _TRAFFIC_NULL,
)
TRAFFIC_STATION_1M = Table(
    "traffic_station_1m",
    {"station": "text", **_TRAFFIC, "lanes": "int2"},
    ("station", "window_start"),
    _TRAFFIC_NULL,
)
TRAFFIC_READING = Table(
    "traffic_reading",
    {"station": "text", "lane": "int2", "observed_at": "timestamptz", "received_at": "timestamptz",
     "corridor": "text", "interval_s": "float8", "vehicles": "int4", "occupancy_pct": "float8",
     "speed_kmh": "float8", "moto": "int4", "light": "int4", "heavy": "int4"},
    ("station", "lane", "observed_at"),
    frozenset({"vehicles", "occupancy_pct", "speed_kmh", "moto", "light", "heavy"}),
)  # fmt: skip
ALARM_EVENT = Table(
    "alarm_event",
    {"alarm": "text", "changed_at": "timestamptz", "state": "text", "source": "text", "place": "text",
     "condition": "text", "priority": "text", "raised_at": "timestamptz", "detail_vi": "text",
     "detail_en": "text"},
    ("alarm", "state", "changed_at"),
)  # fmt: skip
CORRECTION = Table(
    "correction",
    {"source": "text", "window_s": "int4", "window_start": "timestamptz", "observed_at": "timestamptz",
     "received_at": "timestamptz", "revision": "int4", "rows": "int4", "lateness_s": "float8"},
    ("source", "window_s", "window_start", "observed_at", "revision"),
)  # fmt: skip
DEAD_LETTER = Table(
    "dead_letter",
    {"topic": "text", "kafka_partition": "int4", "kafka_offset": "int8", "logged_at": "timestamptz",
     "reason": "text", "path": "text", "detail": "text", "rows": "int4", "size_bytes": "int4", "sha256": "text",
     "payload": "text", "key": "text"},
    ("topic", "kafka_partition", "kafka_offset", "reason", "logged_at"),
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    ZONE_OCCUPANCY_10S, ZONE_OCCUPANCY_1M, LINE_CROSSING_1M, CAMERA_HEALTH, TRAFFIC_LANE_1M, TRAFFIC_STATION_1M,
    TRAFFIC_READING, ALARM_EVENT, CORRECTION, DEAD_LETTER,
)  # fmt: skip
