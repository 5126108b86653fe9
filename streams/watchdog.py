"""Ends a worker that consumes nothing any more although it looks alive, which is a known failure of Faust.

A thread with its own connections, outside the worker's event loop, so that it sees a loop that is stuck too. It asks
Kafka what the group has acknowledged; streams.core.progress decides what is a stall. A stall of a partition that this
worker holds, or of any while it holds none, is told as an alarm and ends the worker; whatever supervises it starts
another, which goes on from what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.admin import group_reader
from streams.core.alarm import AlarmRule, AlarmTimer
from streams.core.outputs import Outputs
from streams.core.progress import Place, Progress
from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.instants import SECOND_US, microseconds
from streams.schema.settings import Settings
from streams.storage.sink import Sink

LIMIT_S = 22.0
"""With a look every 2 s and a second to commit, a stall is told within 26 s."""
LOOK_EVERY_S = 2.0
TELL_WITHIN_S = 5.0
END_WITHIN_S = 5.0
EXIT_STALLED = 70
SOURCE = "streams"
log = logging.getLogger(__name__)


class Watchdog(threading.Thread):
    """holding: the input partitions that this worker has; excused: whether it waits for something that is known, such
    as a database that is away; end: asks the worker to end, which must not block. A worker that has not ended
    END_WITHIN_S later is ended."""

    def __init__(
        self,
        settings: Settings,
        holding: Callable[[], Collection[Place]],
        excused: Callable[[], bool],
        end: Callable[[str], None],
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._settings, self._holding, self._excused, self._end = settings, holding, excused, end

    def run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        progress = Progress(LIMIT_S, 2 * LOOK_EVERY_S)
        looked = time.monotonic()
        while True:
            try:
                async with group_reader(self._settings) as reader:
                    while True:
                        await asyncio.sleep(LOOK_EVERY_S)
                        positions = await reader.positions()
                        elapsed, looked = time.monotonic() - looked, time.monotonic()
                        stalled = progress.look(elapsed, {} if self._excused() else positions)
                        held = self._holding()
                        mine = [place for place in stalled if not held or place in held]
                        if mine:
                            await self._bark(mine)
                            return
            except (RetryLater, ConfigurationInvalid, TimeoutError) as fault:
                log.debug("cannot look: %s", fault)
                await asyncio.sleep(LOOK_EVERY_S)

    async def _bark(self, stalled: list[Place]) -> None:
        named = ", ".join(f"{topic}/{number}" for topic, number in stalled)
        log.error("no progress although more is coming: %s; the worker ends and is to be started again", named)
        try:
            await asyncio.wait_for(tell(self._settings, named), TELL_WITHIN_S)
        except (RetryLater, KafkaError, TimeoutError) as fault:
            log.error("the alarm could not be told: %r", fault)
        end_within(END_WITHIN_S)
        self._end(named)


def end_within(seconds: float) -> None:
    """End this process so much later, if it has not ended by then, whatever it waits for. Loses nothing: what is not
    acknowledged is given again."""

    def end() -> None:
        time.sleep(seconds)
        log.error("the worker does not end, so it is ended")
        logging.shutdown()
        os._exit(EXIT_STALLED)

    threading.Thread(target=end, name="end", daemon=True).start()


def stall_outputs(named: str, host: str, at: datetime) -> Outputs:
    """The alarm, and at once its return, since the worker ends: what stays is that somebody should look.

    named: the partitions.
    """
    rule = AlarmRule(
        "worker-stalled", SOURCE, host, "high", 0.0, 0.0,
        f"Tiến trình xử lý trên {host} bị đứng ({named}); đã được khởi động lại",
        f"The worker on {host} made no progress ({named}); it was started again",
    )  # fmt: skip
    timer, outputs, at_us = AlarmTimer(), Outputs(), microseconds(at)
    for active in (True, False):
        alarm = timer.step(rule, at_us - SECOND_US, at_us, active)
        assert alarm is not None
        outputs.tell(alarm)
    return outputs


async def tell(settings: Settings, named: str) -> None:
    """To the alarms topic and the database. Raises KafkaError, RetryLater."""
    outputs = stall_outputs(named, socket.gethostname(), datetime.now(UTC))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for alarm in outputs.alarms:
            await producer.send_and_wait(settings.topics.alarms.name, codec.encode(alarm), key=alarm.source.encode())
    finally:
        with suppress(KafkaError):
            await producer.stop()
    async with Sink(settings.database_url, settings.namespace) as sink:
        await sink.write(outputs.rows)
