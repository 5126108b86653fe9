"""Root's server runs as somebody else, who must be able to reach its files."""

import os
from pathlib import Path

import pytest

from ioc.embedded import account
from ioc.embedded.account import Account, check_reachable, server_account
from ioc.embedded.prerequisites import PathNotTraversable, PrerequisiteMissing

STRANGER = Account("stranger", 4_000_000, 4_000_000)


def test_an_ordinary_user_has_nothing_to_drop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None
    check_reachable(tmp_path, None)


def test_root_drops_to_the_first_account_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    chosen = server_account(["no-such-account", "root", "nobody"])
    assert chosen is not None
    assert chosen.name == "nobody"
    with pytest.raises(PrerequisiteMissing, match="useradd"):
        server_account(["no-such-account"])


def test_the_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed" / "data").mkdir(parents=True)
    for folder in (*tmp_path.parents, tmp_path):
        if not account._may_enter(folder.stat(), STRANGER):
            tmp_path = folder  # pytest's own folder is closed already
            break
    else:
        (tmp_path / "closed").chmod(0o700)
    with pytest.raises(PathNotTraversable, match="stranger"):
        check_reachable(tmp_path / "closed" / "data", STRANGER)
    check_reachable(Path("/usr/bin"), STRANGER)
