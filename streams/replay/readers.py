"""Opens a recording of any format that is understood. Decides which one it is by how it begins, not by its name."""

from __future__ import annotations

import os
from pathlib import Path

from streams.replay import nab
from streams.replay.csv_file import FIRST_LINE, read_csv
from streams.replay.i24 import COLUMNS, i24_site, read_i24
from streams.replay.mcap_reader import is_mcap, read_mcap
from streams.replay.nab import nab_site, read_nab
from streams.replay.recording import FORMAT, Recording, numbered_lines, read_recording
from streams.replay.ticking import FLUSH_S, TICK_INTERVAL_S
from streams.replay.traffic_sim import read_traffic_sim, traffic_sim_site
from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Site

__all__ = ["foreign_site", "i24_site", "nab_site", "open_recording", "traffic_sim_site"]

UNDERSTOOD = (
    "our own MCAP files",
    "our own CSV (entry,logged_at,kind,device,...)",
    f"our own JSON Lines ({FORMAT}: a header line, then one entry a line)",
    "I-24 radar CSV (unix_time,milemarker,lane,volume_raw,...)",
    "Minnesota series of the Numenta Anomaly Benchmark (timestamp,value; occupancy_X.csv or speed_X.csv)",
    "simulated traffic readings.jsonl (sensor_id, event_time, arrival_time, ...)",
)


def open_recording(
    path: str | os.PathLike[str], *, tick_interval_s: float = TICK_INTERVAL_S, flush_s: float = FLUSH_S
) -> Recording:
    """The recording in a file, plain or gzip.

    A format without ticks gets one every ``tick_interval_s`` of recorded time, on until ``flush_s`` after the last
    entry. Raises ConfigurationInvalid.
    """
    place = Path(path)
    match _format(place):
        case "ours":
            return read_recording(place)
        case "mcap":
            return read_mcap(place)
        case "csv":
            return read_csv(place)
        case "i24":
            return read_i24(place, tick_interval_s=tick_interval_s, flush_s=flush_s)
        case "nab":
            return read_nab(place, tick_interval_s=tick_interval_s, flush_s=flush_s)
        case _:
            return read_traffic_sim(place, tick_interval_s=tick_interval_s, flush_s=flush_s)


def foreign_site(path: str | os.PathLike[str], *, lateness_s: float = 60.0, grace_s: float = 600.0) -> Site | None:
    """The site that a recording made elsewhere belongs to; None for our own, which belongs to the site file."""
    place = Path(path)
    match _format(place):
        case "ours" | "mcap" | "csv":
            return None
        case "i24":
            return i24_site(place, lateness_s=lateness_s, grace_s=grace_s)
        case "nab":
            return nab_site(place, lateness_s=lateness_s, grace_s=grace_s)
        case _:
            return traffic_sim_site(place.with_name("meta.json"), lateness_s=lateness_s, grace_s=grace_s)


def _format(path: Path) -> str:
    if is_mcap(path):
        return "mcap"
    _, first = next(numbered_lines(path), (1, b""))
    if first.startswith(b'{"recording"'):
        return "ours"
    if first.removeprefix(b"\xef\xbb\xbf") == FIRST_LINE:
        return "csv"
    if first == COLUMNS:
        return "i24"
    if first == nab.COLUMNS:
        return "nab"
    if first.startswith(b"{") and b'"sensor_id"' in first and b'"arrival_time"' in first:
        return "traffic-sim"
    known = "; ".join(UNDERSTOOD)
    raise ConfigurationInvalid(str(path), f"not a recording in a format that is understood. Understood are: {known}")
