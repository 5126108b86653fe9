"""What goes wrong in a recording, and when: the crowd, the stopped lorry, the silent and the covered camera, and
the faults of transport (late, twice, malformed).

Decides the plot; refuses to simulate. Times are seconds after the start of the recording; what does not fit into
its length, or names a place that is left out, does not happen.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioc.simulation.arrivals import Surge
from ioc.simulation.camera_model import Outage
from ioc.simulation.road_network import Incident


@dataclass(frozen=True)
class LateCamera:
    """One observation of a camera that arrives late: the one nearest to ``at_s``."""

    camera: str
    at_s: float
    delay_s: float


@dataclass(frozen=True)
class LateStations:
    """The rows of some stations in one interval, delivered in a batch of their own."""

    corridor: str
    interval_end_s: float
    stations: tuple[str, ...]
    delay_s: float


@dataclass(frozen=True)
class Story:
    surges: dict[str, Surge]
    """By office; the times of a surge count from the start of the recording here."""
    incidents: dict[str, tuple[Incident, ...]]
    outages: dict[str, tuple[Outage, ...]]
    late_cameras: tuple[LateCamera, ...]
    late_stations: tuple[LateStations, ...]
    missing_intervals: dict[str, tuple[float, ...]]
    """By corridor: ends of the intervals that never arrive."""
    duplicated_share: float
    """Share of the events that arrive a second time."""


QUIET = Story({}, {}, {}, (), (), {}, 0.0)
BUSY_MORNING = Story(
    surges={"ngo-quyen": Surge(90.0, 210.0, 56, 660.0)},
    incidents={"le-hong-phong": (Incident(2.35, (1, 2), 260.0, 460.0),)},
    outages={
        "cam-kien-an-01": (Outage(540.0, 645.0),),
        "cam-duong-kinh-01": (Outage(360.0, 560.0, "covered"),),
        "cam-so-cong-thuong-01": (Outage(900.0, 930.0, "defocused"),),
    },
    late_cameras=(
        # lateness of the sample site is 2 s, grace 120 s: some of each, and one beyond
        LateCamera("cam-hong-bang-01", 60.0, 1.4),
        LateCamera("cam-le-chan-01", 100.0, 1.2),
        LateCamera("cam-hong-bang-01", 126.0, 25.0),
        LateCamera("cam-an-duong-01", 300.0, 47.0),
        LateCamera("cam-thuy-nguyen-01", 480.0, 95.0),
        LateCamera("cam-so-tai-chinh-01", 700.0, 33.0),
        LateCamera("cam-hai-an-01", 620.0, 170.0),
    ),
    late_stations=(
        # lateness 15 s, grace 600 s
        LateStations("le-hong-phong", 90.0, ("lhp-05", "lhp-06"), 9.0),
        LateStations("nguyen-van-linh", 60.0, ("nvl-03",), 11.0),
        LateStations("nguyen-van-linh", 150.0, ("nvl-02", "nvl-03"), 160.0),
        LateStations("le-hong-phong", 600.0, ("lhp-07", "lhp-08"), 210.0),
        LateStations("nguyen-van-linh", 240.0, ("nvl-06",), 760.0),
    ),
    missing_intervals={"nguyen-van-linh": (780.0,), "le-hong-phong": (1050.0,)},
    duplicated_share=0.002,
)
"""The story of the bundled recordings, written for config/haiphong.toml."""
