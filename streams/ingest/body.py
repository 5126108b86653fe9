"""How much of a request is taken into memory: one body's limit, and the budget of all that are under way.

Counts bytes as they arrive, so that neither a chunked body nor a compressed one can exceed what it may. Refuses to
look into the content.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from streams.ingest.problem import Refused

MAX_BODY_BYTES = 4 * 1024 * 1024
"""After decompression."""
DISCARD_BYTES = 4 * MAX_BODY_BYTES
"""Of a body that is too large so much is read and thrown away, so that its sender gets to read the answer."""
BODY_TIMEOUT_S = 30.0
_GZIP = 16 + zlib.MAX_WBITS


@dataclass
class Admission:
    """What may be under way at once; beyond it a request is answered 503 and holds nothing."""

    requests: int = 64
    bytes: int = 32 * 1024 * 1024
    retry_after_s: int = 1
    under_way: int = field(default=0, init=False)
    held_bytes: int = field(default=0, init=False)

    @contextmanager
    def admit(self) -> Iterator[Allowance]:
        """Room for one request. Raises Refused (busy)."""
        if self.under_way >= self.requests:
            raise self.busy(f"{self.requests} requests are under way")
        self.under_way += 1
        allowance = Allowance(self)
        try:
            yield allowance
        finally:
            self.under_way -= 1
            allowance.give_back()

    def busy(self, detail: str) -> Refused:
        """The refusal of a request there is no room for."""
        return Refused("busy", detail, headers={"Retry-After": str(self.retry_after_s)})


@dataclass
class Allowance:
    """The bytes that one request holds of the budget."""

    admission: Admission
    held_bytes: int = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises Refused (busy)."""
        if self.admission.held_bytes + size > self.admission.bytes:
            raise self.admission.busy(f"{self.admission.bytes} bytes of requests are under way")
        self.held_bytes += size
        self.admission.held_bytes += size

    def give_back(self) -> None:
        """Hold nothing any more."""
        self.admission.held_bytes -= self.held_bytes
        self.held_bytes = 0


def check_content_type(content_type: str) -> None:
    """Raises Refused unless it is JSON in UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charset = [value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    if kind != "application/json" or any(name not in ("utf-8", "utf8") for name in charset):
        raise Refused(
            "unsupported-media-type", "send application/json in UTF-8", headers={"Accept": "application/json"}
        )


async def read_body(
    chunks: AsyncIterator[bytes],
    allowance: Allowance,
    *,
    encoding: str = "",
    declared_bytes: int | None = None,
    timeout_s: float = BODY_TIMEOUT_S,
) -> bytes:
    """The whole body, decompressed. Raises Refused: too large, too slow, busy, or an encoding that is not read here."""
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        detail = f"Content-Encoding {encoding[:40]!r} is not read here; send it plain or as gzip"
        raise Refused("unsupported-media-type", detail, headers={"Accept-Encoding": "gzip, identity"})
    if declared_bytes is not None and declared_bytes > DISCARD_BYTES:
        raise _too_large(hang_up=True)
    collected = _Gunzipped(allowance) if encoding in ("gzip", "x-gzip") else _Plain(allowance)
    try:
        async with asyncio.timeout(timeout_s):
            try:
                async for chunk in chunks:
                    collected.add(chunk)
            except _TooLarge:
                allowance.give_back()
                await _discard(chunks)
                raise _too_large() from None
    except TimeoutError:
        detail = f"the body did not end within {timeout_s:g} s"
        raise Refused("too-slow", detail, headers={"Connection": "close"}) from None
    return collected.whole()


async def _discard(chunks: AsyncIterator[bytes]) -> None:
    discarded = 0
    async for chunk in chunks:
        discarded += len(chunk)
        if discarded > DISCARD_BYTES:
            raise _too_large(hang_up=True)


class _TooLarge(Exception):
    """The body has more than it may."""


class _Plain:
    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        if len(self._body) + len(chunk) > MAX_BODY_BYTES:
            raise _TooLarge
        self._allowance.take(len(chunk))
        self._body += chunk

    def whole(self) -> bytes:
        return bytes(self._body)


class _Gunzipped(_Plain):
    """Decompresses at most what is still allowed of each chunk: a bomb is never unfolded."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(allowance)
        self._inflater = zlib.decompressobj(_GZIP)

    def add(self, chunk: bytes) -> None:
        try:
            plain = self._inflater.decompress(chunk, MAX_BODY_BYTES - len(self._body) + 1)
        except zlib.error as fault:
            raise Refused("not-json", f"not gzip: {fault}") from None
        if self._inflater.unused_data:
            raise Refused("not-json", "something follows the end of the gzip stream")
        super().add(plain)

    def whole(self) -> bytes:
        if not self._inflater.eof:
            raise Refused("not-json", "the gzip stream ends too early")
        return super().whole()


def _too_large(*, hang_up: bool = False) -> Refused:
    detail = f"at most {MAX_BODY_BYTES} bytes are taken, counted after decompression"
    return Refused("too-large", detail, headers={"Connection": "close"} if hang_up else {})
