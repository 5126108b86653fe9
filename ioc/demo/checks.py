"""Decides, before anything is downloaded or started, whether this machine can run the demo; tells all that is missing
together, with the line that installs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ioc.embedded.account import check_reachable, server_account
from ioc.embedded.debian_packages import KEYRING, debian_mirror, tree_folder
from ioc.embedded.kafka_jars import jars_folder
from ioc.embedded.postgresql import machine_installations
from ioc.embedded.prerequisites import (
    EmbeddedError,
    PrerequisiteMissing,
    check_debian_tools,
    check_free_space,
    check_keyring,
    check_zoneinfo,
    find_java,
    find_maven,
)

_APT = "sudo apt-get install "
_DATA_BYTES = 1024 * 1024 * 1024


class MachineNotReady(EmbeddedError):
    """Several things are missing."""

    def __init__(self, faults: list[EmbeddedError]) -> None:
        self.faults = faults
        told = "\n".join(f"  - {fault}" for fault in faults)
        packages = [
            fault.install.removeprefix(_APT)
            for fault in faults
            if isinstance(fault, PrerequisiteMissing) and fault.install.startswith(_APT) and "(" not in fault.install
        ]
        together = f"\nIn one line:\n    {_APT}{' '.join(packages)}" if len(packages) > 1 else ""
        super().__init__(f"this machine lacks what the demo needs:\n{told}{together}")


def check_machine(cache_dir: Path, data_dir: Path, *, kafka: bool, database: bool) -> None:
    """kafka, database: whether each is to run here. Raises the one fault there is, or MachineNotReady."""
    faults: list[EmbeddedError] = []
    for check in _checks(cache_dir, data_dir, kafka, database):
        try:
            check()
        except EmbeddedError as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise MachineNotReady(faults)


def _checks(cache_dir: Path, data_dir: Path, kafka: bool, database: bool) -> Iterable[Callable[[], object]]:
    if kafka:
        yield find_java
        if not jars_folder(cache_dir).is_dir():
            yield find_maven
    if database:
        yield check_zoneinfo
        yield lambda: check_reachable(data_dir, server_account())
        if not tree_folder(cache_dir).is_dir() and next(iter(machine_installations()), None) is None:
            yield _check_debian
    if kafka or database:
        yield lambda: check_free_space(data_dir, _DATA_BYTES, "The demo")


def _check_debian() -> None:
    """What fetching Debian's packages asks for; the mirror is asked of apt, so apt comes first."""
    check_debian_tools()
    check_keyring(KEYRING)
    debian_mirror()
