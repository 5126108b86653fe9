"""`ioc site`: what the site file says, and whether it is right."""

from __future__ import annotations

from pathlib import Path

import click

from ioc.commands.wiring import process_settings
from streams.schema.site import load_site
from streams.schema.site_check import site_notes


@click.group()
def site() -> None:
    """The site file: offices, cameras, zones, corridors, duty roster."""


@site.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def check(file: Path | None) -> None:
    """Check a site FILE (default: IOC_SITE_FILE). Exit 0 if right; else 2, with the path to each fault."""
    path = file or process_settings().site_file
    found = load_site(path)
    cameras = found.cameras
    zones = sum(len(camera.zones) for _, camera in cameras.values())
    stations = [station for corridor in found.corridors for station in corridor.stations]
    click.echo(
        f"{path}: {found.name_vi} / {found.name_en}\n"
        f"  {len(found.offices)} offices, {len(cameras)} cameras, {zones} zones\n"
        f"  {len(found.corridors)} corridors, {len(stations)} stations, {sum(s.lanes for s in stations)} lanes\n"
        f"  {len(found.duty.people)} people on {len(found.duty.shifts)} shifts, {len(found.duty.channels)} channels\n"
        "  no fault found"
    )
    for place, remark in site_notes(found):
        click.echo(f"  note: {place}: {remark}")
