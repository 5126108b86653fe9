"""What a person reads when the machine lacks something: what is wrong, what was found, and the way out."""

import socket
from pathlib import Path

import pytest

from ioc.embedded import prerequisites
from ioc.embedded.prerequisites import (
    DiskSpaceLow,
    PortTaken,
    PrerequisiteMissing,
    check_debian_tools,
    check_free_space,
    check_keyring,
    check_port,
    check_zoneinfo,
    find_java,
    find_maven,
    parse_java_major,
)


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ('openjdk version "25" 2025-09-16 LTS', 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21.0.1" 2023-10-17', 21),
        ("command not found", None),
        ("", None),
    ],
)
def test_java_major_version(said: str, major: int | None) -> None:
    assert parse_java_major(said) == major


def a_java(home: Path, version: str) -> Path:
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    executable.chmod(0o755)
    return executable


def test_the_first_java_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old, new = a_java(tmp_path / "old", "11.0.2"), a_java(tmp_path / "new", "21.0.1")
    environ = {
        "IOC_JAVA_HOME": str(tmp_path / "old"),
        "JAVA_HOME": str(tmp_path / "new"),
        "PATH": str(old.parent),
    }
    java = find_java(environ)
    assert java.executable == new
    assert java.home == tmp_path / "new"


def test_a_java_that_is_too_old_is_named_with_its_version_and_the_way_out(tmp_path: Path) -> None:
    a_java(tmp_path / "old", "11.0.2")
    environ = {"IOC_JAVA_HOME": str(tmp_path / "none"), "JAVA_HOME": str(tmp_path / "old"), "PATH": "/none"}
    with pytest.raises(PrerequisiteMissing) as raised:
        find_java(environ)
    message = str(raised.value)
    assert "IOC_JAVA_HOME names" in message
    assert "JAVA_HOME) is version 11" in message
    assert "sudo apt-get install openjdk-17-jre-headless" in message


def test_no_java_at_all() -> None:
    with pytest.raises(PrerequisiteMissing, match="none was found"):
        find_java({"PATH": "/none"})


def test_missing_programs_come_with_the_line_that_installs_them(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteMissing, match="sudo apt-get install maven"):
        find_maven({"PATH": "/none"})
    with pytest.raises(PrerequisiteMissing, match="apt-get, dpkg-deb, tar"):
        check_debian_tools({"PATH": "/none"})
    with pytest.raises(PrerequisiteMissing, match="debian-archive-keyring"):
        check_keyring(tmp_path / "keyring.gpg")
    with pytest.raises(PrerequisiteMissing, match="sudo apt-get install tzdata"):
        check_zoneinfo(tmp_path)


def test_too_little_disk_is_told_in_mebibytes(tmp_path: Path) -> None:
    check_free_space(tmp_path / "not" / "yet", 1, "a test")
    with pytest.raises(DiskSpaceLow, match=rf"{2**40} MiB free in {tmp_path}"):
        check_free_space(tmp_path, 2**60, "a test")


def test_a_listening_port_is_taken_on_loopback_and_on_every_address() -> None:
    for address in (prerequisites.LOOPBACK, "0.0.0.0"):
        with socket.create_server((address, 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(PortTaken, match=f"port {port} .* Kafka"):
                check_port(port, "Kafka")
        check_port(port, "Kafka")
