"""What a decision gives: rows to store, alarms to tell, parts of an event that were refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.schema.errors import RejectedEvent
from streams.schema.events import Alarm
from streams.schema.instants import microseconds
from streams.schema.tables import ALARM_EVENT, Rows


@dataclass(frozen=True)
class Refusal:
    """Rows of an event that could not be used; the others of the same event were."""

    fault: RejectedEvent
    rows: int


@dataclass
class Outputs:
    rows: list[Rows] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def tell(self, alarm: Alarm) -> None:
        """An alarm's transition: an event for people and a row for the history."""
        self.alarms.append(alarm)
        self.rows.append(
            Rows(
                ALARM_EVENT,
                {
                    "alarm": [alarm.alarm],
                    "changed_at": [microseconds(alarm.changed_at)],
                    "state": [alarm.state],
                    "source": [alarm.source],
                    "place": [alarm.place],
                    "condition": [alarm.condition],
                    "priority": [alarm.priority],
                    "raised_at": [microseconds(alarm.raised_at)],
                    "detail_vi": [alarm.detail_vi],
                    "detail_en": [alarm.detail_en],
                },
            )
        )
