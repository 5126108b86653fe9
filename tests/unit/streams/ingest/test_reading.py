from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ingest import openapi, reading
from streams.ingest.problem import Refused
from streams.ingest.reading import Places
from streams.schema import codec
from streams.schema.events import TrafficReading
from tests.unit.streams.ingest.doubles import site

PLACES = Places({"le-hong-phong": {"lhp-01": 3, "lhp-02": 2}}, future_s=60)
NOW = datetime(2026, 11, 24, 1, 0, 5, tzinfo=UTC)


def one(**changed: Any) -> dict[str, Any]:
    given = {
        "corridor": "le-hong-phong",
        "observed_at": "2026-11-24T01:00:00Z",
        "interval_s": 30,
        "station": ["lhp-01", "lhp-01", "lhp-02"],
        "lane": [1, 2, 1],
        "count": [4, 5, None],
    }
    return {name: value for name, value in {**given, **changed}.items() if value is not ...}


def events(body: Any) -> list[TrafficReading]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reading.events(reading.decode(raw), PLACES, gateway="gw-1", received_at=NOW)


def test_a_batch_becomes_one_event_a_reading() -> None:
    first, second = events({"readings": [one(), one(observed_at="2026-11-24T01:00:30Z", speed_kmh=[41.5, None, 0])]})
    assert (first.gateway, first.received_at, first.observed_at) == ("gw-1", NOW, NOW - timedelta(seconds=5))
    assert first.station == ["lhp-01", "lhp-01", "lhp-02"]
    assert first.speed_kmh == []
    assert second.speed_kmh == [41.5, None, 0]


def test_one_reading_by_itself_is_taken() -> None:
    assert events(one()) == events({"readings": [one()]})


def test_times_are_kept_in_utc() -> None:
    (event,) = events(one(observed_at="2026-11-24T08:00:00+07:00"))
    assert codec.encode(event).count(b'"2026-11-24T01:00:00Z"') == 1


def test_only_the_classes_that_were_counted_are_passed_on() -> None:
    (event,) = events(one(class_counts={"moto": [3, 4, None], "light": []}))
    assert event.class_counts == {"moto": [3, 4, None]}


def test_what_goes_to_kafka_decodes_at_the_other_end() -> None:
    found = events({"readings": [one()]})
    ((key, value),) = reading.payloads(found)
    assert key == b"le-hong-phong"
    assert codec.decode_input(value) == found[0]


def test_an_implausible_value_passes_because_it_costs_one_row_only() -> None:
    (event,) = events(one(count=[-1, 99_999, 0], speed_kmh=[-3.5, 900, None]))
    assert event.count == [-1, 99_999, 0]


def test_the_example_in_the_documentation_fits_the_sample_site() -> None:
    raw = json.dumps(openapi.EXAMPLE).encode()
    assert reading.events(reading.decode(raw), Places.of(site()), gateway="gw", received_at=NOW + timedelta(days=1))


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a number as text", one(count=[4, "5", None]), "wrong-shape", ".count[1]"),
    ("a fraction of a vehicle", one(count=[4, 5.5, None]), "wrong-shape", ".count[1]"),
    ("no lane number", one(lane=[1, None, 1]), "wrong-shape", ".lane[1]"),
    ("a class count as text", one(class_counts={"moto": [1, 2, "x"]}), "wrong-shape", ".class_counts.moto[2]"),
    ("an unknown class", one(class_counts={"bus": [1, 2, 3]}), "wrong-shape", ".class_counts.bus"),
    ("an unknown column", one(temperature=[20]), "wrong-shape", ".temperature"),
    ("received_at is ours", one(received_at="2026-11-24T01:00:00Z"), "wrong-shape", ".received_at"),
    ("gateway is ours", one(gateway="gw-2"), "wrong-shape", ".gateway"),
    ("no column lane", one(lane=...), "wrong-shape", ".lane"),
    ("no rows", one(station=[], lane=[], count=[]), "wrong-shape", ".station"),
    ("no time zone", one(observed_at="2026-11-24T01:00:00"), "wrong-shape", ".observed_at"),
    ("a Unix time", one(observed_at=1_795_000_000), "wrong-shape", ".observed_at"),
    ("a day's interval", one(interval_s=86400), "wrong-shape", ".interval_s"),
    ("more than the database holds", one(count=[2**31, 0, 0]), "wrong-shape", ".count[0]"),
    ("more than any machine holds", one(count=[10**30, 0, 0]), "wrong-shape", ".count[0]"),
    ("lane is too short", one(lane=[1, 2]), "columns-differ", ".lane"),
    ("count is empty", one(count=[]), "columns-differ", ".count"),
    ("speed is too long", one(speed_kmh=[1, 2, 3, 4]), "columns-differ", ".speed_kmh"),
    ("a class is too short", one(class_counts={"heavy": [1]}), "columns-differ", ".class_counts.heavy"),
    ("an unknown corridor", one(corridor="nowhere"), "unknown-place", ".corridor"),
    ("an unknown station", one(station=["lhp-01", "x", "lhp-02"]), "unknown-place", ".station[1]"),
    ("lane 0", one(lane=[0, 2, 1]), "unknown-place", ".lane[0]"),
    ("a lane too many", one(lane=[1, 2, 3]), "unknown-place", ".lane[2]"),
    ("a lane twice", one(lane=[1, 1, 1]), "repeated-row", ".station[1]"),
    ("a clock that was never set", one(observed_at="1970-01-01T00:01:00Z"), "implausible-time", ".observed_at"),
    ("a clock ahead", one(observed_at="2026-11-24T01:02:00Z"), "implausible-time", ".observed_at"),
    ("the end of time", one(observed_at="9999-12-31T23:59:59-14:00"), "implausible-time", ".observed_at"),
    ("before time", one(observed_at="0001-01-01T00:00:00+14:00"), "implausible-time", ".observed_at"),
]


@pytest.mark.parametrize(("body", "reason", "path"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
def test_a_fault_is_named_with_its_path(body: dict[str, Any], reason: str, path: str) -> None:
    with pytest.raises(Refused) as alone:
        events(body)
    assert (alone.value.reason, alone.value.path, alone.value.status) == (reason, f"${path}", 422)
    with pytest.raises(Refused) as third:
        events({"readings": [one(), one(), body]})
    assert (third.value.reason, third.value.path) == (reason, f"$.readings[2]{path}")


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        (b"", "not-json", ""),
        (b"{", "not-json", ""),
        (b"\xff\xfe{}", "not-json", ""),
        (b'{"readings":[NaN]}', "not-json", ""),
        (b'{"readings":' + b"[" * 200_000, "not-json", ""),
        (b'{"corridor":"\\ud800"}', "not-json", ""),
        (b'{"readings":[]} trailing', "not-json", ""),
        (b"[]", "wrong-shape", "$"),
        (b'{"readings":[]}', "wrong-shape", "$.readings"),
        (b'{"readings":null}', "wrong-shape", "$.readings"),
        (b'{"readings":[[]]}', "wrong-shape", "$.readings[0]"),
        (b'{"readings":[],"corridor":"a"}', "wrong-shape", "$.readings"),
        (b"{}", "wrong-shape", "$.corridor"),
    ],
)
def test_a_broken_body_is_refused(body: bytes, reason: str, path: str) -> None:
    with pytest.raises(Refused) as refused:
        events(body)
    assert (refused.value.reason, refused.value.path) == (reason, path)


def test_an_event_larger_than_the_platform_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_EVENT_BYTES", 100)
    with pytest.raises(Refused) as refused:
        reading.payloads(events(one()))
    assert refused.value.status == 413


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_body_causes_anything_but_a_refusal(body: bytes) -> None:
    with pytest.raises(Refused):
        events(body)


@given(st.sampled_from(sorted(one())), JSON)
def test_no_value_of_a_field_causes_anything_but_a_refusal(field: str, value: Any) -> None:
    body = {"readings": [one(), one(**{field: value})]}
    try:
        found = events(body)
    except Refused as refused:
        assert refused.status in (400, 422)
    else:
        assert all(codec.decode_input(payload) for _, payload in reading.payloads(found))
