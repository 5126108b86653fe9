from __future__ import annotations

from datetime import UTC, datetime

from streams.schema.tables import ALARM_EVENT
from streams.storage.copy_binary import columns_of
from streams.watchdog import stall_outputs


def test_a_stall_is_one_alarm_that_returns_with_its_worker() -> None:
    outputs = stall_outputs("ioc.observations.camera/3", "host-1", datetime(2026, 1, 1, tzinfo=UTC))
    raised, returned = outputs.alarms
    assert raised.alarm == returned.alarm
    assert [raised.state, returned.state] == ["unacknowledged", "returned-unacknowledged"]
    assert "ioc.observations.camera/3" in raised.detail_vi and "ioc.observations.camera/3" in raised.detail_en
    columns_of(ALARM_EVENT, outputs.rows)
