"""The cache holds only what is whole, whoever else builds at the same time."""

import threading
from pathlib import Path

import pytest

from ioc.embedded.cache import build_once, default_cache_dir


@pytest.mark.parametrize(
    ("environ", "root", "expected"),
    [
        ({"IOC_CACHE_DIR": "/a/b", "XDG_CACHE_HOME": "/x"}, True, "/a/b"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/root"}, True, "/var/cache/ioc"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, False, "/x/ioc"),
        ({"HOME": "/h"}, False, "/h/.cache/ioc"),
    ],
)
def test_place(environ: dict[str, str], root: bool, expected: str) -> None:
    assert default_cache_dir(environ, root=root) == Path(expected)


def test_a_build_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "thing"

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("network is gone")

    with pytest.raises(OSError, match="network"):
        build_once(target, fails)
    assert [entry.name for entry in tmp_path.iterdir()] == [".thing.lock"]
    assert build_once(target, lambda folder: (folder / "whole").touch()) == target
    assert [entry.name for entry in target.iterdir()] == ["whole"]


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".building-thing-abc").mkdir()
    build_once(tmp_path / "thing", lambda folder: None)
    assert not (tmp_path / ".building-thing-abc").exists()


def test_what_is_there_is_not_built_again_even_by_two_at_once(tmp_path: Path) -> None:
    built: list[Path] = []
    threads = [threading.Thread(target=build_once, args=(tmp_path / "thing", built.append)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
