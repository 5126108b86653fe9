"""A camera: observations in, zone occupancy, line crossings, health changes and alarms out.

Items are its zones, its lines, and one for its health. Counts seen while the camera cannot be trusted are left out.
"""

from __future__ import annotations

from typing import get_args

import msgspec
import numpy as np

from streams.core import snapshot
from streams.core.alarm import AlarmRule, AlarmTimer
from streams.core.late import beyond_grace, correction
from streams.core.levels import at_or_below
from streams.core.occupancy import ZoneMeasures, zone_measures
from streams.core.outputs import Outputs, Refusal
from streams.core.quality import check_times
from streams.core.silence import Listening, Silence
from streams.core.watermark import Lateness
from streams.core.windows import Closing, Sample, Windows
from streams.schema.errors import RejectedEvent
from streams.schema.events import CameraObservation, Health
from streams.schema.instants import duration_us, microseconds
from streams.schema.site import Camera, Office, StreamPolicy, Zone
from streams.schema.tables import (
    CAMERA_HEALTH,
    LINE_CROSSING_1M,
    ZONE_OCCUPANCY_1M,
    ZONE_OCCUPANCY_10S,
    Rows,
)

TEN_SECONDS_US, MINUTE_US = WINDOWS_US = (10_000_000, 60_000_000)
HEALTH: tuple[Health, ...] = get_args(Health)
CANNOT_SEE: frozenset[Health] = frozenset({"offline", "frozen", "black", "covered", "defocused", "moved"})
CANNOT_SEE_ON_DELAY_S = 60.0
CANNOT_SEE_OFF_DELAY_S = 30.0
MIN_ALARM_COVERAGE = 0.5
FIRST, SECOND = 0, 1
"""Fields of a sample: people (zone), entered (line), code (health); left (line)."""


class CameraSnapshot(msgspec.Struct, frozen=True, array_like=True):
    windows: snapshot.WindowsSnapshot
    health: Health
    crowding: dict[str, AlarmTimer]
    cannot_see: AlarmTimer
    silence: Silence


class CameraState:
    """State of one camera. One worker holds it; a snapshot of it survives the worker."""

    def __init__(self, office: Office, camera: Camera, policy: StreamPolicy) -> None:
        self._office = office
        self._camera = camera
        self._policy = policy
        self._lateness = Lateness(duration_us(policy.lateness_s), duration_us(policy.grace_s))
        self._items = [*(zone.id for zone in camera.zones), *(line.id for line in camera.lines), "*health"]
        self._zones = {zone.id: index for index, zone in enumerate(camera.zones)}
        self._lines = {line.id: len(self._zones) + index for index, line in enumerate(camera.lines)}
        self.windows = Windows.new(WINDOWS_US, len(self._items), self._lateness)
        self._health: Health = "ok"
        self._crowding: dict[str, AlarmTimer] = {}
        self._cannot_see = AlarmTimer()
        self._silence = Silence()

    def apply(self, event: CameraObservation, logged_us: int) -> Outputs:
        """Take in one observation. Raises RejectedEvent where none of it can be used."""
        clock_us = self.windows.watermark.clock_us
        check_times(event.observed_at, event.received_at, logged_us, clock_us, duration_us(self._policy.future_s))
        outputs = Outputs()
        observed_us = microseconds(event.observed_at)
        placement = self.windows.add(self._sample(event, observed_us, outputs), centre=False)
        if placement.beyond_grace:
            outputs.refusals.append(
                beyond_grace(self.windows, event.observed_at, len(event.zones) + len(event.crossings))
            )
            return outputs
        for closing in placement.corrections:
            outputs.rows += [
                *self._rows(closing, self._measures(closing)),
                correction(event.camera, event.observed_at, event.received_at, closing),
            ]
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
        alarm = self._silence.step(listening, self._camera, self._policy)
        if alarm:
            outputs.tell(alarm)
        return outputs

    def _sample(self, event: CameraObservation, observed_us: int, outputs: Outputs) -> Sample:
        present = np.zeros(len(self._items), dtype=bool)
        values = np.full((2, len(self._items)), np.nan)
        present[-1] = True
        values[FIRST, -1] = HEALTH.index(event.health)
        unknown: list[str] = []
        if event.health not in CANNOT_SEE:
            for number, zone in enumerate(event.zones):
                at = self._zones.get(zone.zone)
                if at is None or present[at]:
                    unknown.append(f"$.zones[{number}].zone")
                    continue
                present[at], values[FIRST, at] = True, zone.people
            for number, line in enumerate(event.crossings):
                at = self._lines.get(line.line)
                if at is None or present[at]:
                    unknown.append(f"$.crossings[{number}].line")
                    continue
                present[at], values[:, at] = True, (line.entered, line.left)
        if unknown:
            fault = RejectedEvent(
                "unknown-place", f"not of this camera, or named twice: {', '.join(unknown)}", unknown[0]
            )
            outputs.refusals.append(Refusal(fault, len(unknown)))
        return Sample(observed_us, duration_us(event.frame_interval_s), present, values)

    def _close(self, outputs: Outputs) -> None:
        for closing in self.windows.close():
            measures = self._measures(closing)
            outputs.rows += self._rows(closing, measures)
            if closing.size_us == TEN_SECONDS_US:
                self._watch_health(closing, outputs)
                self._watch_crowding(closing, measures, outputs)

    def _measures(self, closing: Closing) -> dict[str, ZoneMeasures]:
        present, people = closing.present(), closing.values(FIRST)
        intervals_s = closing.intervals_s()[:, 0]
        measures = {}
        for index, zone in enumerate(self._camera.zones):
            seen = present[:, index]
            if closing.items[index] and seen.any():
                measures[zone.id] = zone_measures(
                    people[seen, index],
                    intervals_s[seen],
                    closing.size_us / 1e6,
                    zone.area_m2,
                    zone.level_of_service,
                )
        return measures

    def _rows(self, closing: Closing, measures: dict[str, ZoneMeasures]) -> list[Rows]:
        zones = list(measures)
        table = ZONE_OCCUPANCY_10S if closing.size_us == TEN_SECONDS_US else ZONE_OCCUPANCY_1M
        rows = []
        if zones:
            columns = {
                name: [getattr(measures[zone], name) for zone in zones] for name in ZoneMeasures.__dataclass_fields__
            }
            rows.append(Rows(table, {**self._place(closing, "zone", zones), **columns}))
        if closing.size_us == MINUTE_US:
            rows += self._crossing_rows(closing)
        return rows

    def _place(self, closing: Closing, kind: str, names: list[str]) -> dict[str, list[object]]:
        return {
            "camera": [self._camera.id] * len(names),
            kind: list(names),
            "window_start": [closing.start_us] * len(names),
            "revision": [closing.revision] * len(names),
        }

    def _crossing_rows(self, closing: Closing) -> list[Rows]:
        present = closing.present()
        lines = [line for line, at in self._lines.items() if closing.items[at] and present[:, at].any()]
        if not lines:
            return []
        at = [self._lines[line] for line in lines]
        return [
            Rows(
                LINE_CROSSING_1M,
                {
                    **self._place(closing, "line", lines),
                    "entered": np.nansum(closing.values(FIRST)[:, at], axis=0).astype(int),
                    "exited": np.nansum(closing.values(SECOND)[:, at], axis=0).astype(int),
                    "samples": present[:, at].sum(axis=0),
                },
            )
        ]

    def _watch_health(self, closing: Closing, outputs: Outputs) -> None:
        """Health in order of observation, so that the order of arrival does not matter."""
        blind = True
        for sample in closing.samples:
            health = HEALTH[int(sample.values[FIRST, -1])]
            blind = blind and health in CANNOT_SEE
            if health != self._health:
                change = {"camera": self._camera.id, "observed_at": sample.observed_us, "health": health}
                change["previous"] = self._health
                outputs.rows.append(Rows(CAMERA_HEALTH, {name: [value] for name, value in change.items()}))
                self._health = health
        rule = AlarmRule(
            "camera-cannot-see", self._camera.id, "", "low", CANNOT_SEE_ON_DELAY_S, CANNOT_SEE_OFF_DELAY_S,
            f"{self._camera.name_vi} không nhìn thấy ({self._health})",
            f"{self._camera.name_en} cannot see ({self._health})",
        )  # fmt: skip
        alarm = self._cannot_see.step(rule, closing.start_us, closing.end_us, blind)
        if alarm:
            outputs.tell(alarm)

    def _watch_crowding(self, closing: Closing, measures: dict[str, ZoneMeasures], outputs: Outputs) -> None:
        for zone in self._camera.zones:
            measure = measures.get(zone.id)
            if zone.role == "waiting" and measure and measure.coverage >= MIN_ALARM_COVERAGE:
                crowded = at_or_below(measure.level_of_service, self._office.overcrowding.grade)
                timer = self._crowding.setdefault(zone.id, AlarmTimer())
                rule = self._crowding_rule(zone, measure)
                alarm = timer.step(rule, closing.start_us, closing.end_us, crowded)
                if alarm:
                    outputs.tell(alarm)

    def _crowding_rule(self, zone: Zone, measure: ZoneMeasures) -> AlarmRule:
        policy = self._office.overcrowding
        return AlarmRule(
            "zone-overcrowded", self._camera.id, zone.id, policy.priority, policy.on_delay_s, policy.off_delay_s,
            f"{self._office.name_vi}, {zone.name_vi}: {measure.people_mean:.0f} người, "
            f"mức phục vụ {measure.level_of_service}",
            f"{self._office.name_en}, {zone.name_en}: {measure.people_mean:.0f} people, "
            f"level of service {measure.level_of_service}",
        )  # fmt: skip

    def take_snapshot(self) -> CameraSnapshot:
        return CameraSnapshot(
            snapshot.take(self.windows, self._items),
            self._health,
            self._crowding,
            self._cannot_see,
            self._silence,
        )

    def restore(self, kept: CameraSnapshot) -> None:
        self.windows = snapshot.restore(kept.windows, WINDOWS_US, self._items, 2, self._lateness)
        self._health = kept.health
        self._crowding = kept.crowding
        self._cannot_see = kept.cannot_see
        self._silence = kept.silence
