"""What is decided before a broker runs: pinned versions, and when a port counts as our broker."""

import socket
import struct
import threading
import xml.etree.ElementTree as ElementTree

import pytest

from ioc.embedded.kafka import answers_as, escaped_property
from ioc.embedded.kafka_jars import pom_text


def test_every_version_is_pinned_and_no_host_is_named() -> None:
    pom = pom_text()
    root = ElementTree.fromstring(pom)
    versions = [entry.findtext("version") for entry in root.iter("dependency")]
    versions += [entry.findtext("version") for entry in root.iter("plugin")]
    assert len(versions) == 4
    assert all(version and not set(version) & set("[](),") for version in versions)
    assert "://" not in pom


def metadata(host: bytes, port: int, brokers: int = 1) -> bytes:
    body = struct.pack(">ii", 1, brokers)
    for _ in range(brokers):
        body += struct.pack(">ih", 1, len(host)) + host + struct.pack(">ih", port, -1)
    body += struct.pack(">ii", 1, 0)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (lambda port: metadata(b"127.0.0.1", port), True),
        (lambda port: metadata(b"127.0.0.1", port, brokers=0), False),
        (lambda port: metadata(b"127.0.0.1", port + 1), False),
        (lambda port: metadata(b"elsewhere", port), False),
        (lambda port: struct.pack(">i", 2) + b"no", False),
        (lambda port: b"", False),
    ],
)
def test_only_our_broker_alive_counts_as_ready(reply, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(reply(port))

        thread = threading.Thread(target=answer)
        thread.start()
        assert answers_as("127.0.0.1", port) is expected
        thread.join()
    assert not answers_as("127.0.0.1", port)


def test_a_path_in_vietnamese_is_escaped_for_a_properties_file() -> None:
    assert escaped_property("/home/Hải a\\b") == "/home/H\\u1ea3i a\\\\b"
