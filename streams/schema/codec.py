"""Bytes to events and back. Decides what is well-formed; every refusal names the reason and the path.

JSON on the wire, so that people can read it with any Kafka tool (docs/adr/0002).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Any, TypeVar

import msgspec

from streams.schema.errors import RejectedEvent
from streams.schema.events import DeadLetter, Event, InputEvent, Reason

MAX_EVENT_BYTES = 4 * 1024 * 1024
PAYLOAD_EXCERPT_BYTES = 4096
_PATH = re.compile(r" - at `([^`]+)`$")
E = TypeVar("E")
_encoder = msgspec.json.Encoder()
_input: msgspec.json.Decoder[InputEvent] = msgspec.json.Decoder(InputEvent)


@cache
def _decoder(kind: object) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def encode(event: Event) -> bytes:
    """The event as one line of JSON, UTF-8."""
    return _encoder.encode(event)


def decode_input(payload: bytes | None) -> InputEvent:
    """An input event (observation, reading, tick) from the wire. Raises RejectedEvent with reason and path."""
    return _checked(_input, payload)


def decode(payload: bytes | None, kind: type[E]) -> E:
    """An event of a given kind. Raises RejectedEvent with reason and path."""
    event: E = _checked(_decoder(kind), payload)  # type: ignore[arg-type]
    return event


def _checked(decoder: msgspec.json.Decoder[E], payload: bytes | None) -> E:
    if not payload:
        raise RejectedEvent("empty", "the message has no value")
    if len(payload) > MAX_EVENT_BYTES:
        raise RejectedEvent("too-large", f"{len(payload)} bytes; at most {MAX_EVENT_BYTES} are allowed")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as fault:
        raise _rejection(fault) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise RejectedEvent("not-json", str(fault)) from None


def _rejection(fault: msgspec.ValidationError) -> RejectedEvent:
    text = str(fault)
    found = _PATH.search(text)
    path = found.group(1) if found else "$"
    reason: Reason = "unknown-kind" if path == "$.kind" or "missing required field `kind`" in text else "wrong-shape"
    return RejectedEvent(reason, _PATH.sub("", text), path)


def dead_letter(
    payload: bytes | None,
    fault: RejectedEvent,
    *,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None = None,
    rows: int = 0,
) -> DeadLetter:
    """The dead letter for a refused event: where the original lies, why it was refused, how it begins."""
    body = payload or b""
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        reason=fault.reason,  # type: ignore[arg-type]
        path=_storable(fault.path),
        detail=_storable(fault.detail)[:1000],
        rows=rows,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        payload=_storable(body[:PAYLOAD_EXCERPT_BYTES].decode("utf-8", "replace")),
        key=_storable((key or b"")[:256].decode("utf-8", "replace")),
    )


def _storable(text: str) -> str:
    """Text as any database takes it: without NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
