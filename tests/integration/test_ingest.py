"""The HTTP door against a real broker: what is answered 202 is in Kafka; without Kafka it is 503, in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ioc.embedded.kafka import EmbeddedKafka
from streams.ingest.server import server_of
from streams.schema import codec
from streams.schema.events import TrafficReading
from streams.schema.settings import Settings

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
TOKEN = "integration-token-of-32-characters"
PATH = "/v1/traffic/readings"
BOUND_S = 12.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def settings_for(bootstrap: str, namespace: str) -> Settings:
    return Settings(
        kafka_bootstrap=bootstrap,
        namespace=namespace,
        partitions=2,
        site_file=ROOT / "config" / "haiphong.toml",
        ingest_port=free_port(),
        gateway_tokens={"gw-1": TOKEN},
    )


def batch(readings: int) -> dict[str, Any]:
    """So many readings that are all different, on two corridors."""
    second = int(time.time()) - 10 * readings
    return {
        "readings": [
            {
                "corridor": corridor,
                "observed_at": datetime.fromtimestamp(second + i, UTC).isoformat(),
                "interval_s": 30,
                "station": [station, station],
                "lane": [1, 2],
                "count": [i, None],
            }
            for i in range(readings)
            for corridor, station in [(("le-hong-phong", "lhp-01"), ("nguyen-van-linh", "nvl-01"))[i % 2]]
        ]
    }


async def make_topic(settings: Settings) -> None:
    topic = settings.topics.traffic_readings
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic.name, topic.partitions, 1, topic_configs=topic.config)])
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The real server on a real port, stopped as SIGTERM stops it."""
    server = server_of(settings)
    running = asyncio.create_task(server._serve())
    address = f"http://127.0.0.1:{settings.ingest_port}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
            async with asyncio.timeout(10):
                while not server.started:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            yield client
    finally:
        server.should_exit = True
        async with asyncio.timeout(30):
            await running


async def until_ready(client: httpx.AsyncClient, timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while (await client.get("/health/ready")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def everything_in(settings: Settings) -> list[tuple[int, bytes, TrafficReading]]:
    """(partition, key, event) of every message in the topic, in order within each partition."""
    topic = settings.topics.traffic_readings
    partitions = [TopicPartition(topic.name, i) for i in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    consumer.assign(partitions)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[int, bytes, TrafficReading]] = []
        async with asyncio.timeout(30):
            while len(found) < sum(ends.values()):
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        event = codec.decode_input(record.value)
                        assert isinstance(event, TrafficReading)
                        found.append((partition.partition, record.key, event))
        return found
    finally:
        await consumer.stop()


async def test_what_is_accepted_is_in_kafka(kafka_bootstrap: str) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_accepted")
    await make_topic(settings)
    async with door(settings) as client:
        await until_ready(client)
        answers = await asyncio.gather(*(client.post(PATH, json=batch(20)) for _ in range(10)))
        assert [answer.status_code for answer in answers] == [202] * 10
        assert {(answer.json()["events"], answer.json()["rows"]) for answer in answers} == {(20, 40)}
        found = await everything_in(settings)
    assert len(found) == 200
    assert all(event.corridor.encode() == key and event.gateway == "gw-1" for _, key, event in found)
    partition_of = {key: {partition for partition, other, _ in found if other == key} for _, key, _ in found}
    assert all(len(partitions) == 1 for partitions in partition_of.values())


async def test_a_chunked_body_over_the_limit_is_cut_off(kafka_bootstrap: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 65536
            yield b" " * 65536

    settings = settings_for(kafka_bootstrap, "ingest_chunked")
    await make_topic(settings)
    async with door(settings) as client:
        try:
            answer = await client.post(PATH, content=endless(), headers={"Content-Type": "application/json"})
            assert answer.status_code == 413
        except httpx.TransportError:
            pass  # the server hung up while we were still sending: also an end
        assert sent < 48 * 1024 * 1024
        assert 'ioc_ingest_responses_total{status="413"} 1' in (await client.get("/metrics")).text


async def test_a_missing_topic_is_not_taken_for_success(kafka_bootstrap: str) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_no_topic")
    async with door(settings) as client:
        started = time.monotonic()
        answer = await client.post(PATH, json=batch(1))
        assert answer.status_code == 503
        assert time.monotonic() - started < BOUND_S
        await make_topic(settings)
        await until_ready(client)
        assert (await client.post(PATH, json=batch(1))).status_code == 202


async def test_without_kafka_503_within_the_bound_and_202_when_it_is_back(
    kafka: EmbeddedKafka, kafka_bootstrap: str
) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_away")
    await make_topic(settings)
    accepted: list[dict[str, Any]] = []
    async with door(settings) as client:
        await until_ready(client)
        body = batch(4)
        assert (await client.post(PATH, json=body)).status_code == 202
        accepted += body["readings"]
        await asyncio.to_thread(kafka.kill)
        try:
            refused = batch(4)
            for _ in range(2):
                started = time.monotonic()
                answer = await client.post(PATH, json=refused)
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:ioc:problem:kafka-away")
                assert int(answer.headers["Retry-After"]) >= 1
                assert time.monotonic() - started < BOUND_S
            assert (await client.get("/health/ready")).status_code == 503
            assert (await client.get("/health/live")).status_code == 200
        finally:
            await asyncio.to_thread(kafka.start)
        await until_ready(client)
        for again in (refused, batch(4)):
            assert (await client.post(PATH, json=again)).status_code == 202
            accepted += again["readings"]
        found = await everything_in(settings)
    stored = {(event.corridor, event.observed_at) for _, _, event in found}
    assert stored == {(each["corridor"], datetime.fromisoformat(each["observed_at"])) for each in accepted}


async def test_a_short_absence_is_bridged_without_a_503(kafka: EmbeddedKafka, kafka_bootstrap: str) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_bridged")
    await make_topic(settings)
    async with door(settings) as client:
        await until_ready(client)
        assert (await client.post(PATH, json=batch(2))).status_code == 202
        await asyncio.to_thread(kafka.kill)
        posting = asyncio.create_task(client.post(PATH, json=batch(2)))
        await asyncio.to_thread(kafka.start)
        answer = await posting
        assert answer.status_code in (202, 503)
        await until_ready(client)
        assert (await client.post(PATH, json=batch(2))).status_code == 202


async def test_it_starts_with_kafka_down(kafka: EmbeddedKafka, kafka_bootstrap: str) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_late")
    await make_topic(settings)
    await asyncio.to_thread(kafka.stop)
    try:
        async with door(settings) as client:
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.post(PATH, json=batch(1))).status_code == 503
            await asyncio.to_thread(kafka.start)
            await until_ready(client)
            assert (await client.post(PATH, json=batch(1))).status_code == 202
    finally:
        await asyncio.to_thread(kafka.start)


async def test_the_largest_batch_goes_through(kafka_bootstrap: str) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_large")
    await make_topic(settings)
    body = batch(1000)
    assert len(json.dumps(body)) < 4 * 1024 * 1024
    async with door(settings) as client:
        await until_ready(client)
        answer = await client.post(PATH, json=body)
        assert (answer.status_code, answer.json()["events"], answer.json()["rows"]) == (202, 1000, 2000)
        assert len(await everything_in(settings)) == 1000


async def test_a_gateway_that_hangs_up_leaves_nothing_behind(
    kafka_bootstrap: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(kafka_bootstrap, "ingest_hung_up")
    await make_topic(settings)
    async with door(settings) as client:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", settings.ingest_port)
            writer.write(head.encode() + b'{"readings":[')
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while "requests_under_way 0" not in (await client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        text = (await client.get("/metrics")).text
        assert 'ioc_ingest_responses_total{status="499"} 3' in text
        assert "ioc_ingest_held_bytes 0" in text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_lives_without_kafka_and_ends_in_order_by_signal(number: signal.Signals) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "IOC_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "IOC_INGEST_PORT": str(port),
        "IOC_SITE_FILE": str(ROOT / "config" / "haiphong.toml"),
        "IOC_GATEWAY_TOKENS": f"gw-1={TOKEN}",
    }
    code = "import os; from streams.schema.settings import read_settings as r; from streams.ingest.server import serve"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{code}; serve(r(os.environ))", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.ConnectError):
                    assert (await client.get("/health/live")).status_code == 200
                    assert (await client.get("/health/ready")).status_code == 503
                    break
                await asyncio.sleep(0.05)
        process.send_signal(number)
        async with asyncio.timeout(15):
            _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert b"Traceback" not in errors
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
