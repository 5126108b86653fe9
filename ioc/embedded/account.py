"""Decides which account a server runs as: the user's own, or an unprivileged one where root starts it.

PostgreSQL refuses to run as root, and rightly.
"""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ioc.embedded.prerequisites import PathNotTraversable, PrerequisiteMissing

CANDIDATES = ("ioc", "nobody")


@dataclass(frozen=True)
class Account:
    """An account of the system, by number."""

    name: str
    uid: int
    gid: int


def server_account(candidates: Iterable[str] = CANDIDATES) -> Account | None:
    """The account to drop to, or None where this process is not root and there is nothing to drop."""
    if os.geteuid() != 0:
        return None
    for name in candidates:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise PrerequisiteMissing(
        "An unprivileged account for the database server",
        f"there is none of {', '.join(candidates)}",
        "sudo useradd --system --no-create-home --shell /usr/sbin/nologin ioc",
    )


def check_reachable(path: Path, account: Account | None) -> None:
    """PathNotTraversable where a folder on the way to `path`, or `path` itself, may not be entered by the
    account.
    """
    if account is None:
        return
    path = path.absolute()
    for folder in (*reversed(path.parents), path):
        if folder.is_dir() and not _may_enter(folder.stat(), account):
            raise PathNotTraversable(path, folder, account.name)


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def owned_folder(path: Path, account: Account | None) -> Path:
    """`path` as a folder that only the account may read; its parent stays with whoever starts the server."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
    return path
