"""No name survives; the same name stays the same; everything else stays as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given

from streams.replay.anonymise import Anonymiser
from streams.replay.recording import Entry, Record, Verbatim
from streams.schema.codec import decode_input
from streams.schema.events import CameraObservation, Tick, TrafficReading
from tests.unit.streams.replay.examples import observation, reading, recordings, tick, verbatim

KEY = b"k" * 32


def camera(entry: Entry) -> CameraObservation:
    assert isinstance(entry, Record) and isinstance(entry.event, CameraObservation)
    return entry.event


def traffic(entry: Entry) -> TrafficReading:
    assert isinstance(entry, Record) and isinstance(entry.event, TrafficReading)
    return entry.event


@given(recordings())
def test_only_names_change(entries: list[Entry]) -> None:
    made = Anonymiser(KEY)
    found = list(made.entries(entries))
    kept = [entry for entry in entries if not isinstance(entry, Verbatim)]
    assert made.left_out == len(entries) - len(kept) and len(found) == len(kept)
    for before, after in zip(kept, found, strict=True):
        assert isinstance(after, Record) and after.payload is not None
        assert decode_input(after.payload) == after.event and after.logged_us == before.logged_us
        if isinstance(before.event, TrafficReading):
            event = traffic(after)
            names = {"corridor": "a", "station": before.event.station}
            assert msgspec.structs.replace(event, **names) == msgspec.structs.replace(before.event, corridor="a")
            assert not {before.event.corridor, *before.event.station} & {event.corridor, *event.station}
        elif isinstance(before.event, Tick):
            assert after.event == before.event
        else:
            assert camera(after).camera != before.event.camera
            assert [zone.people for zone in camera(after).zones] == [zone.people for zone in before.event.zones]


def test_the_same_name_is_the_same_pseudonym_but_not_in_another_hall_or_under_another_key() -> None:
    a, b, c = map(camera, Anonymiser(KEY).entries([observation(0), observation(1), observation(2, "cam-2")]))
    assert (a.camera, a.zones, a.crossings) == (b.camera, b.zones, b.crossings)
    assert a.camera != c.camera and a.zones[0].zone != c.zones[0].zone and a.crossings[0].line != c.crossings[0].line
    (other,) = map(camera, Anonymiser(b"x" * 32).entries([observation(0)]))
    assert other.camera != a.camera


def test_a_gateway_has_a_pseudonym_and_none_has_none() -> None:
    named = replace(reading(0), event=msgspec.structs.replace(reading(0).event, gateway="gw-1"))
    found = [traffic(entry).gateway for entry in Anonymiser(KEY).entries([named, reading(1)])]
    assert found[0].startswith("gateway-") and found[1] == ""


def test_all_times_move_by_whole_weeks() -> None:
    by = timedelta(weeks=-3)
    found = list(Anonymiser(KEY, shift_weeks=-3).entries([observation(0), tick(1)]))
    assert camera(found[0]).observed_at == camera(observation(0)).observed_at + by
    assert [b.logged_us - a.logged_us for a, b in zip([observation(0), tick(1)], found, strict=True)] == [
        by // timedelta(microseconds=1)
    ] * 2


def test_messages_that_are_no_events_are_left_out_and_counted() -> None:
    made = Anonymiser(KEY)
    assert list(made.entries([verbatim(0, "Nguyễn Văn A")])) == [] and made.left_out == 1


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Anonymiser(b"short")
