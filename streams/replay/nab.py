"""Reads the Minnesota detector series of the Numenta Anomaly Benchmark: ``timestamp,value``, one detector a file.

Decides how a series becomes traffic readings; invents nothing that the file does not say.

- The file's name tells what it holds: ``occupancy_6005.csv`` (percent), ``speed_6005.csv`` (mph, made km/h). Travel
  times are no reading of a place and are refused.
- The time of day has no zone in the file: it is taken as UTC, as the end of 5 min, and as ``observed_at``.
- There are no counts: the readings have none. A value that no road gives (an occupancy above 100) stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.replay.recording import Record, Recording, RecordingInfo, numbered_lines
from streams.replay.ticking import with_ticks
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import TrafficReading
from streams.schema.instants import microseconds
from streams.schema.site import Corridor, Duty, Site, Station, StreamPolicy, Streams

COLUMNS = b"timestamp,value"
CORRIDOR = "mndot"
KM_PER_MILE = 1.609344
INTERVAL_S = 300.0
RECEIVED_AFTER = timedelta(seconds=1)
_NAME = re.compile(r"^(occupancy|speed)_([0-9a-z]+)\.csv(\.gz)?$")


def read_nab(path: Path, *, tick_interval_s: float, flush_s: float) -> Recording:
    """The series as a recording with ticks. Refuses a broken row and what is neither occupancy nor speed."""
    held = Recording.of(with_ticks(list(_records(path)), tick_interval_s, flush_s))
    station = station_id(path)
    info = RecordingInfo(
        f"Chuỗi đo thật của trạm {station}, Minnesota (5 phút)",
        f"One real series of detector {station}, Minnesota (5 min)",
        "Minnesota DOT, Numenta Anomaly Benchmark",
        None,
        held.info.from_us,
        held.info.to_us,
        held.info.events,
    )
    return Recording(info, held.__iter__)


def nab_site(path: Path, *, lateness_s: float = 60.0, grace_s: float = 600.0) -> Site:
    """A site with this detector only, at 0, 0: the file has no coordinates. Not for the live system."""
    station = station_id(path)
    place = Station(id=station, name_vi=station, name_en=station, position_km=0.0, latitude=0.0, longitude=0.0, lanes=1)
    policy = StreamPolicy(lateness_s=lateness_s, grace_s=grace_s, silent_after_s=3 * INTERVAL_S)
    corridor = Corridor(id=CORRIDOR, name_vi="Minnesota", name_en="Minnesota", interval_s=INTERVAL_S, stations=[place])
    return Site(
        name_vi="Minnesota",
        name_en="Minnesota",
        time_zone="UTC",
        streams=Streams(camera=policy, traffic=policy),
        offices=[],
        corridors=[corridor],
        duty=Duty(channels=[], people=[], shifts=[]),
    )


def station_id(path: Path) -> str:
    """``mndot-6005`` for ``speed_6005.csv``."""
    return f"mndot-{_named(path).group(2)}"


def _named(path: Path) -> re.Match[str]:
    named = _NAME.match(path.name)
    if named is None:
        raise ConfigurationInvalid(str(path), "a series is named occupancy_DETECTOR.csv or speed_DETECTOR.csv")
    return named


def _records(path: Path) -> Iterator[Record]:
    quantity, station = _named(path).group(1), station_id(path)
    lines = numbered_lines(path)
    next(lines)
    for number, line in lines:
        try:
            at_text, value_text = line.decode("ascii").split(",")
            observed_at = datetime.strptime(at_text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            value = float(value_text)
        except ValueError as fault:
            raise ConfigurationInvalid(f"{path} line {number}", f"not a row of this format: {fault}") from None
        received_at = observed_at + RECEIVED_AFTER
        yield Record(
            microseconds(received_at),
            TrafficReading(
                corridor=CORRIDOR,
                observed_at=observed_at,
                received_at=received_at,
                interval_s=INTERVAL_S,
                station=[station],
                lane=[1],
                count=[None],
                occupancy_pct=[value] if quantity == "occupancy" else [],
                speed_kmh=[value * KM_PER_MILE if value > 0 else None] if quantity == "speed" else [],
            ),
        )
