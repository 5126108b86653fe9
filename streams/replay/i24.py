"""Reads the recorded day of radar detectors on Interstate 24 (I-24) as published: one row a lane and 30 s.

Decides how the file's rows become traffic readings; invents nothing that the file does not say.

- ``unix_time`` is taken as the END of the 30 s and as ``observed_at``; the platform receives the batch 1 s later.
- Traffic goes west, towards lower mile markers: stations are ordered and positioned from the highest marker on.
  Station ``i24-mm58.7`` stands at mile marker 58.7. Lanes keep the file's numbers.
- ``volume_raw`` is the count. The file has a few halves (an interval shared out by its source): rounded half up.
- ``speed_raw_mph`` * 1.609344; missing, 0 or below is null. ``speed_smoothed_mph`` is computed by others: left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from math import floor
from operator import itemgetter
from pathlib import Path

from streams.replay.recording import Record, Recording, RecordingInfo, numbered_lines
from streams.replay.ticking import FLUSH_S, TICK_INTERVAL_S, with_ticks
from streams.schema.codec import encode
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import TrafficReading
from streams.schema.instants import SECOND_US, instant, microseconds
from streams.schema.site import Corridor, Duty, Site, Station, StreamPolicy, Streams

COLUMNS = b"unix_time,milemarker,lane,volume_raw,occ_raw_pct,speed_raw_mph,speed_smoothed_mph"
CORRIDOR = "i24-westbound"
KM_PER_MILE = 1.609344
INTERVAL_S = 30.0
RECEIVED_AFTER = timedelta(seconds=1)
_Row = tuple[int, float, int, int | None, float | None, float | None]


def read_i24(path: Path, *, tick_interval_s: float = TICK_INTERVAL_S, flush_s: float = FLUSH_S) -> Recording:
    """The day as a recording with ticks; built once and held in memory (about 25 MB). Refuses a broken row."""
    records = [_record(rows) for _, rows in groupby(_rows(path), key=itemgetter(0))]
    held = Recording.of(with_ticks(records, tick_interval_s, flush_s))
    info = RecordingInfo(
        "Đường cao tốc I-24 hướng tây, một ngày ghi thật (radar, 30 giây)",
        "Interstate 24 westbound, one real day (radar, 30 s)",
        "Vanderbilt University, FT-AED data set",
        None,
        held.info.from_us,
        held.info.to_us,
        held.info.events,
    )
    return Recording(info, held.__iter__)


def i24_site(
    stations: Path | Iterable[float], *, lateness_s: float = 60.0, grace_s: float = 600.0, lanes: int = 4
) -> Site:
    """A site with this corridor only; ``stations`` is the file, or its mile markers.

    Coordinates are not in the file: latitude and longitude are 0 throughout, a placeholder. Not for the live system.
    """
    markers = {row[1] for row in _rows(stations)} if isinstance(stations, Path) else set(stations)
    policy = StreamPolicy(lateness_s=lateness_s, grace_s=grace_s, silent_after_s=300.0)
    highest = max(markers)
    corridor = Corridor(
        id=CORRIDOR,
        name_vi="Đường cao tốc I-24 hướng tây",
        name_en="Interstate 24 westbound",
        interval_s=INTERVAL_S,
        stations=[
            Station(
                id=station_id(marker),
                name_vi=f"Cột dặm {marker}",
                name_en=f"Mile marker {marker}",
                position_km=round((highest - marker) * KM_PER_MILE, 6),
                latitude=0.0,
                longitude=0.0,
                lanes=lanes,
            )
            for marker in sorted(markers, reverse=True)
        ],
    )
    return Site(
        name_vi="Bản ghi I-24",
        name_en="I-24 recording",
        time_zone="America/Chicago",
        streams=Streams(camera=policy, traffic=policy),
        offices=[],
        corridors=[corridor],
        duty=Duty(channels=[], people=[], shifts=[]),
    )


def station_id(marker: float) -> str:
    return f"i24-mm{marker:.1f}"


def _rows(path: Path) -> Iterator[_Row]:
    lines = numbered_lines(path)
    _, header = next(lines, (1, b""))
    if header != COLUMNS:
        raise ConfigurationInvalid(f"{path} line 1", f"expected the columns {COLUMNS.decode()}")
    for number, line in lines:
        try:
            time, marker, lane, volume, occupancy, speed, _ = line.split(b",")
            yield (
                int(time),
                float(marker),
                int(lane),
                floor(float(volume) + 0.5) if volume else None,
                float(occupancy) if occupancy else None,
                float(speed) if speed else None,
            )
        except ValueError as fault:
            raise ConfigurationInvalid(f"{path} line {number}", f"not a row of this format: {fault}") from None


def _record(rows: Iterable[_Row]) -> Record:
    """Rows of one step, in the direction of travel, as one reading."""
    ordered = sorted(rows, key=lambda row: (-row[1], row[2]))
    observed_at = instant(ordered[0][0] * SECOND_US)
    event = TrafficReading(
        corridor=CORRIDOR,
        observed_at=observed_at,
        received_at=observed_at + RECEIVED_AFTER,
        interval_s=INTERVAL_S,
        station=[station_id(row[1]) for row in ordered],
        lane=[row[2] for row in ordered],
        count=[row[3] for row in ordered],
        occupancy_pct=[row[4] for row in ordered],
        speed_kmh=[row[5] * KM_PER_MILE if row[5] is not None and row[5] > 0 else None for row in ordered],
    )
    return Record(microseconds(event.received_at), event, encode(event))
