"""A road corridor: readings of its lanes in, 1-min traffic rows and congestion alarms out.

Items are its lanes, ordered by station. Decides which rows of a reading are used, and what a closed window tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core import snapshot, traffic
from streams.core.alarm import AlarmRule, AlarmTimer
from streams.core.late import beyond_grace, correction
from streams.core.outputs import Outputs, Refusal
from streams.core.quality import check_times, implausible
from streams.core.silence import Listening, Silence
from streams.core.watermark import Lateness
from streams.core.windows import Closing, Sample, Windows
from streams.schema.errors import RejectedEvent
from streams.schema.events import TrafficReading
from streams.schema.instants import duration_us, microseconds
from streams.schema.site import Corridor, StreamPolicy
from streams.schema.tables import TRAFFIC_LANE_1M, TRAFFIC_READING, TRAFFIC_STATION_1M, Rows

WINDOWS_US = (60_000_000,)
MIN_ALARM_COVERAGE = 0.5

Columns = NDArray[np.float64]


class CorridorSnapshot(msgspec.Struct, frozen=True, array_like=True):
    windows: snapshot.WindowsSnapshot
    congestion: dict[str, AlarmTimer]
    silence: Silence


class CorridorLanes:
    """The lanes of a corridor as arrays, made once from the site file."""

    def __init__(self, corridor: Corridor) -> None:
        self.corridor = corridor
        self.stations = [station.id for station in corridor.stations]
        lanes = [(station, lane) for station in corridor.stations for lane in range(1, station.lanes + 1)]
        self.index = {(station.id, lane): index for index, (station, lane) in enumerate(lanes)}
        self.names = [f"{station.id}/{lane}" for station, lane in lanes]
        self.station_of_lane = np.array([station.id for station, _ in lanes], dtype=object)
        self.lane_number = np.array([lane for _, lane in lanes])
        self.effective_length_m = np.array([station.effective_length_m for station, _ in lanes])
        counts = [station.lanes for station in corridor.stations]
        self.first_lane = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        self.lanes_of_station = np.array(counts)

    def indices(self, station: Sequence[str], lane: Sequence[int]) -> NDArray[np.intp]:
        """(rows,) index of each row's lane; -1 where the site has no such lane."""
        return np.array([self.index.get(place, -1) for place in zip(station, lane, strict=True)], dtype=np.intp)


class CorridorState:
    """State of one corridor. One worker holds it; a snapshot of it survives the worker."""

    def __init__(self, lanes: CorridorLanes, policy: StreamPolicy, *, store_readings: bool = False) -> None:
        self._lanes = lanes
        self._policy = policy
        self._store_readings = store_readings
        corridor = lanes.corridor
        self._lateness = Lateness(
            duration_us(policy.lateness_s), duration_us(policy.grace_s), duration_us(corridor.interval_s / 2)
        )
        self.windows = Windows.new(WINDOWS_US, len(lanes.names), self._lateness)
        self._congestion: dict[str, AlarmTimer] = {}
        self._silence = Silence()
        self._known_places: tuple[list[str], list[int], NDArray[np.intp]] | None = None

    def apply(self, event: TrafficReading, logged_us: int) -> Outputs:
        """Take in one reading. Raises RejectedEvent where none of it can be used."""
        clock_us = self.windows.watermark.clock_us
        check_times(event.observed_at, event.received_at, logged_us, clock_us, duration_us(self._policy.future_s))
        outputs = Outputs()
        rows, columns = self._plausible_rows(event, outputs)
        observed_us = microseconds(event.observed_at)
        if rows.size:
            self._place(event, observed_us, rows, columns, outputs)
        self._silence.heard(observed_us, self._policy)
        self._close(outputs)
        return outputs

    def advance(self, listening: Listening) -> Outputs:
        """A tick came; time never runs back."""
        outputs = Outputs()
        if listening.clock_us <= self.windows.watermark.clock_us:
            return outputs
        self.windows.watermark.tick(listening.clock_us)
        self._close(outputs)
        alarm = self._silence.step(listening, self._lanes.corridor, self._policy)
        if alarm:
            outputs.tell(alarm)
        return outputs

    def _plausible_rows(self, event: TrafficReading, outputs: Outputs) -> tuple[NDArray[np.intp], Columns]:
        """Lane indices (rows,) and values (fields, rows) of what can be used; the rest goes to the refusals."""
        places = self._places(event)
        columns = _columns(event)
        unknown = places < 0
        absurd = implausible(columns, event.interval_s) & ~unknown
        for refused, reason, told in (
            (unknown, "unknown-place", "not a lane of this corridor"),
            (absurd, "implausible-value", "no road gives such values"),
        ):
            if refused.any():
                outputs.refusals.append(_refusal(event, np.flatnonzero(refused), reason, told))
        usable = np.flatnonzero(~(unknown | absurd | np.isnan(columns).all(axis=0)))
        return places[usable], columns[:, usable]

    def _places(self, event: TrafficReading) -> NDArray[np.intp]:
        """Gateways send the same places each time: remember the last."""
        known = self._known_places
        if known is None or known[0] != event.station or known[1] != event.lane:
            if len(event.station) != len(event.lane):
                raise RejectedEvent(
                    "columns-differ", f"{len(event.lane)} lanes for {len(event.station)} stations", "$.lane"
                )
            known = (event.station, event.lane, self._lanes.indices(event.station, event.lane))
            self._known_places = known
        return known[2]

    def _place(
        self,
        event: TrafficReading,
        observed_us: int,
        rows: NDArray[np.intp],
        columns: Columns,
        outputs: Outputs,
    ) -> None:
        present = np.zeros(self.windows.items, dtype=bool)
        present[rows] = True
        values = np.full((len(traffic.FIELDS), self.windows.items), np.nan)
        # a lane named twice in one reading: the first counts, as with any second copy
        values[:, rows[::-1]] = columns[:, ::-1]
        sample = Sample(observed_us, duration_us(event.interval_s), present, values)
        placement = self.windows.add(sample, centre=True)
        if placement.beyond_grace:
            outputs.refusals.append(beyond_grace(self.windows, event.observed_at, int(rows.size)))
            return
        if self._store_readings and placement.fresh.any():
            outputs.rows.append(self._reading_rows(event, observed_us, placement.fresh, values))
        for closing in placement.corrections:
            outputs.rows += self._rows(closing)
            outputs.rows.append(correction(event.corridor, event.observed_at, event.received_at, closing))

    def _close(self, outputs: Outputs) -> None:
        for closing in self.windows.close():
            lanes, stations = self._measures(closing)
            outputs.rows += self._table_rows(closing, lanes, stations)
            self._watch_congestion(closing, stations, outputs)

    def _rows(self, closing: Closing) -> list[Rows]:
        return self._table_rows(closing, *self._measures(closing))

    def _measures(self, closing: Closing) -> tuple[traffic.TrafficMeasures, traffic.TrafficMeasures]:
        return traffic.lanes_and_stations(closing, self._lanes.first_lane, self._lanes.effective_length_m)

    def _table_rows(
        self, closing: Closing, lanes: traffic.TrafficMeasures, stations: traffic.TrafficMeasures
    ) -> list[Rows]:
        lane_at = np.flatnonzero(closing.items & (lanes.readings > 0))
        touched = np.logical_or.reduceat(closing.items, self._lanes.first_lane)
        station_at = np.flatnonzero(touched & (stations.readings > 0))
        return [
            Rows(
                TRAFFIC_LANE_1M,
                {
                    "station": self._lanes.station_of_lane[lane_at],
                    "lane": self._lanes.lane_number[lane_at],
                    **self._shared_columns(closing, lanes, lane_at),
                },
            ),
            Rows(
                TRAFFIC_STATION_1M,
                {
                    "station": [self._lanes.stations[index] for index in station_at],
                    **self._shared_columns(closing, stations, station_at),
                    "lanes": self._lanes.lanes_of_station[station_at],
                },
            ),
        ]

    def _shared_columns(
        self, closing: Closing, measures: traffic.TrafficMeasures, at: NDArray[np.intp]
    ) -> dict[str, np.ndarray | list[str | None] | list[str]]:
        rows = len(at)
        return {
            "window_start": np.full(rows, closing.start_us),
            "corridor": [self._lanes.corridor.id] * rows,
            "revision": np.full(rows, closing.revision),
            "vehicles": _whole(measures.vehicles[at]),
            "flow_veh_h": measures.flow_veh_h[at],
            "speed_kmh": measures.speed_kmh[at],
            "occupancy_pct": measures.occupancy_pct[at],
            "density_veh_km": measures.density_veh_km[at],
            "level_of_service": measures.level_of_service[at],
            "readings": measures.readings[at],
            "coverage": measures.coverage[at],
            "moto": _whole(measures.moto[at]),
            "light": _whole(measures.light[at]),
            "heavy": _whole(measures.heavy[at]),
        }

    def _reading_rows(self, event: TrafficReading, observed_us: int, fresh: NDArray[np.bool_], values: Columns) -> Rows:
        at = np.flatnonzero(fresh)
        rows = len(at)
        return Rows(
            TRAFFIC_READING,
            {
                "station": self._lanes.station_of_lane[at],
                "lane": self._lanes.lane_number[at],
                "observed_at": np.full(rows, observed_us),
                "received_at": np.full(rows, microseconds(event.received_at)),
                "corridor": [self._lanes.corridor.id] * rows,
                "interval_s": np.full(rows, event.interval_s),
                "vehicles": _whole(values[traffic.COUNT, at]),
                "occupancy_pct": values[traffic.OCCUPANCY, at],
                "speed_kmh": values[traffic.SPEED, at],
                "moto": _whole(values[traffic.MOTO, at]),
                "light": _whole(values[traffic.LIGHT, at]),
                "heavy": _whole(values[traffic.HEAVY, at]),
            },
        )

    def _watch_congestion(self, closing: Closing, stations: traffic.TrafficMeasures, outputs: Outputs) -> None:
        rule = self._lanes.corridor.congestion
        if rule is None:
            return
        slow = stations.speed_kmh < rule.below_kmh
        told = ~np.isnan(stations.speed_kmh) & (stations.coverage >= MIN_ALARM_COVERAGE)
        for index in np.flatnonzero(told):
            name = self._lanes.stations[index]
            timer = self._congestion.get(name)
            if timer is None:
                if not slow[index]:
                    continue
                timer = self._congestion[name] = AlarmTimer()
            alarm = timer.step(
                AlarmRule(
                    "road-congested", self._lanes.corridor.id, name, rule.priority, rule.on_delay_s, rule.off_delay_s,
                    f"Tốc độ tại {name} dưới {rule.below_kmh:g} km/h ({stations.speed_kmh[index]:.0f} km/h)",
                    f"Speed at {name} below {rule.below_kmh:g} km/h ({stations.speed_kmh[index]:.0f} km/h)",
                ),
                closing.start_us, closing.end_us, bool(slow[index]),
            )  # fmt: skip
            if alarm:
                outputs.tell(alarm)
            if timer == AlarmTimer():
                del self._congestion[name]

    def take_snapshot(self) -> CorridorSnapshot:
        return CorridorSnapshot(snapshot.take(self.windows, self._lanes.names), self._congestion, self._silence)

    def restore(self, kept: CorridorSnapshot) -> None:
        self.windows = snapshot.restore(
            kept.windows, WINDOWS_US, self._lanes.names, len(traffic.FIELDS), self._lateness
        )
        self._congestion = kept.congestion
        self._silence = kept.silence


def _columns(event: TrafficReading) -> Columns:
    """(fields, rows) of a reading; a column that was not sent is NaN. Raises RejectedEvent on unequal lengths."""
    rows = len(event.station)
    given: dict[int, tuple[str, Sequence[float | None]]] = {
        traffic.COUNT: ("count", event.count),
        traffic.OCCUPANCY: ("occupancy_pct", event.occupancy_pct),
        traffic.SPEED: ("speed_kmh", event.speed_kmh),
        traffic.MOTO: ("class_counts.moto", event.class_counts.get("moto", [])),
        traffic.LIGHT: ("class_counts.light", event.class_counts.get("light", [])),
        traffic.HEAVY: ("class_counts.heavy", event.class_counts.get("heavy", [])),
    }
    columns = np.full((len(traffic.FIELDS), rows), np.nan)
    for field, (name, column) in given.items():
        if column:
            if len(column) != rows:
                raise RejectedEvent("columns-differ", f"{len(column)} values for {rows} stations", f"$.{name}")
            columns[field] = column
    if event.flow_veh_h:
        if len(event.flow_veh_h) != rows:
            raise RejectedEvent("columns-differ", f"{len(event.flow_veh_h)} values for {rows} stations", "$.flow_veh_h")
        with np.errstate(over="ignore"):
            derived = np.rint(np.array(event.flow_veh_h, dtype=np.float64) * event.interval_s / 3600.0)
        columns[traffic.COUNT] = np.where(np.isnan(columns[traffic.COUNT]), derived, columns[traffic.COUNT])
    return columns


def _whole(values: Columns) -> NDArray[np.int64]:
    """NaN becomes -1, which the tables take for NULL."""
    return np.where(np.isnan(values), -1, values).astype(np.int64)


def _refusal(event: TrafficReading, rows: NDArray[np.intp], reason: str, told: str) -> Refusal:
    listed = ", ".join(f"{event.station[row]}/{event.lane[row]}" for row in rows[:20])
    more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
    column = "station" if reason == "unknown-place" else "count"
    return Refusal(RejectedEvent(reason, f"{told}: {listed}{more}", f"$.{column}[{rows[0]}]"), len(rows))
