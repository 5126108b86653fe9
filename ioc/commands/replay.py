"""`ioc replay`: a recording through Kafka, at any speed, under a person's or a script's control."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ioc.commands.wiring import process_settings

if TYPE_CHECKING:
    from ioc.replaying.session import Request
    from ioc.replaying.target import Target
    from streams.replay.selection import Kind
    from streams.schema.settings import Settings


class Speed(click.ParamType):
    """A factor above 0, or max."""

    name = "FACTOR|max"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        from streams.replay.commands import parse_speed

        try:
            return parse_speed(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--from", "from_", metavar="MOMENT", help="Begin here; what lies before is skipped.")
@click.option("--until", metavar="MOMENT", help="End before this moment.")
@click.option("--device", "devices", multiple=True, metavar="ID", help="Only this camera or corridor; several.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["camera", "traffic", "tick"]),
    help="Only these; several. Ticks go with every choice, unless --no-ticks.",
)
@click.option("--no-ticks", is_flag=True, help="Leave the recording's ticks out: the ticker runs.")
@click.option("--shift-to-now", is_flag=True, help="Move all times so that the first event arrives now.")
@click.option("--loop", is_flag=True, help="Again and again, until q or Ctrl-C.")
@click.option("--paused", is_flag=True, help="Stand still at first. Without a terminal: commands are read from stdin.")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="INPUT=TOPIC",
    help="Send the entries (and the ticks) of an input topic to another topic that exists; several.",
)
@click.option("--into", metavar="NAME", help="Into this namespace; what is missing of it is made.")
@click.option("--run", "complete", is_flag=True, help="With workers of its own: play, finish, print the counts.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Of --run.")
@click.option("--drop", is_flag=True, help="Remove the namespace of --run at the end.")
@click.option("--live", is_flag=True, help="Into the live system; asks for its name.")
@click.option("--yes-live", is_flag=True, help="The second asking, where there is no terminal.")
@click.option("--plain", is_flag=True, help="Lines instead of a bar.")
@click.option(
    "--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language of what is shown."
)
def replay(
    file: Path,
    speed: float | None,
    from_: str | None,
    until: str | None,
    devices: tuple[str, ...],
    kinds: tuple[Kind, ...],
    no_ticks: bool,
    shift_to_now: bool,
    loop: bool,
    paused: bool,
    mapped: tuple[str, ...],
    into: str | None,
    complete: bool,
    workers: int,
    drop: bool,
    live: bool,
    yes_live: bool,
    plain: bool,
    lang: str,
) -> None:
    """Play the recording FILE through Kafka, as if it happened now.

    Understood are our own recordings (.mcap of `ioc record`, ioc-recording.v1 in .jsonl or .jsonl.gz, our .csv), the
    I-24 radar CSV, the Minnesota series of NAB and simulated traffic readings. A MOMENT is an ISO time
    (2026-03-02T01:05:00Z) or an offset from the recording's beginning (+5m, 90s, 1h30m).

    \b
    Look at a recording, computed at once, in a namespace of its own:
      ioc replay FILE --run --speed max
    The same with two workers, nothing left behind:
      ioc replay FILE --run --speed max --workers 2 --drop
    One camera between two moments, slowly, entry by entry (s) from the first one on:
      ioc replay FILE --from +5m --until +8m --device cam-hong-bang-01 --paused
    Only send, into topics and a schema of your own that workers of yours read:
      ioc replay FILE --into training --shift-to-now --loop
    Driven by a script:
      printf 'step 3\\nspeed 60\\nresume\\n' | ioc replay FILE --into test --paused --plain
    Into the live system, asked for twice:
      ioc replay FILE --live --shift-to-now --no-ticks

    \b
    Where it goes: --into NAME, else IOC_NAMESPACE if that is not the live one, else a new namespace.
    `ioc runs` lists them, `ioc runs drop NAME` removes one. Nothing but --live, asked for twice,
    touches live data.

    \b
    Keys:      space pause/resume   s, Enter one entry   + - double, halve the speed
               m greatest speed   right, left seek 60 s   q quit
    On stdin:  pause, resume, step [N], speed FACTOR|max, seek MOMENT, quit: one a line, with
               --paused where there is no terminal

    What is played again, in a loop or after a seek back, goes on in time, so that it is not taken for a copy.
    """
    from ioc.replaying.session import Request, check_devices, span_of
    from ioc.replaying.target import Wish, choose_target, parse_map
    from streams.replay.readers import open_recording
    from streams.replay.selection import Selection

    if not complete and (drop or workers > 1):
        raise click.UsageError("--workers and --drop belong to --run")
    settings = process_settings()
    inputs = [topic.name.removeprefix(f"{settings.namespace}.") for topic in settings.topics.inputs]
    wish = Wish(into=into or "", complete=complete, live=live, yes_live=yes_live, mapped=parse_map(mapped, inputs))
    request = Request(
        file=file,
        recording=open_recording(file),
        selection=Selection(devices=devices, kinds=kinds, with_ticks=not no_ticks),
        speed=speed,
        from_=from_ or "",
        until=until or "",
        paused=paused,
        shift_to_now=shift_to_now,
        loop=loop,
        plain=plain,
        language=lang,
        mapped=wish.mapped,
    )
    span_of(request)
    check_devices(request)
    asked = _ask_for_live if sys.stdin.isatty() and sys.stderr.isatty() else None
    target = choose_target(settings, wish, now=datetime.now(UTC), ask=asked)
    if complete:
        _run(request, target.settings, workers=workers, drop=drop)
    else:
        _play(request, target)


def _play(request: Request, target: Target) -> None:
    from ioc.replaying.complete import make_namespace
    from ioc.replaying.session import play_commanded, span_of, told

    if target.made:
        make_namespace(target.settings)
        name = target.settings.namespace
        _say(request, f"vào {name} (xoá: ioc runs drop {name})", f"into {name} (to remove it: ioc runs drop {name})")
    result = asyncio.run(play_commanded(request, span_of(request), target.settings))
    click.echo(told(result, request.language))


def _run(request: Request, settings: Settings, *, workers: int, drop: bool) -> None:
    from ioc.isolated import NotDone
    from ioc.replaying.complete import report, run_complete
    from ioc.replaying.session import play_commanded, span_of, told

    try:
        outcome = run_complete(
            settings,
            request.file,
            lambda own: asyncio.run(play_commanded(request, span_of(request), own)),
            workers=workers,
            drop=drop,
            say=lambda vi, en: _say(request, vi, en),
        )
    except NotDone as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(told(outcome.played, request.language))
    click.echo(report(outcome, settings.namespace, dropped=drop, vi=request.language == "vi"))


def _say(request: Request, vi: str, en: str) -> None:
    click.echo(vi if request.language == "vi" else en, err=True)


def _ask_for_live(name: str) -> str:
    click.echo(
        f"Phát vào hệ thống đang chạy thật; hàng và cảnh báo sẽ ở lại đó.\n"
        f"This plays into the live system; its rows and alarms stay there. Type its name ({name}) to go on.",
        err=True,
    )
    answer: str = click.prompt(">", prompt_suffix=" ", default="", show_default=False, err=True)
    return answer
