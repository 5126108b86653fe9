"""The mirror is the machine's own, however its sources are written."""

from pathlib import Path

import pytest

from ioc.embedded import debian_packages
from ioc.embedded.debian_packages import debian_mirror, source_uris
from ioc.embedded.prerequisites import EmbeddedError, MirrorUnknown

ONE_LINE = """\
# deb http://commented.example/debian trixie main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/a.gpg] http://one.example/debian bookworm main contrib
deb http://two.example/debian-security bookworm-security main # a comment
"""

DEB822 = """\
Types: deb
# a comment inside
URIs: http://one.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://two.example/debian
 http://three.example/debian/
Suites: bookworm

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
"""


def test_one_line_sources() -> None:
    expected = ["http://one.example/debian", "http://two.example/debian-security"]
    assert source_uris(ONE_LINE, deb822=False) == expected


def test_deb822_sources() -> None:
    expected = [
        "http://one.example/debian-security",
        "http://two.example/debian",
        "http://three.example/debian/",
    ]
    assert source_uris(DEB822, deb822=True) == expected


def test_a_mirror_given_by_name_wins() -> None:
    assert debian_mirror({"IOC_DEBIAN_MIRROR": "http://given.example/debian"}) == "http://given.example/debian"


@pytest.fixture
def silent_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt that knows no index yet, as in a fresh image."""
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\nexit 0\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(apt.parent), prepend=":")


@pytest.mark.usefixtures("silent_apt")
def test_without_indexes_the_source_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert debian_mirror({}, etc_apt=tmp_path) == "http://two.example/debian"


@pytest.mark.usefixtures("silent_apt")
def test_without_any_mirror_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(MirrorUnknown, match="IOC_DEBIAN_MIRROR"):
        debian_mirror({}, etc_apt=tmp_path)


def test_an_architecture_without_packages_is_named() -> None:
    with pytest.raises(EmbeddedError, match="this is riscv64"):
        debian_packages._architecture("riscv64")
