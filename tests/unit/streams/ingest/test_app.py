from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiokafka.errors import KafkaTimeoutError

from streams.ingest import openapi
from streams.ingest.app import create_app
from streams.ingest.body import Admission
from streams.ingest.publisher import Publisher
from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import TrafficReading
from streams.schema.settings import Settings
from tests.unit.streams.ingest.doubles import SETTINGS, TOKEN, ProducerDouble, never, site

PATH = "/v1/traffic/readings"
NOW = datetime(2026, 11, 24, 1, 1, 2, tzinfo=UTC)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def door(producer: ProducerDouble, *, admission: Admission | None = None) -> AsyncIterator[httpx.AsyncClient]:
    publisher = Publisher(lambda: producer, acknowledge_s=0.2, connect_wait_s=0.1, reconnect_s=0.01, retry_after_s=5)
    app = create_app(SETTINGS, site(), admission=admission, publisher=publisher, clock=lambda: NOW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://door") as client,
    ):
        yield client


async def post(client: httpx.AsyncClient, body: Any = openapi.EXAMPLE, **how: Any) -> httpx.Response:
    return await client.post(PATH, json=body, headers=AUTHORIZED, **how)


def is_problem(response: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:ioc:problem:{reason}"
    assert problem["title"]
    assert problem["title_en"]
    assert problem["title"] != problem["title_en"]
    return problem


async def test_a_batch_is_accepted_when_kafka_has_it() -> None:
    producer = ProducerDouble()
    async with door(producer) as client:
        response = await post(client)
        assert (response.status_code, response.json()) == (
            202,
            {"events": 1, "rows": 3, "received_at": "2026-11-24T01:01:02Z"},
        )
    ((key, value),) = producer.sent
    event = codec.decode_input(value)
    assert isinstance(event, TrafficReading)
    assert (key, event.gateway, event.received_at) == (b"le-hong-phong", "gw-1", NOW)


async def test_one_reading_and_a_compressed_batch_are_accepted() -> None:
    producer = ProducerDouble()
    async with door(producer) as client:
        assert (await post(client, openapi.EXAMPLE["readings"][0])).status_code == 202
        headers = {**AUTHORIZED, "Content-Encoding": "gzip", "Content-Type": "application/json"}
        content = gzip.compress(json.dumps(openapi.EXAMPLE).encode())
        assert (await client.post(PATH, content=content, headers=headers)).status_code == 202
    assert producer.sent[0] == producer.sent[1]


async def test_a_fault_is_answered_with_its_path_and_nothing_is_sent() -> None:
    producer = ProducerDouble()
    wrong = {**openapi.EXAMPLE["readings"][0], "lane": [1, "2", 1]}
    async with door(producer) as client:
        response = await post(client, {"readings": [openapi.EXAMPLE["readings"][0], wrong]})
        assert is_problem(response, 422, "wrong-shape")["path"] == "$.readings[1].lane[1]"
        response = await client.post(PATH, content=b"{", headers={**AUTHORIZED, "Content-Type": "application/json"})
        assert "path" not in is_problem(response, 400, "not-json")
    assert producer.sent == []


async def test_a_stranger_is_challenged_before_the_body_is_read() -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("was read")
        yield b""

    async with door(ProducerDouble()) as client:
        response = await client.post(PATH, content=body(), headers={"Authorization": "Bearer wrong"})
        is_problem(response, 401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="ioc", error="invalid_token"'


async def test_media_types_sizes_and_addresses() -> None:
    async with door(ProducerDouble()) as client:
        headers = {**AUTHORIZED, "Content-Type": "text/csv"}
        is_problem(await client.post(PATH, content=b"a,b", headers=headers), 415, "unsupported-media-type")
        headers = {**AUTHORIZED, "Content-Type": "application/json"}
        big = b" " * (4 * 1024 * 1024 + 1)
        is_problem(await client.post(PATH, content=big, headers=headers), 413, "too-large")
        is_problem(await client.get("/v1/nothing"), 404, "not-found")
        response = await client.get(PATH)
        is_problem(response, 405, "method-not-allowed")
        assert response.headers["Allow"] == "POST"


async def test_kafka_away_is_answered_within_the_bound_and_comes_back() -> None:
    producer = ProducerDouble()
    async with door(producer) as client:
        producer.answer = lambda: KafkaTimeoutError()
        response = await post(client)
        is_problem(response, 503, "kafka-away")
        assert response.headers["Retry-After"] == "5"
        producer.answer = lambda: None
        assert (await post(client)).status_code == 202


async def test_more_than_may_be_under_way_is_put_off() -> None:
    producer = ProducerDouble()
    producer.answer = never
    async with door(producer, admission=Admission(requests=2)) as client:
        answers = await asyncio.gather(*(post(client) for _ in range(5)))
        assert sorted(answer.json()["type"].rpartition(":")[2] for answer in answers) == [
            "busy", "busy", "busy", "kafka-away", "kafka-away",
        ]  # fmt: skip
        assert all(answer.headers["Retry-After"] for answer in answers)


async def test_health() -> None:
    producer = ProducerDouble()
    async with door(producer) as client:
        await post(client)
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).status_code == 200
        producer.alive = False
        response = await client.get("/health/ready")
        assert (response.status_code, response.json()) == (503, {"status": "kafka-away"})
        assert (await client.get("/health/live")).status_code == 200


async def test_metrics_and_openapi() -> None:
    async with door(ProducerDouble()) as client:
        await post(client)
        await post(client, {})
        text = (await client.get("/metrics")).text
        for line in (
            'ioc_ingest_responses_total{status="202"} 1',
            'ioc_ingest_responses_total{status="422"} 1',
            "ioc_ingest_events_total 1",
            "ioc_ingest_rows_total 3",
            "ioc_ingest_requests_under_way 0",
            "ioc_ingest_held_bytes 0",
        ):
            assert line in text.splitlines()
        assert TOKEN not in text
        assert "gw-1" not in text
        assert (await client.get("/openapi.json")).text == openapi.text()


async def test_the_access_log_names_the_gateway_and_never_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with door(ProducerDouble()) as client:
        await client.post(f"{PATH}?token={TOKEN}", json=openapi.EXAMPLE, headers=AUTHORIZED)
        await client.post(PATH, json={}, headers={"Authorization": f"Bearer {TOKEN}x"})
        await client.get("/x%0A2026 forged")
    ours = [r.getMessage() for r in caplog.records if r.name == "streams.ingest.access"]
    assert ours[0].startswith("POST /v1/traffic/readings 202 gateway=gw-1 rows=3 ")
    assert ours[1].startswith("POST /v1/traffic/readings 401 gateway=- rows=0 ")
    assert not any("\n" in message for message in ours)
    assert not any(TOKEN in r.getMessage() for r in caplog.records if r.name.startswith("streams"))


async def test_a_bug_is_answered_500_and_tells_nothing() -> None:
    producer = ProducerDouble()
    producer.answer = lambda: ZeroDivisionError("secret detail")
    async with door(producer) as client:
        response = await post(client)
        is_problem(response, 500, "internal-error")
        assert "secret" not in response.text


def test_gateways_that_share_a_token_are_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationInvalid):
        create_app(Settings(gateway_tokens={"a": TOKEN, "b": TOKEN}), site())
