"""Decides how much a server's own output may take on disk: one file and one older one, each within a limit.

The file is written by the server itself through a descriptor opened for appending, so cutting it needs no
word with the server, and the server never waits for a reader.
"""

import os
import shutil
from collections import deque
from pathlib import Path

LIMIT_BYTES = 8 * 1024 * 1024


class BoundedLog:
    """A file that a child process appends to."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path, self._limit_bytes = path, limit_bytes

    def open(self) -> int:
        """A descriptor for a child's output; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.trim()
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def trim(self) -> None:
        """Past the limit, move what there is into the older file and go on with an empty one."""
        try:
            if self.path.stat().st_size > self._limit_bytes:
                shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
                os.truncate(self.path, 0)
        except FileNotFoundError:
            return


def last_lines(path: Path, count: int = 25) -> str:
    """The end of a text file, or nothing where there is no such file."""
    try:
        with path.open(errors="replace") as lines:
            return "".join(deque(lines, count)).rstrip()
    except OSError:
        return ""
