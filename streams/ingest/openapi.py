"""How the door is described to those who write gateways: OpenAPI 3.1, from the structs that do the checking.

Decides the words; the shapes come from msgspec, so that the document cannot differ from the code.
docs/openapi.json is this document, committed: ``python -m streams.ingest.openapi docs/openapi.json`` writes it.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from streams.ingest.body import MAX_BODY_BYTES
from streams.ingest.problem import TITLES, Problem, Reason
from streams.ingest.reading import Batch, Reading

READINGS_PATH = "/v1/traffic/readings"
PROBLEM_TYPE = "application/problem+json"
_REF = "#/components/schemas/{name}"


class Accepted(Struct, frozen=True):
    """What Kafka holds now, on every replica that must hold it."""

    events: int
    rows: int
    received_at: datetime


class State(Struct, frozen=True):
    """Whether the process lives, or is ready."""

    status: str


EXAMPLE: dict[str, Any] = {
    "readings": [
        {
            "corridor": "le-hong-phong",
            "observed_at": "2026-11-24T08:00:30+07:00",
            "interval_s": 30,
            "station": ["lhp-01", "lhp-01", "lhp-02"],
            "lane": [1, 2, 1],
            "count": [14, 9, None],
            "occupancy_pct": [11.5, 7.25, None],
            "speed_kmh": [38.4, 44.1, None],
            "class_counts": {"moto": [11, 6, None], "light": [3, 2, None], "heavy": [0, 1, None]},
        }
    ]
}
_DESCRIPTION = f"""\
Readings of road sensors, posted by their gateways.

**Retrying is always safe.** The platform knows a reading by (station, lane, observed_at): a second copy changes
nothing. After a 503, a timeout or a broken connection, post the same body again, until it is answered with 202.
A 503 may come although a part of the batch has arrived; posting it again is right then too.

**202** is answered only after Kafka acknowledged every reading of the batch. Otherwise nothing is promised.
**400 and 422** name the fault and its path; the same body would be refused again: do not retry it.
**503** comes with Retry-After, in seconds. Wait so long, longer after each further one.

A body is at most {MAX_BODY_BYTES} bytes of JSON, counted after decompression; Content-Encoding gzip is read.
Interval ends (observed_at) carry their time zone. What was not measured is null, never -1 or 0.
"""


def document() -> dict[str, Any]:
    """The OpenAPI document as data."""
    structs = (Batch, Reading, Accepted, Problem, State)
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "IOC Hải Phòng: road sensor ingest", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {
            READINGS_PATH: {"post": _post_readings()},
            "/health/live": {"get": _get("live", "Whether the process runs", _json("Alive", "State"))},
            "/health/ready": {"get": _ready()},
            "/metrics": {"get": _get("metrics", "Counters as Prometheus text", _text("text/plain"))},
            "/openapi.json": {"get": _get("openapi", "This document", _text("application/json"))},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "gateway": {"type": "http", "scheme": "bearer", "description": "The token of one gateway."}
            },
        },
    }


def text() -> str:
    """The document as it is served and committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _post_readings() -> dict[str, Any]:
    body = {"anyOf": [_ref("Batch"), _ref("Reading")]}
    refusals: dict[int, list[Reason]] = {}
    for reason, title in TITLES.items():
        if title.status not in (404, 405):
            refusals.setdefault(title.status, []).append(reason)
    responses = {"202": _json("Acknowledged by Kafka, every reading of it", "Accepted")}
    responses |= {str(status): _refusal(status, reasons) for status, reasons in sorted(refusals.items())}
    return {
        "operationId": "postTrafficReadings",
        "summary": "Gửi số liệu cảm biến giao thông / Post readings of road sensors",
        "description": "A batch, or one reading by itself. All of it is accepted or none.",
        "security": [{"gateway": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": {"batch": {"value": EXAMPLE}}}},
        },
        "responses": responses,
    }


def _refusal(status: int, reasons: list[Reason]) -> dict[str, Any]:
    lines = [f"`urn:ioc:problem:{reason}`: {TITLES[reason].vi} / {TITLES[reason].en}" for reason in reasons]
    response: dict[str, Any] = {
        "description": "\n\n".join(lines),
        "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}},
    }
    if status == 503:
        response["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response


def _ready() -> dict[str, Any]:
    operation = _get("ready", "Whether Kafka answers, so that readings can be taken", _json("Ready", "State"))
    operation["responses"]["503"] = _json("Kafka is away, for now", "State")
    return operation


def _get(name: str, summary: str, response: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "security": [], "responses": {"200": response}}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _text(content_type: str) -> dict[str, Any]:
    return {"description": "As named", "content": {content_type: {}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
