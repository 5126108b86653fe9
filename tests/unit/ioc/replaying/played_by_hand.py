"""A replay into a Kafka that only remembers, commanded at this process's terminal. Run by test_controls.

Argument: the language, or ``fault`` for a Kafka that is away.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiokafka.errors import KafkaConnectionError

from ioc.replaying.session import Request, play_commanded, span_of, told
from streams.replay import player
from streams.replay.recording import Recording
from streams.replay.selection import Selection
from streams.schema.errors import RetryLater
from streams.schema.settings import Settings
from tests.unit.streams.replay.doubles import FakeProducer
from tests.unit.streams.replay.examples import reading


def main(argument: str) -> None:
    hours = [reading(hour * 3600, corridor=f"road-{hour}") for hour in range(6)]
    language = "vi" if argument == "fault" else argument
    request = Request(Path(), Recording.of(hours), Selection(), paused=True, language=language)
    player.AIOKafkaProducer = FakeProducer
    if argument == "fault":
        FakeProducer.fault = KafkaConnectionError("away")
    try:
        result = asyncio.run(play_commanded(request, span_of(request), Settings(namespace="t", partitions=3)))
    except RetryLater as fault:
        print(f"told: {fault}")
    else:
        print(told(result, language))


main(sys.argv[1])
