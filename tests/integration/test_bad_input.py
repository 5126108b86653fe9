"""10,000 malformed messages of every kind among good ones: each a dead letter with its reason, every good one used."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.schema import codec
from streams.schema.events import DeadLetter, Event, Tick
from streams.schema.settings import Settings
from tests.integration.platform import Platform
from tests.unit.streams.core.sites import SITE
from tests.unit.streams.core.test_partition import observation, reading

pytestmark = pytest.mark.integration
BAD, GOOD = 10_000, 600
Message = tuple[bytes | None, bytes | None]


def wire(event: Event, **changes: object) -> bytes:
    return codec.encode(msgspec.structs.replace(event, **changes))


CAMERA_FAULTS: list[tuple[str, Callable[[int], Message]]] = [
    ("empty", lambda n: (b"cam", None)),
    ("empty", lambda n: (b"cam", b"")),
    ("not-json", lambda n: (b"cam", b"this is not JSON %d" % n)),
    ("not-json", lambda n: (b"cam", b"\xff\xfe\x00\x01" * (n % 9 + 1))),
    ("not-json", lambda n: (b"cam", wire(observation(n, 1))[: 20 + n % 100])),
    ("not-json", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"people":1', b'"people":NaN'))),
    ("wrong-shape", lambda n: (b"cam", b"[" * 5000)),
    ("wrong-shape", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"people":1', b'"people":1e400'))),
    ("wrong-shape", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"people":1', b'"people":%s' % (b"9" * 60)))),
    ("wrong-shape", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"people":1', b'"people":"one"'))),
    ("wrong-shape", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"people":1', b'"people":-1'))),
    ("wrong-shape", lambda n: (b"cam", wire(observation(n, 1)).replace(b'"zones"', b'"zonen"'))),
    ("wrong-shape", lambda n: (b"cam", b'{"kind":"camera-observation.v1","camera":"cam"}')),
    ("wrong-shape", lambda n: (b"cam", b'{"kind":"tick.v1","ticked_at":"yesterday"}')),
    ("unknown-kind", lambda n: (b"cam", b'{"kind":"camera-observation.v99"}')),
    ("unknown-kind", lambda n: (b"cam", b'{"camera":"cam"}')),
    ("unknown-kind", lambda n: (b"road", wire(reading(30, 1)))),
    ("implausible-time", lambda n: (b"cam", wire(observation(n, 1), observed_at=datetime(1970, 1, 1, tzinfo=UTC)))),
    ("implausible-time", lambda n: (b"cam", wire(observation(n, 1), observed_at=datetime(2200, 1, 1, tzinfo=UTC)))),
    ("implausible-time", lambda n: (None, wire(Tick(ticked_at=datetime(2200, 1, 1, tzinfo=UTC))))),
    ("unknown-source", lambda n: (b"cam-%d" % n, wire(observation(n, 1), camera=f"cam-{n}"))),
    ("wrong-key", lambda n: (b"other", wire(observation(n, 1)))),
    ("wrong-key", lambda n: (None, wire(observation(n, 1)))),
]
TRAFFIC_FAULTS: list[tuple[str, Callable[[int], Message]]] = [
    ("columns-differ", lambda n: (b"road", wire(reading(30, 1), count=[1, 2]))),
    ("columns-differ", lambda n: (b"road", wire(reading(30, 1), lane=[1]))),
    ("unknown-place", lambda n: (b"road", wire(reading(30 * (n % 9 + 1), 1), station=[f"nowhere-{n}"] * 6))),
    ("unknown-place", lambda n: (b"road", wire(reading(30 * (n % 9 + 1), 1), station=["a\0b\U0001f6d1"] * 6))),
    ("implausible-value", lambda n: (b"road", wire(reading(30 * (n % 9 + 1), 1), occupancy_pct=[250.0] * 6))),
    ("implausible-value", lambda n: (b"road", wire(reading(30 * (n % 9 + 1), 1), count=[-5] * 6))),
    ("wrong-shape", lambda n: (b"road", wire(reading(30, 1)).replace(b'"lane":[1', b'"lane":[%s' % (b"1" * 50)))),
    ("unknown-source", lambda n: (b"elsewhere", wire(reading(30, 1), corridor="elsewhere"))),
]
TOO_LARGE: Message = (b"cam", b'"' + b"x" * (10 * 1024 * 1024) + b'"')


async def send(settings: Settings, camera: list[Message], traffic: list[Message]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, max_request_size=16 * 1024 * 1024)
    await producer.start()
    topics = settings.topics
    for topic, messages in ((topics.camera_observations, camera), (topics.traffic_readings, traffic)):
        for key, value in messages:
            await producer.send(topic.name, value, key=key, partition=0)
    await producer.stop()


async def dead_letters(settings: Settings) -> list[DeadLetter]:
    consumer = AIOKafkaConsumer(
        settings.topics.dead_letters.name, bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    letters = []
    while batch := await consumer.getmany(timeout_ms=2000):
        letters += [codec.decode(message.value, DeadLetter) for messages in batch.values() for message in messages]
    await consumer.stop()
    return letters


def test_ten_thousand_malformed_messages_among_good_ones(
    kafka_bootstrap: str, admin_database_url: str, server_dir: Path
) -> None:
    chance = random.Random(7)
    expected: Counter[str] = Counter()
    camera: list[Message] = [(b"cam", wire(observation(second, 5))) for second in range(1, GOOD + 1)]
    traffic: list[Message] = [(b"road", wire(reading(30 * n, 5))) for n in range(1, 41)]
    for number in range(BAD - 1):
        faults, messages = (CAMERA_FAULTS, camera) if number % 5 else (TRAFFIC_FAULTS, traffic)
        reason, make = faults[number // 5 % len(faults)]
        expected[reason] += 1
        # among the good ones, whose order stays
        messages.insert(chance.randrange(len(messages)), make(number))
    camera.insert(100, TOO_LARGE)
    expected["too-large"] += 1
    end = SITE.streams.camera
    flush = datetime(2023, 11, 14, 23, 30, tzinfo=UTC) + timedelta(seconds=end.grace_s)
    for messages in (camera, traffic):
        messages.append((None, wire(Tick(ticked_at=flush))))

    with Platform(kafka_bootstrap, admin_database_url, SITE, server_dir, store_readings=True) as platform:
        worker = platform.start_worker()
        asyncio.run(send(platform.settings, camera, traffic))
        platform.wait_until_drained()
        letters = asyncio.run(dead_letters(platform.settings))
        stored = Counter(dict(platform.query("SELECT reason, count(*) FROM dead_letter GROUP BY 1")))
        ((samples,),) = platform.query("SELECT sum(samples) FROM zone_occupancy_1m WHERE zone = 'waiting'")
        readings = platform.count("traffic_reading")
        assert worker.poll() is None

    assert Counter(letter.reason for letter in letters) == expected == stored
    assert sum(expected.values()) == BAD
    assert len({(letter.topic, letter.offset) for letter in letters}) == BAD
    assert all(letter.detail for letter in letters)
    assert samples == GOOD
    assert readings == 40 * 6
