"""Decides which loopback port a server gets, and that it keeps it over restarts.

A port chosen here lies below the range the kernel takes for outgoing connections, so that it is still free
when the server comes back.
"""

import json
import random
from pathlib import Path

from ioc.embedded.prerequisites import EmbeddedError, port_is_free

_LOWEST, _HIGHEST = 20_000, 29_999


class RememberedPorts:
    """The ports of one data folder by name, in a small file in it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, name: str, given: int | None = None) -> int:
        """The port `given`, else the one remembered, else a free one; remembered from now on."""
        known = self._read()
        port = given or known.get(name) or _free_port(set(known.values()))
        if known.get(name) != port:
            self._write({**known, name: port})
        return port

    def forget(self, name: str) -> None:
        """Choose anew next time: for a port that nobody was told."""
        self._write({key: port for key, port in self._read().items() if key != name})

    def _read(self) -> dict[str, int]:
        try:
            known = json.loads(self._file.read_text())
            return {str(name): int(port) for name, port in known.items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}

    def _write(self, ports: dict[str, int]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(ports))
        partial.replace(self._file)


def _free_port(avoid: set[int]) -> int:
    for _ in range(200):
        port = random.randint(_LOWEST, _HIGHEST)
        if port not in avoid and port_is_free(port):
            return port
    raise EmbeddedError(f"no free port between {_LOWEST} and {_HIGHEST} on loopback: name one that is free")
