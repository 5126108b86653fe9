"""What is an event and what is kept as it stands."""

from __future__ import annotations

import pytest

from streams.replay.incoming import LATEST_US, arrived, device, tick_us
from streams.replay.outgoing import Outgoing
from streams.replay.recording import Entry, InputTopic, Record, Verbatim
from streams.schema.codec import encode
from streams.schema.topics import Topics
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

CAMERA: InputTopic = "observations.camera"
TRAFFIC: InputTopic = "observations.traffic"


@pytest.mark.parametrize("entry", [observation(0), reading(0), tick(0), verbatim(0), verbatim(0, "", "")])
def test_what_replay_sends_comes_back(entry: Entry) -> None:
    sent = Outgoing(Topics("ns", 1)).message(entry)
    topic = TRAFFIC if (sent.topic or "").endswith("traffic") else CAMERA
    found = arrived(topic, 7, sent.logged_us // 1000, sent.key.encode() or None, sent.payload)
    expected = entry if isinstance(entry, Verbatim) else Record(entry.logged_us, entry.event, sent.payload)
    assert found.entry(sent.logged_us) == expected and (found.offset, found.stamp_us) == (7, entry.logged_us)
    assert found.tick_us == tick_us(entry)
    assert found.size_bytes == len(sent.key) + len(sent.payload or b"")


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        (CAMERA, b"cam-2", encode(observation(0).event)),
        (CAMERA, None, encode(observation(0).event)),
        (TRAFFIC, b"cam-1", encode(observation(0).event)),
        (CAMERA, b"ql5", encode(reading(0).event)),
        (CAMERA, b"key", encode(tick(0).event)),
        (CAMERA, b"cam-1", None),
        (CAMERA, b"cam-1", b""),
        (CAMERA, b"\xff", b"\xff"),
        (CAMERA, b"cam-1", b"x" * 5_000_000),
    ],
)
def test_anything_else_is_kept_as_it_stands(topic: InputTopic, key: bytes | None, value: bytes | None) -> None:
    found = arrived(topic, 0, 1000, key, value)
    entry = found.entry(1_000_000)
    assert found.tick_us is None
    assert isinstance(entry, Verbatim)
    assert (entry.payload, entry.topic, entry.logged_us) == (value, topic, 1_000_000)
    assert entry.key.encode("utf-8", "surrogateescape") == (key or b"")


def test_no_time_stamp_is_1970_and_none_is_after_9999() -> None:
    assert arrived(CAMERA, 0, -1, None, None).stamp_us == 0
    assert arrived(CAMERA, 0, 2**62, None, None).stamp_us == LATEST_US


def test_device_and_tick() -> None:
    assert [device(entry) for entry in (observation(0), reading(0), tick(0), verbatim(0, key="k"))] == [
        "cam-1", "ql5", "", "k",
    ]  # fmt: skip
    assert tick_us(tick(0)) == tick(0).logged_us and tick_us(reading(0)) is None
