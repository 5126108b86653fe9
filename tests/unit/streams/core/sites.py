"""Small sites for the tests of the core."""

from __future__ import annotations

from streams.schema.site import (
    Camera,
    Congestion,
    Corridor,
    CountingLine,
    Duty,
    Office,
    Overcrowding,
    Site,
    Station,
    StreamPolicy,
    Streams,
    Zone,
)

POLICY = StreamPolicy(lateness_s=60, grace_s=300, silent_after_s=120)
SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]


def station(name: str, position_km: float, lanes: int = 2) -> Station:
    return Station(
        id=name, name_vi=name, name_en=name, position_km=position_km, latitude=20.8, longitude=106.6, lanes=lanes
    )


CORRIDOR = Corridor(
    id="road",
    name_vi="Đường",
    name_en="Road",
    interval_s=30,
    stations=[station("s1", 0.0, 2), station("s2", 0.5, 1), station("s3", 1.0, 3)],
    congestion=Congestion(below_kmh=30, on_delay_s=120, off_delay_s=60),
)
CAMERA = Camera(
    id="cam",
    name_vi="Máy quay",
    name_en="Camera",
    zones=[
        Zone(
            id="waiting", name_vi="Chờ", name_en="Waiting", role="waiting", polygon_norm=SQUARE, area_m2=20, capacity=30
        ),
        Zone(id="staff", name_vi="Quầy", name_en="Staff", role="staff", polygon_norm=SQUARE, area_m2=10, capacity=5),
    ],
    lines=[CountingLine(id="door", name_vi="Cửa", name_en="Door", start_norm=(0.1, 0.5), end_norm=(0.9, 0.5))],
)
OFFICE = Office(
    id="office",
    name_vi="Văn phòng",
    name_en="Office",
    kind="district",
    latitude=20.8,
    longitude=106.6,
    opening={"mon": ["07:30-11:30"]},
    cameras=[CAMERA],
    overcrowding=Overcrowding(grade="E", on_delay_s=30, off_delay_s=20),
)
SITE = Site(
    name_vi="Thử",
    name_en="Test",
    time_zone="Asia/Ho_Chi_Minh",
    streams=Streams(camera=POLICY, traffic=POLICY),
    offices=[OFFICE],
    corridors=[CORRIDOR],
    duty=Duty(channels=[], people=[], shifts=[]),
)
