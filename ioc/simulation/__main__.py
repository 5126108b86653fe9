"""The command ``python -m ioc.simulation``: makes a recording. Reads arguments, prints what it made."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import click

from ioc.simulation.record import Request, hall_lines, recording_lines, road_lines, write_recording
from ioc.simulation.road import SumoMissing
from ioc.simulation.story import BUSY_MORNING, QUIET
from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Corridor, Office, load_site

TITLE_VI = "Buổi sáng đông khách (dữ liệu mô phỏng, không phải số đếm thực)"
TITLE_EN = "A busy morning (simulated data, not real counts)"
Place = TypeVar("Place", Office, Corridor)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write (.jsonl.gz)."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), default=20, show_default=True, help="Length.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    default="2026-03-10T08:40",
    show_default=True,
    help="Local time of the site at which the recording begins (the halls have been open since morning).",
)
@click.option(
    "--site",
    "site_path",
    type=click.Path(path_type=Path),
    default=Path("config/haiphong.toml"),
    show_default=True,
    help="Site file: which offices and roads there are.",
)
@click.option("--office", "offices", multiple=True, metavar="ID", help="Only this office; may be repeated.")
@click.option("--corridor", "corridors", multiple=True, metavar="ID", help="Only this road; may be repeated.")
@click.option("--no-roads", is_flag=True, help="Halls only: needs no SUMO and takes seconds.")
@click.option("--quiet-day", is_flag=True, help="Without crowd, incident, blind cameras and transport faults.")
def main(
    out: Path,
    seed: int,
    minutes: int,
    start: datetime,
    site_path: Path,
    offices: tuple[str, ...],
    corridors: tuple[str, ...],
    no_roads: bool,
    quiet_day: bool,
) -> None:
    """Simulate halls and roads of a site and write what their cameras and sensors would have sent.

    The result is a recording for ``ioc replay`` and ``ioc demo``: JSON Lines, gzip; the first line says what it
    is, each other line is one event and when it arrived. Nothing in it was counted by anybody.

    \b
    The bundled recordings are made with (SUMO: pip install -e '.[simulation]'):
      python -m ioc.simulation --out ioc/recordings/haiphong-demo.jsonl.gz --seed 1 --minutes 20
      python -m ioc.simulation --out ioc/recordings/smoke.jsonl.gz --seed 1 --minutes 3 \\
        --office hong-bang --office ngo-quyen --office le-chan --corridor nguyen-van-linh

    The plot of the busy morning (who is late, what breaks down) stands in ioc/simulation/story.py.
    """
    try:
        site = load_site(site_path)
    except ConfigurationInvalid as fault:
        raise click.ClickException(str(fault)) from None
    request = Request(
        site=site,
        start=start.replace(tzinfo=ZoneInfo(site.time_zone)),
        duration_s=minutes * 60.0,
        seed=seed,
        story=QUIET if quiet_day else BUSY_MORNING,
        offices=_chosen("office", site.offices, offices),
        corridors=() if no_roads else _chosen("corridor", site.corridors, corridors),
    )
    try:
        sent = hall_lines(request) + road_lines(request)
    except SumoMissing as fault:
        raise click.ClickException(f"{fault}\n(or leave the roads out: --no-roads)") from None
    lines = recording_lines(request, sent)
    made_by = " ".join(
        [
            f"python -m ioc.simulation --out {out.name if out.is_absolute() else out}",
            f"--seed {seed} --minutes {minutes}",
            f"--start {start:%Y-%m-%dT%H:%M}",
            *(f"--office {name}" for name in offices),
            *(f"--corridor {name}" for name in corridors),
            *(["--no-roads"] if no_roads else []),
            *(["--quiet-day"] if quiet_day else []),
        ]
    )
    size_bytes = write_recording(out, request, lines, TITLE_VI, TITLE_EN, made_by)
    click.echo(f"{out}: {len(lines):,} events, {size_bytes / 1e6:.2f} MB, to {request.end:%Y-%m-%dT%H:%M:%SZ}")


def _chosen(what: str, known: list[Place], names: tuple[str, ...]) -> tuple[Place, ...]:
    missing = [name for name in names if name not in {place.id for place in known}]
    if missing:
        ids = ", ".join(place.id for place in known)
        raise click.BadParameter(f"no {what} is called {missing[0]!r}; the site file has: {ids}")
    return tuple(place for place in known if not names or place.id in names)


if __name__ == "__main__":
    main()
