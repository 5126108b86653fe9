"""Which PostgreSQL is run: new enough, with the extension, and the one that made the data."""

from pathlib import Path

import pytest

from ioc.embedded import postgresql
from ioc.embedded.postgresql import PostgreSQL, find_postgresql, machine_installations, parse_major
from ioc.embedded.prerequisites import DataUnusable


def an_installation(root: Path, major: int, *, extension: bool) -> Path:
    programs = root / f"usr/lib/postgresql/{major}/bin"
    programs.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (programs / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.3 (Debian {major}.3-1)'\n")
        (programs / name).chmod(0o755)
    share = root / f"usr/share/postgresql/{major}/extension"
    share.mkdir(parents=True)
    if extension:
        (share / "timescaledb.control").touch()
    return programs


def test_version() -> None:
    assert parse_major("postgres (PostgreSQL) 17.12 (Debian 17.12-0+deb13u1)") == 17
    assert parse_major("nonsense") is None


def test_only_those_with_the_extension_that_are_recent_enough(tmp_path: Path) -> None:
    an_installation(tmp_path, 14, extension=True)
    an_installation(tmp_path, 15, extension=False)
    expected = an_installation(tmp_path, 16, extension=True)
    assert list(machine_installations(tmp_path)) == [PostgreSQL(expected, 16)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[PostgreSQL]:
    here: list[PostgreSQL] = []
    monkeypatch.setattr(postgresql, "machine_installations", lambda: iter(here))
    monkeypatch.setattr(postgresql, "postgresql_tree", lambda cache_dir, on_progress: cache_dir / "bin")
    return here


def find(cache_dir: Path = Path("/cache"), made_by: Path | None = None, made_major: int | None = None) -> PostgreSQL:
    return find_postgresql(cache_dir, lambda _: None, made_by=made_by, made_major=made_major)


def test_the_machines_newest_comes_first_and_debians_last(machine: list[PostgreSQL]) -> None:
    assert find() == PostgreSQL(Path("/cache/bin"), 17)
    machine += [PostgreSQL(Path("/a"), 15), PostgreSQL(Path("/b"), 16)]
    assert find() == PostgreSQL(Path("/b"), 16)


def test_data_stay_with_the_installation_that_made_them(machine: list[PostgreSQL], tmp_path: Path) -> None:
    machine += [PostgreSQL(Path("/a"), 17), PostgreSQL(Path("/b"), 18)]
    (tmp_path / "postgres").touch()
    assert find(made_by=tmp_path, made_major=17) == PostgreSQL(tmp_path, 17)
    assert find(made_by=Path("/gone"), made_major=17) == PostgreSQL(Path("/a"), 17)


def test_data_of_a_version_that_is_gone_are_refused(machine: list[PostgreSQL]) -> None:
    machine.append(PostgreSQL(Path("/b"), 18))
    with pytest.raises(DataUnusable, match="PostgreSQL 16"):
        find(made_by=Path("/gone"), made_major=16)
