"""Which sources the input topics carry, as the site has them."""

from __future__ import annotations

from streams.core.camera import CameraSnapshot, CameraState
from streams.core.corridor import CorridorLanes, CorridorSnapshot, CorridorState
from streams.core.partition import SourceKind
from streams.schema.events import CameraObservation, TrafficReading
from streams.schema.site import Site


def camera_kind(site: Site) -> SourceKind:
    cameras, policy = site.cameras, site.streams.camera

    def new(camera: str) -> CameraState | None:
        place = cameras.get(camera)
        return CameraState(*place, policy) if place else None

    return SourceKind(CameraObservation, lambda event: event.camera, new, CameraSnapshot, policy.silent_after_s)


def corridor_kind(site: Site, *, store_readings: bool) -> SourceKind:
    policy = site.streams.traffic
    lanes = {corridor.id: CorridorLanes(corridor) for corridor in site.corridors}

    def new(corridor: str) -> CorridorState | None:
        if corridor not in lanes:
            return None
        return CorridorState(lanes[corridor], policy, store_readings=store_readings)

    return SourceKind(TrafficReading, lambda event: event.corridor, new, CorridorSnapshot, policy.silent_after_s)
