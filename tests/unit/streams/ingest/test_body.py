from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable

import pytest

from streams.ingest import body
from streams.ingest.body import DISCARD_BYTES, MAX_BODY_BYTES, Admission, check_content_type, read_body
from streams.ingest.problem import Refused


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def refused(chunks: Iterable[bytes], *, admission: Admission | None = None, **how: object) -> Refused:
    with (admission or Admission()).admit() as allowance, pytest.raises(Refused) as fault:
        await read_body(stream(chunks), allowance, **how)  # type: ignore[arg-type]
    return fault.value


@pytest.mark.parametrize("encoding", ["", "identity", " GZIP", "x-gzip"])
async def test_a_body_is_read_whole(encoding: str) -> None:
    plain = b'{"readings": []}' * 1000
    sent = gzip.compress(plain) if "gzip" in encoding.lower() else plain
    with Admission().admit() as allowance:
        chunks = stream(sent[i : i + 100] for i in range(0, len(sent), 100))
        assert await read_body(chunks, allowance, encoding=encoding) == plain
        assert allowance.held_bytes == len(plain)


async def test_the_largest_body_is_taken_and_one_byte_more_is_not() -> None:
    with Admission().admit() as allowance:
        assert len(await read_body(stream([b"x" * MAX_BODY_BYTES]), allowance)) == MAX_BODY_BYTES
    assert (await refused([b"x" * MAX_BODY_BYTES, b"x"])).status == 413


async def test_a_body_somewhat_too_large_is_read_to_its_end_and_answered() -> None:
    admission = Admission()
    left = iter([b"x" * MAX_BODY_BYTES] * 3)
    fault = await refused(left, admission=admission, declared_bytes=3 * MAX_BODY_BYTES)
    assert (fault.status, fault.headers, list(left)) == (413, {}, [])


async def test_a_length_that_is_far_too_large_is_refused_before_a_byte_is_read() -> None:
    def unread() -> Iterable[bytes]:
        pytest.fail("was read")
        yield b""

    fault = await refused(unread(), declared_bytes=DISCARD_BYTES + 1)
    assert (fault.status, fault.headers) == (413, {"Connection": "close"})


async def test_an_endless_chunked_body_is_hung_up_on_and_takes_no_room() -> None:
    taken, admission = 0, Admission()

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 65536
            assert admission.held_bytes <= MAX_BODY_BYTES
            yield b" " * 65536

    fault = await refused(endless(), admission=admission)
    assert (fault.status, fault.headers) == (413, {"Connection": "close"})
    assert taken <= MAX_BODY_BYTES + DISCARD_BYTES + 2 * 65536


async def test_a_bomb_is_not_unfolded() -> None:
    bomb = gzip.compress(b" " * (200 * 1024 * 1024))
    admission = Admission()
    assert (await refused([bomb], admission=admission, encoding="gzip")).status == 413
    assert admission.held_bytes == 0


@pytest.mark.parametrize(
    "sent", [b"plain", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more", b"", gzip.compress(b"{}") * 2]
)
async def test_a_broken_gzip_stream_is_refused(sent: bytes) -> None:
    assert (await refused([sent], encoding="gzip")).status == 400


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
async def test_another_encoding_is_named(encoding: str) -> None:
    fault = await refused([b"{}"], encoding=encoding)
    assert fault.status == 415
    assert fault.headers["Accept-Encoding"] == "gzip, identity"


async def test_a_slow_body_is_given_up() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    with Admission().admit() as allowance, pytest.raises(Refused) as fault:
        await read_body(slow(), allowance, timeout_s=0.02)
    assert fault.value.status == 408


async def test_requests_and_bytes_under_way_are_bounded() -> None:
    admission = Admission(requests=2, bytes=100)
    with admission.admit() as first, admission.admit():
        with pytest.raises(Refused) as too_many, admission.admit():
            pass
        assert (too_many.value.status, too_many.value.headers) == (503, {"Retry-After": "1"})
        first.take(60)
    with admission.admit() as other:
        other.take(60)
        fault = await refused([b"x" * 60], admission=admission)
        assert (fault.status, fault.headers) == (503, {"Retry-After": "1"})
        assert admission.held_bytes == 60
    assert (admission.under_way, admission.held_bytes) == (0, 0)


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_is_taken(kind: str) -> None:
    check_content_type(kind)


@pytest.mark.parametrize("kind", ["", "text/json", "application/xml", "application/json; charset=latin-1"])
def test_anything_else_is_refused(kind: str) -> None:
    with pytest.raises(Refused) as fault:
        check_content_type(kind)
    assert fault.value.status == 415


def test_the_limits_fit_together() -> None:
    assert body.Admission().bytes >= 4 * MAX_BODY_BYTES
