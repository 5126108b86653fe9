"""What the demo shows, as data: read from the database and Kafka, drawn elsewhere.

Decides which zones are the fullest and which stations the slowest. One connection, opened again when it is lost.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from ioc.demo import queries
from streams.schema.site import Site
from streams.storage.connection import connection_string, retried_later

LOOK_BACK = timedelta(minutes=15)
"""Rows of windows that began so long before the demo may still be written by it."""


@dataclass(frozen=True)
class OpenAlarm:
    alarm: str
    raised_at: datetime
    priority: str
    condition_vi: str
    condition_en: str
    text_vi: str
    text_en: str


@dataclass(frozen=True)
class ZoneNow:
    name_vi: str
    name_en: str
    people: float
    capacity: int
    level: str
    level_vi: str
    level_en: str

    @property
    def share(self) -> float:
        return self.people / self.capacity


@dataclass(frozen=True)
class StationNow:
    name_vi: str
    name_en: str
    corridor_vi: str
    corridor_en: str
    speed_kmh: float
    flow_veh_h: float | None
    level: str
    level_vi: str
    level_en: str


@dataclass(frozen=True)
class DatabaseFigures:
    """As of ``read_at``. rows: written since the demo began, by table."""

    read_at: datetime
    rows: dict[str, int] = field(default_factory=dict)
    alarms_raised: int = 0
    open_alarms: list[OpenAlarm] = field(default_factory=list)
    zones: list[ZoneNow] = field(default_factory=list)
    stations: list[StationNow] = field(default_factory=list)

    @property
    def stored(self) -> int:
        """Rows of measurements, alarms and corrections: all but the dead letters."""
        return sum(count for table, count in self.rows.items() if table != "dead_letter")

    @property
    def dead_letters(self) -> int:
        return self.rows.get("dead_letter", 0)


class DatabaseReader:
    """Asks the database. Not for use from several threads at once."""

    def __init__(self, url: str, namespace: str, site: Site, *, follows_data: bool = False) -> None:
        """follows_data: now is the newest row's time, for a recording that is played at its own times."""
        self._url = connection_string(url, namespace, "ioc demo")
        self._site, self._follows_data = site, follows_data
        self._connection: psycopg.Connection | None = None
        self._since = datetime.now(UTC)
        self._began = self._since
        self._before: dict[str, int] = {}

    def begin(self, since: datetime | None) -> None:
        """From now on count what comes; since: alarms raised earlier are not counted; None: all are."""
        self._began = since or datetime(2000, 1, 1, tzinfo=UTC)
        self._since = self._began - LOOK_BACK
        self._before = self._counts()

    def read(self) -> DatabaseFigures:
        """Raises RetryLater while the database is away."""
        now = datetime.now(UTC)
        if self._follows_data:
            now = self._ask(queries.NEWEST)[0][0] or now
        counts = self._counts()
        rows = {table: count - self._before.get(table, 0) for table, count in counts.items()}
        return DatabaseFigures(
            read_at=now,
            rows=rows,
            alarms_raised=self._ask(queries.ALARMS_RAISED, since=self._began)[0][0],
            open_alarms=[self._alarm(*row) for row in self._ask(queries.OPEN_ALARMS)],
            zones=self._zones(self._ask(queries.FULLEST_ZONES, now=now)),
            stations=self._stations(self._ask(queries.SLOWEST_STATIONS, now=now)),
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, query: str, **given: object) -> list[tuple[Any, ...]]:
        with retried_later():
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._url, autocommit=True)
                return self._connection.execute(query.encode(), given or None).fetchall()
            except psycopg.Error:
                self.close()
                raise

    def _counts(self) -> dict[str, int]:
        return dict(self._ask(queries.ROW_COUNTS, since=self._since))

    def _alarm(
        self,
        alarm: str,
        raised_at: datetime,
        priority: str,
        condition: str,
        source: str,
        place: str,
        *texts: str,
    ) -> OpenAlarm:
        condition_vi, condition_en, text_vi, text_en = texts
        corridor = self._site.corridors_by_id.get(source)
        for station in corridor.stations if corridor else ():
            if station.id == place:
                text_vi, text_en = text_vi.replace(place, station.name_vi), text_en.replace(place, station.name_en)
        return OpenAlarm(
            alarm, raised_at, priority, condition_vi or condition, condition_en or condition, text_vi, text_en
        )

    def _zones(self, rows: list[tuple[Any, ...]]) -> list[ZoneNow]:
        found = []
        cameras = self._site.cameras
        for camera_id, zone_id, _, people, level, level_vi, level_en in rows:
            office, camera = cameras.get(camera_id, (None, None))
            if office is None or camera is None:
                continue
            zone = next((zone for zone in camera.zones if zone.id == zone_id), None)
            if zone is not None and zone.role == "waiting":
                found.append(ZoneNow(office.name_vi, office.name_en, people, zone.capacity, level, level_vi, level_en))
        return sorted(found, key=lambda zone: (-zone.share, zone.name_vi))

    def _stations(self, rows: list[tuple[Any, ...]]) -> list[StationNow]:
        found = []
        corridors = self._site.corridors_by_id
        for corridor_id, station_id, _, speed, flow, level, level_vi, level_en in rows:
            corridor = corridors.get(corridor_id)
            station = next((s for s in corridor.stations if s.id == station_id), None) if corridor else None
            if corridor is not None and station is not None:
                names = (station.name_vi, station.name_en, corridor.name_vi, corridor.name_en)
                found.append(StationNow(*names, speed, flow, level or "", level_vi or "", level_en or ""))
        return sorted(found, key=lambda station: station.speed_kmh)


class Rate:
    """How fast a count grows, over the last ``over_s`` seconds."""

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._seen: deque[tuple[float, float]] = deque()

    def add(self, at_s: float, count: float) -> None:
        self._seen.append((at_s, count))
        while len(self._seen) > 2 and at_s - self._seen[1][0] >= self._over_s:
            self._seen.popleft()

    @property
    def per_s(self) -> float:
        """0 until two moments are known."""
        if len(self._seen) < 2:
            return 0.0
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - begin) if end > begin else math.nan
