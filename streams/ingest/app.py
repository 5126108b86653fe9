"""The door itself: routes, and the order in which a request is judged. Thin: every judgement is made elsewhere.

Order: token, media type, room, size, JSON, shape, places, Kafka. So a stranger costs no memory, and nothing is sent
to Kafka of a batch that is not right as a whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.ingest import openapi, reading
from streams.ingest.body import Admission, check_content_type, read_body
from streams.ingest.gateways import Gateways
from streams.ingest.metrics import CONTENT_TYPE, Metrics
from streams.ingest.openapi import PROBLEM_TYPE, READINGS_PATH, Accepted, State
from streams.ingest.problem import Reason, Refused
from streams.ingest.publisher import KafkaProducer, Producer, Publisher
from streams.ingest.reading import Places
from streams.schema.errors import RetryLater
from streams.schema.events import TrafficReading
from streams.schema.settings import Settings
from streams.schema.site import Site

access_log = logging.getLogger("streams.ingest.access")
_encode = msgspec.json.encode
_CLIENT_GONE = 499
"""In the log and the counters only: nobody is left to be answered."""


def create_app(
    settings: Settings,
    site: Site,
    producer_factory: Callable[[Settings], Producer] = KafkaProducer,
    *,
    admission: Admission | None = None,
    publisher: Publisher | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The ASGI application. Raises ConfigurationInvalid. Its lifespan connects to Kafka and disconnects."""
    door = _Door(
        Gateways(settings.gateway_tokens),
        Places.of(site),
        publisher or Publisher(lambda: producer_factory(settings)),
        admission or Admission(),
        clock,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await door.publisher.start()
        try:
            yield
        finally:
            await door.publisher.stop()

    return Starlette(
        routes=[
            Route(READINGS_PATH, door.post_readings, methods=["POST"]),
            Route("/health/live", door.live),
            Route("/health/ready", door.ready),
            Route("/metrics", door.metrics_page),
            Route("/openapi.json", door.openapi_page),
        ],
        middleware=[Middleware(_AccessLog, metrics=door.metrics)],
        exception_handlers={Refused: _answer_refused, HTTPException: _answer_http, 500: _answer_bug},
        lifespan=lifespan,
    )


class _Door:
    def __init__(
        self,
        gateways: Gateways,
        places: Places,
        publisher: Publisher,
        admission: Admission,
        clock: Callable[[], datetime],
    ) -> None:
        self.publisher = publisher
        self.metrics = Metrics()
        self._gateways = gateways
        self._places = places
        self._admission = admission
        self._clock = clock
        self._openapi = openapi.text().encode()

    async def post_readings(self, request: Request) -> Response:
        gateway = self._gateways.identify(request.headers.get("authorization", ""))
        request.state.gateway = gateway
        check_content_type(request.headers.get("content-type", ""))
        with self._admission.admit() as allowance:
            declared = request.headers.get("content-length", "")
            body = await read_body(
                request.stream(),
                allowance,
                encoding=request.headers.get("content-encoding", ""),
                declared_bytes=int(declared) if declared.isascii() and declared.isdigit() else None,
            )
            size = len(body)
            received_at = self._clock()
            found = reading.events(reading.decode(body), self._places, gateway=gateway, received_at=received_at)
            del body
            return await self._publish(request, found, size, received_at)

    async def _publish(
        self, request: Request, found: list[TrafficReading], size: int, received_at: datetime
    ) -> Response:
        accepted = Accepted(len(found), sum(len(event.station) for event in found), received_at)
        messages = reading.payloads(found)
        found.clear()
        try:
            await self.publisher.publish(messages)
        except RetryLater as fault:
            headers = {"Retry-After": str(max(1, round(fault.retry_after_s)))}
            raise Refused("kafka-away", str(fault), headers=headers) from None
        self.metrics.events += accepted.events
        self.metrics.rows += accepted.rows
        self.metrics.body_bytes += size
        request.state.rows = accepted.rows
        return _json(accepted, 202)

    async def live(self, _: Request) -> Response:
        return _json(State("live"))

    async def ready(self, _: Request) -> Response:
        if await self.publisher.ready():
            return _json(State("ready"))
        return _json(State("kafka-away"), 503, {"Retry-After": "5"})

    async def metrics_page(self, _: Request) -> Response:
        text = self.metrics.text(under_way=self._admission.under_way, held_bytes=self._admission.held_bytes)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def openapi_page(self, _: Request) -> Response:
        return Response(self._openapi, media_type="application/json")


class _AccessLog:
    """One line a request: never a header, a query or a body, where a token could stand."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            status = _CLIENT_GONE
        finally:
            state = scope.get("state", {})
            path = quote(scope["path"][:120])
            if path == READINGS_PATH:
                self._metrics.responses[status] += 1
            gateway, rows = state.get("gateway", "-"), state.get("rows", 0)
            level = logging.DEBUG if status == 200 else logging.INFO
            taken_ms = (time.perf_counter() - started) * 1000
            method = quote(scope["method"][:10])
            access_log.log(level, "%s %s %d gateway=%s rows=%d %.1f ms", method, path, status, gateway, rows, taken_ms)


def _json(content: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(content), status, headers, media_type="application/json")


def _refusal(fault: Refused) -> Response:
    return Response(_encode(fault.problem), fault.status, fault.headers, media_type=PROBLEM_TYPE)


async def _answer_refused(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refused)
    return _refusal(fault)


async def _answer_http(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    reasons: dict[int, Reason] = {404: "not-found", 405: "method-not-allowed"}
    reason = reasons.get(fault.status_code, "internal-error")
    return _refusal(Refused(reason, fault.detail, headers=dict(fault.headers or {})))


async def _answer_bug(_: Request, __: Exception) -> Response:
    return _refusal(Refused("internal-error", "the fault is in the platform; it was logged"))
