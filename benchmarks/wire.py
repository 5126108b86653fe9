"""What MessagePack would save on the wire beside JSON: bytes and CPU, for the events of a recording.

python -m benchmarks.wire FILE
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.servers import machine
from streams.replay.readers import open_recording
from streams.replay.recording import Record
from streams.schema.events import InputEvent, Tick

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    events = [
        entry.event
        for entry in open_recording(given.file)
        if isinstance(entry, Record) and not isinstance(entry.event, Tick)
    ]
    print(f"{machine()}; {given.file.name}: {len(events)} events")
    for name, module in (("JSON", msgspec.json), ("MessagePack", msgspec.msgpack)):
        encoder, decoder = module.Encoder(), module.Decoder(InputEvent)
        wires = [encoder.encode(event) for event in events]
        size = sum(map(len, wires)) / len(wires)
        packed = len(gzip.compress(b"".join(wires), 1)) / len(wires)
        print(
            f"{name:<12} {size:7.0f} bytes an event ({packed:.0f} in gzip -1), encode "
            f"{_us(lambda encode=encoder.encode: [encode(event) for event in events], len(events)):.1f} us, decode "  # type: ignore[misc]
            f"{_us(lambda decode=decoder.decode, wires=wires: [decode(wire) for wire in wires], len(events)):.1f} us"  # type: ignore[misc]
        )


def _us(run: Callable[[], object], events: int) -> float:
    """Least of some rounds, CPU microseconds an event."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return 1e6 * best / events


if __name__ == "__main__":
    main()
