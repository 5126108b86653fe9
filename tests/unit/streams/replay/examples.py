"""Small recordings for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from streams.replay.recording import Entry, Record, Verbatim
from streams.schema.events import CameraObservation, LineCrossing, Tick, TrafficReading, ZoneCount
from streams.schema.instants import microseconds

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def reading(at_s: float, rows: int = 3, corridor: str = "ql5", received_s: float | None = None) -> Record:
    observed_at = START + timedelta(seconds=at_s)
    received_at = START + timedelta(seconds=at_s + 1 if received_s is None else received_s)
    event = TrafficReading(
        corridor=corridor,
        observed_at=observed_at,
        received_at=received_at,
        interval_s=30.0,
        station=[f"s{row}" for row in range(rows)],
        lane=[1] * rows,
        count=list(range(rows)),
        speed_kmh=[40.0 + row for row in range(rows)],
        class_counts={"moto": [row * 2 for row in range(rows)]},
    )
    return Record(microseconds(received_at), event)


def observation(at_s: float, camera: str = "cam-1", zones: int = 2) -> Record:
    at = START + timedelta(seconds=at_s)
    event = CameraObservation(
        camera=camera,
        observed_at=at,
        received_at=at + timedelta(seconds=0.2),
        frame_interval_s=1.0,
        zones=[ZoneCount(zone=f"z{zone}", people=zone) for zone in range(zones)],
        crossings=[LineCrossing(line="door", entered=1, left=0)],
    )
    return Record(microseconds(event.received_at), event)


def tick(at_s: float) -> Record:
    at = START + timedelta(seconds=at_s)
    return Record(microseconds(at), Tick(ticked_at=at))


def verbatim(at_s: float, text: str = "{", key: str = "k") -> Verbatim:
    return Verbatim(microseconds(START + timedelta(seconds=at_s)), text.encode(), "observations.traffic", key)


def verbatims() -> st.SearchStrategy[Verbatim]:
    """Messages of any bytes, with any key."""
    return st.builds(
        Verbatim,
        st.integers(0, 300).map(lambda at_s: tick(at_s).logged_us),
        st.none() | st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
        st.sampled_from(["observations.camera", "observations.traffic"]),
        st.binary(max_size=10).map(lambda key: key.decode("utf-8", "surrogateescape")),
    )


@st.composite
def recordings(draw: st.DrawFn) -> list[Entry]:
    """Entries sorted by arrival: batches of one to five rows, up to 90 s late, cameras, ticks, broken messages."""
    entries: list[Entry] = []
    for number in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["reading", "reading", "reading", "camera", "verbatim"]))
        at = number * 10.0
        if kind == "reading":
            late = draw(st.floats(0, 90, allow_nan=False))
            entries.append(reading(at, draw(st.integers(1, 5)), draw(st.sampled_from("ab")), at + late))
        else:
            entries.append(observation(at) if kind == "camera" else verbatim(at))
    entries += [tick(at) for at in range(0, 300, 30)]
    return sorted(entries, key=lambda entry: entry.logged_us)
