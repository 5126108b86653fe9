"""A process shows that it is alive by touching a file; a health check looks at the file's age."""

from __future__ import annotations

import time
from pathlib import Path

STALE_AFTER_S = 90.0


class Heartbeat:
    def __init__(self, folder: Path, process: str) -> None:
        self._file = folder / f"{process}.alive"

    def beat(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch()

    def fault(self) -> str | None:
        """Why the process counts as dead; None if it is alive."""
        try:
            age_s = time.time() - self._file.stat().st_mtime
        except OSError:
            return f"no heartbeat: {self._file} is missing"
        return f"last heartbeat {age_s:.0f} s ago" if age_s > STALE_AFTER_S else None
