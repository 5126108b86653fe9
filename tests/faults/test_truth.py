"""The checker can fail: what is lost, changed, invented or told otherwise is found. And it holds the sink's rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from streams.replay.outgoing import Outgoing
from streams.replay.recording import Entry
from streams.schema import codec
from streams.schema.settings import Settings
from streams.schema.tables import CAMERA_HEALTH, LINE_CROSSING_1M, TRAFFIC_LANE_1M, Rows
from streams.watchdog import stall_outputs
from tests.faults.schedule import schedule
from tests.faults.seed_run import city, last_tick, seed_input
from tests.faults.topic_log import Logged, TopicLog
from tests.faults.truth import Difference, Message, Stored, Truth, compute, differences, repeats, rows_of, stalls

SETTINGS = Settings(namespace="run_of_a_test", partitions=1, store_readings=True)
ALARMS = SETTINGS.topics.alarms.name


def logs_of(entries: list[Entry]) -> dict[str, TopicLog]:
    """As the topics of one partition would hold them."""
    logs: dict[str, TopicLog] = {topic.name: {0: []} for topic in SETTINGS.topics.inputs}
    outgoing = Outgoing(SETTINGS.topics)
    for entry in entries:
        message = outgoing.message(entry)
        for topic in [message.topic] if message.topic else logs:
            log = logs[topic][0]
            log.append(Logged(len(log), message.logged_us // 1000, message.key.encode() or None, message.payload))
    return logs


@cache
def truth() -> Truth:
    entries = seed_input(schedule(7))
    return compute(logs_of([*entries, last_tick(entries)]), SETTINGS, city())


@pytest.fixture
def stored() -> dict[str, Stored]:
    return {name: dict(rows) for name, rows in truth().tables.items()}


@pytest.fixture
def told() -> Iterator[dict[str, list[Message]]]:
    yield {topic: sorted(messages, key=str) for topic, messages in truth().told.items()}


def only(found: list[Difference]) -> Difference:
    assert len(found) == 1, found
    return found[0]


def test_what_is_as_it_must_be_does_not_differ(stored: dict[str, Stored], told: dict[str, list[Message]]) -> None:
    assert differences(truth(), stored, told) == []
    assert len(told[ALARMS]) > 3
    assert all(len(stored[name]) > 5 for name in ("zone_occupancy_10s", "traffic_lane_1m", "dead_letter"))


def test_a_lost_row_is_found(stored: dict[str, Stored], told: dict[str, list[Message]]) -> None:
    key = next(iter(stored["zone_occupancy_1m"]))
    del stored["zone_occupancy_1m"][key]
    difference = only(differences(truth(), stored, told))
    assert (difference.where, difference.key, difference.column) == ("zone_occupancy_1m", key, "row")
    assert difference.found is None and difference.expected is not None


def test_a_row_that_must_not_be_there_is_found(stored: dict[str, Stored], told: dict[str, list[Message]]) -> None:
    stored["alarm_event"]["invented", "unacknowledged", 0] = ("invented",)
    assert only(differences(truth(), stored, told)).expected is None


def test_a_changed_value_is_found_with_its_column(stored: dict[str, Stored], told: dict[str, list[Message]]) -> None:
    key, row = next(iter(stored["traffic_lane_1m"].items()))
    at = list(TRAFFIC_LANE_1M.columns).index("vehicles")
    stored["traffic_lane_1m"][key] = (*row[:at], row[at] + 1, *row[at + 1 :])
    difference = only(differences(truth(), stored, told))
    assert (difference.column, difference.expected, difference.found) == ("vehicles", row[at], row[at] + 1)
    assert str(key) in str(difference) and "vehicles" in str(difference)


def test_a_lost_alarm_is_found(stored: dict[str, Stored], told: dict[str, list[Message]]) -> None:
    lost = told[ALARMS].pop()
    difference = only(differences(truth(), stored, told))
    assert (difference.where, difference.expected, difference.found) == (ALARMS, lost[1], None)


def test_a_copy_is_a_repeat_and_a_second_alarm_that_says_else_is_found(
    stored: dict[str, Stored], told: dict[str, list[Message]]
) -> None:
    key, value = told[ALARMS][0]
    assert value is not None
    told[ALARMS].append((key, value))
    assert differences(truth(), stored, told) == []
    assert repeats(told) == 1
    doubled = value.replace(b'"priority":"', b'"priority":"not-')
    told[ALARMS].append((key, doubled))
    assert only(differences(truth(), stored, told)).found == doubled


def test_what_a_watchdog_told_is_counted_and_no_difference(
    stored: dict[str, Stored], told: dict[str, list[Message]]
) -> None:
    outputs = stall_outputs("camera/0", "host", datetime(2026, 1, 1, tzinfo=UTC))
    told[ALARMS] += [(alarm.source.encode(), codec.encode(alarm)) for alarm in outputs.alarms]
    assert differences(truth(), stored, told) == []
    assert stalls(told) == 1


def test_no_more_is_told_than_can_be_read(told: dict[str, list[Message]]) -> None:
    assert len(differences(truth(), {name: {} for name in truth().tables}, told)) == 20


def crossing(revision: int, entered: int) -> Rows:
    row = {"camera": "c", "line": "l", "window_start": 60, "revision": revision, "entered": entered, "exited": 0,
           "samples": 1}  # fmt: skip
    return Rows(LINE_CROSSING_1M, {name: [value] for name, value in row.items()})


def test_the_highest_revision_wins_and_among_equals_the_first() -> None:
    made = Truth()
    for rows in (crossing(2, 20), crossing(1, 10), crossing(2, 21)):
        made.apply(rows)
    assert list(made.tables["line_crossing_1m"].values()) == [("c", "l", 60, 2, 20, 0, 1)]


def test_without_revisions_the_first_row_stays() -> None:
    made = Truth()
    for previous in ("ok", "covered"):
        row = {"camera": "c", "observed_at": 60, "health": "black", "previous": previous}
        made.apply(Rows(CAMERA_HEALTH, {name: [value] for name, value in row.items()}))
    assert list(made.tables["camera_health"].values()) == [("c", 60, "black", "ok")]


def test_marks_for_null_become_none() -> None:
    columns = {name: ["x"] for name in TRAFFIC_LANE_1M.columns} | {
        "lane": np.array([1]), "window_start": np.array([5]), "revision": [1], "vehicles": np.array([-1]),
        "flow_veh_h": np.array([np.nan]), "speed_kmh": [None], "occupancy_pct": np.array([2.5]),
        "density_veh_km": [3], "readings": [4], "coverage": np.array([1.0]), "moto": np.array([0]), "light": [None],
        "heavy": np.array([-1]),
    }  # fmt: skip
    (row,) = rows_of(Rows(TRAFFIC_LANE_1M, columns))
    found = dict(zip(TRAFFIC_LANE_1M.columns, row, strict=True))
    assert [found[name] for name in ("vehicles", "flow_veh_h", "speed_kmh", "light", "heavy")] == [None] * 5
    assert (found["moto"], found["occupancy_pct"], found["density_veh_km"], found["window_start"]) == (0, 2.5, 3.0, 5)
