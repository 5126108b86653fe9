"""`ioc replay`: a recording through Kafka, at any speed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from ioc.commands.wiring import process_settings


class Speed(click.ParamType):
    """A factor above 0, or max."""

    name = "FACTOR|max"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not speed > 0:
            self.fail(f"{value!r} is neither a factor above 0 nor max", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Recorded seconds a second, or max.")
@click.option("--shift-to-now", is_flag=True, help="Move all times so that the first event arrives now.")
@click.option("--loop", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--no-ticks", is_flag=True, help="Leave the recording's ticks out: the ticker runs.")
@click.option("--plain", is_flag=True, help="Lines instead of a bar.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language of the bar.")
def replay(
    file: Path, speed: float | None, shift_to_now: bool, loop: bool, no_ticks: bool, plain: bool, lang: str
) -> None:
    """Play the recording FILE into the input topics of IOC_NAMESPACE.

    Understood are our own recordings (.mcap of `ioc record`, ioc-recording.v1 in .jsonl or .jsonl.gz, our .csv), the
    I-24 radar CSV and simulated traffic readings. Into a namespace of its own a replay touches no live data:

    \b
      export IOC_NAMESPACE=replay1
      ioc migrate && ioc topics && ioc worker &
      ioc replay ioc/recordings/haiphong-demo.jsonl.gz --speed max
    """
    from streams.replay.player import PlayResult, play
    from streams.replay.progress import ReplayProgress
    from streams.replay.readers import open_recording

    settings = process_settings()
    recording = open_recording(file)

    async def run() -> PlayResult:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with ReplayProgress(recording.info, plain=plain or None, language=lang) as progress:
            return await play(
                recording,
                settings,
                speed=speed,
                shift_to_now=shift_to_now,
                loop=loop,
                with_ticks=not no_ticks,
                on_progress=progress,
                stop=stop,
            )

    result = asyncio.run(run())
    click.echo(
        f"{result.events} events, {result.rows} readings, {result.ticks} ticks in {result.seconds:.1f} s, "
        f"all acknowledged{', stopped early' if result.stopped else ''}"
    )
