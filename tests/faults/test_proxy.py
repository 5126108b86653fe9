"""What each condition does to bytes on their way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Condition, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy() as made:

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        made.forward_to("127.0.0.1", server.getsockname()[1])
        yield made
        server.shutdown(socket.SHUT_RDWR)


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=3)


def echo(connection: socket.socket, data: bytes = b"hello") -> bytes:
    connection.sendall(data)
    got = b""
    while len(got) < len(data) and (part := connection.recv(65536)):
        got += part
    return got


def test_bytes_pass_unchanged(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4000
    with connected(proxy) as connection:
        sending = threading.Thread(target=connection.sendall, args=(data,))
        sending.start()
        got = b""
        while len(got) < len(data):
            got += connection.recv(65536)
        sending.join()
    assert got == data


def test_a_cut_breaks_what_is_there_and_takes_what_comes(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert echo(connection) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionError):
            if not echo(connection):
                raise ConnectionResetError
    with connected(proxy) as connection:
        assert echo(connection) == b"hello"


def test_refused_until_it_is_lifted(proxy: Proxy) -> None:
    refusal = Condition(refused=True)
    proxy.impose(refusal)
    with pytest.raises(ConnectionError), connected(proxy) as connection:
        if not echo(connection):
            raise ConnectionResetError
    proxy.lift(refusal)
    with connected(proxy) as connection:
        assert echo(connection) == b"hello"


def test_held_bytes_come_when_it_is_lifted(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert echo(connection) == b"hello"
        proxy.impose(Condition(held=True))
        connection.sendall(b"later")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.lift_all()
        connection.settimeout(3)
        assert connection.recv(100) == b"later"


def test_delay_and_throttle_add_up(proxy: Proxy) -> None:
    proxy.impose(Condition(delay_s=0.1))
    proxy.impose(Condition(bytes_per_s=20_000))
    with connected(proxy) as connection:
        began = time.monotonic()
        assert echo(connection) == b"hello"
        assert time.monotonic() - began >= 0.2
        began = time.monotonic()
        data = b"x" * 40_000
        assert echo(connection, data) == data
        assert time.monotonic() - began >= 1.0
