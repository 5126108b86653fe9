"""Decides where downloads lie, and that a half-finished one is never taken for finished.

What is fetched is built in a folder beside its place and renamed into it as the last act, under a file lock,
so two processes that start at once fetch once. Knows nothing of what is fetched.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_BUILDING = ".building-"


def default_cache_dir(environ: Mapping[str, str] | None = None, *, root: bool | None = None) -> Path:
    """IOC_CACHE_DIR, else the system's cache folder for root, else the user's own.

    Root's servers run as an unprivileged account, which could not enter a cache below root's home.
    """
    environ = os.environ if environ is None else environ
    if given := environ.get("IOC_CACHE_DIR"):
        return Path(given).expanduser().absolute()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/cache/ioc")
    if base := environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "ioc"
    return Path(environ.get("HOME") or "~").expanduser() / ".cache" / "ioc"


@contextlib.contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Hold the lock, waiting for the process that has it; let go when the holder ends, however it ends."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """`target` as it is, or built: `build` fills an empty folder, renamed to `target` only if it returns."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.parent / f".{target.name}.lock"):
        if target.is_dir():
            return target
        prefix = f"{_BUILDING}{target.name}-"
        for left_over in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        try:
            build(building)
            building.chmod(0o755)
            building.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return target
