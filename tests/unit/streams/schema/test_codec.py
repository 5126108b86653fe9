from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.schema import codec
from streams.schema.errors import RejectedEvent
from streams.schema.events import DeadLetter, Tick
from tests.unit.streams.core.test_partition import observation, reading, tick


@pytest.mark.parametrize("event", [observation(5, 3), reading(30, 4), tick(9)])
def test_what_is_encoded_decodes_to_the_same(event: object) -> None:
    assert codec.decode_input(codec.encode(event)) == event  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_refused(payload: bytes) -> None:
    try:
        codec.decode_input(payload)
    except RejectedEvent as fault:
        assert fault.reason in ("empty", "not-json", "wrong-shape", "unknown-kind")


@given(st.data())
def test_a_flipped_byte_is_an_event_or_refused(data: st.DataObject) -> None:
    wire = bytearray(codec.encode(data.draw(st.sampled_from([observation(5, 3), reading(30, 4)]))))
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        codec.decode_input(bytes(wire))
    except RejectedEvent as fault:
        assert fault.detail


def test_the_path_leads_to_the_fault() -> None:
    wire = codec.encode(observation(5, 3)).replace(b'"people":3', b'"people":"3"')
    with pytest.raises(RejectedEvent) as refused:
        codec.decode_input(wire)
    assert refused.value.path == "$.zones[0].people"


def test_a_dead_letter_leads_to_the_original_and_keeps_only_its_beginning() -> None:
    payload = b"\x00\xff" + b"x" * 100_000
    letter = codec.dead_letter(payload, RejectedEvent("not-json", "no"), topic="t", partition=3, offset=9, key=b"k")
    assert (letter.topic, letter.partition, letter.offset, letter.size_bytes) == ("t", 3, 9, 100_002)
    assert len(letter.payload) <= codec.PAYLOAD_EXCERPT_BYTES and "\0" not in letter.payload
    assert codec.decode(codec.encode(letter), DeadLetter) == letter


def test_what_a_fault_quotes_can_be_stored() -> None:
    letter = codec.dead_letter(
        b"x", RejectedEvent("unknown-place", "a\0b\ud800", "$.\0"), topic="t", partition=0, offset=0
    )
    assert letter.detail == "a\ufffdb?" and letter.path == "$.\ufffd"


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(RejectedEvent, match="timezone"):
        codec.decode(b'{"kind":"tick.v1","ticked_at":"2024-01-01T00:00:00"}', Tick)
