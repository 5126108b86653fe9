"""Decides which PostgreSQL is run: one on the machine that has TimescaleDB, else Debian's packages from the
cache.

A data folder stays with the PostgreSQL that made it for as long as that is there: another major version
cannot read it, and another TimescaleDB may lack the library its extension names.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ioc.embedded.debian_packages import MAJOR as DEBIAN_MAJOR
from ioc.embedded.debian_packages import postgresql_tree
from ioc.embedded.prerequisites import DataUnusable

MINIMUM_MAJOR = 15


@dataclass(frozen=True)
class PostgreSQL:
    """An installation: the folder of its programs, and its major version."""

    programs: Path
    major: int

    def program(self, name: str) -> str:
        """A program's path, for a command line."""
        return str(self.programs / name)


def find_postgresql(
    cache_dir: Path,
    on_progress: Callable[[str], None],
    *,
    made_by: Path | None = None,
    made_major: int | None = None,
) -> PostgreSQL:
    """The installation for a new data folder, or for one that `made_by` (version `made_major`) made.

    Raises DataUnusable where none fits the folder, and what postgresql_tree raises.
    """
    if made_by is not None and made_major is not None and (made_by / "postgres").is_file():
        return PostgreSQL(made_by, made_major)
    for installation in sorted(machine_installations(), key=lambda each: -each.major):
        if made_major in (None, installation.major):
            return installation
    if made_major not in (None, DEBIAN_MAJOR):
        raise DataUnusable(
            f"the data were written by PostgreSQL {made_major}, which is no longer on this machine with the "
            f"timescaledb extension. Install it again, or wipe the data to start anew with {DEBIAN_MAJOR}."
        )
    return PostgreSQL(postgresql_tree(cache_dir, on_progress), DEBIAN_MAJOR)


def machine_installations(root: Path = Path("/")) -> Iterator[PostgreSQL]:
    """Each PostgreSQL on the machine that is recent enough and has the extension."""
    candidates = [
        (path / "bin", root / "usr/share/postgresql" / path.name) for path in _each(root, "usr/lib/postgresql/*")
    ]
    candidates += [(path / "bin", path / "share") for path in _each(root, "usr/pgsql-*")]
    if root == Path("/") and (pg_config := shutil.which("pg_config")):
        candidates.append((_ask(pg_config, "--bindir"), _ask(pg_config, "--sharedir")))
    for programs, share in candidates:
        major = _major(programs / "postgres")
        complete = (share / "extension/timescaledb.control").is_file() and (programs / "initdb").is_file()
        if complete and major is not None and major >= MINIMUM_MAJOR:
            yield PostgreSQL(programs, major)


def parse_major(text: str) -> int | None:
    """Major version out of what `postgres --version` prints."""
    match = re.search(r"\(PostgreSQL\) (\d+)", text)
    return int(match[1]) if match else None


def _each(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def _ask(pg_config: str, question: str) -> Path:
    return Path(subprocess.run([pg_config, question], capture_output=True, text=True, check=False).stdout.strip())


def _major(postgres: Path) -> int | None:
    if not postgres.is_file():
        return None
    return parse_major(subprocess.run([str(postgres), "--version"], capture_output=True, text=True, check=False).stdout)
