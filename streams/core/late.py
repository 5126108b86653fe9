"""What is told of a late event: that it corrected rows, or that it came beyond grace."""

from __future__ import annotations

from datetime import datetime

from streams.core.outputs import Refusal
from streams.core.windows import Closing, Windows
from streams.schema.errors import RejectedEvent
from streams.schema.instants import SECOND_US, microseconds
from streams.schema.tables import CORRECTION, Rows


def beyond_grace(windows: Windows, observed_at: datetime, rows: int) -> Refusal:
    """The refusal of an event, or of some rows of one, that can correct nothing any more."""
    late_s = (windows.watermark.position_us - microseconds(observed_at)) / SECOND_US
    return Refusal(RejectedEvent("beyond-grace", f"{late_s:.0f} s behind the watermark", "$.observed_at"), rows)


def correction(source: str, observed_at: datetime, received_at: datetime, closing: Closing) -> Rows:
    """The record that an event corrected a window."""
    row = {
        "source": source,
        "window_s": closing.size_us // SECOND_US,
        "window_start": closing.start_us,
        "observed_at": microseconds(observed_at),
        "received_at": microseconds(received_at),
        "revision": closing.revision,
        "rows": int(closing.items.sum()),
        "lateness_s": (received_at - observed_at).total_seconds(),
    }
    return Rows(CORRECTION, {name: [value] for name, value in row.items()})
