"""`ioc record`: from Kafka into a recording."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ioc.commands.moments import MOMENT
from ioc.commands.wiring import process_settings

if TYPE_CHECKING:
    from streams.replay.log_range import Wanted
    from streams.replay.recorder import Recorded

_MB = 1024 * 1024


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--topic", "topics", multiple=True, type=click.Choice(["camera", "traffic"]), help="Only this topic.")
@click.option("--device", "devices", multiple=True, help="Only this camera or corridor; may be given several times.")
@click.option("--from", "from_us", type=MOMENT, help="From this time on: 2026-03-02T08:00+07:00, -15m, -2h, -1d.")
@click.option("--to", "to_us", type=MOMENT, help="Until before this time.  [default: what Kafka has now]")
@click.option("--follow", "--live", "follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--for", "for_s", type=click.FloatRange(0, min_open=True), help="Follow for so many seconds.")
@click.option("--split-mb", type=click.FloatRange(0, min_open=True), help="A new file after so many MB.")
@click.option("--split-s", type=click.FloatRange(0, min_open=True), help="A new file after so many recorded seconds.")
@click.option("--chunk-kb", type=click.IntRange(1, 65_536), default=1024, show_default=True, help="Size of a chunk.")
@click.option("--title-vi", default="", help="Title in Vietnamese.")
@click.option("--title-en", default="", help="Title in English.")
@click.option("--resume", is_flag=True, help="Go on with a recording that was interrupted.")
@click.option("--force", is_flag=True, help="Write anew what exists.")
@click.option("--plain", is_flag=True, help="Lines instead of a bar.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language of the bar.")
@click.pass_context
def record(
    context: click.Context,
    out: Path,
    topics: tuple[str, ...],
    devices: tuple[str, ...],
    from_us: int | None,
    to_us: int | None,
    follow: bool,
    for_s: float | None,
    split_mb: float | None,
    split_s: float | None,
    chunk_kb: int,
    title_vi: str,
    title_en: str,
    resume: bool,
    force: bool,
    plain: bool,
    lang: str,
) -> None:
    """Record the input topics of IOC_NAMESPACE into OUT, an MCAP file that `ioc replay` plays.

    \b
      ioc record morning.mcap --from 2026-03-02T08:00+07:00 --to 2026-03-02T09:00+07:00
      ioc record last.mcap --from -15m                   the last quarter of an hour
      ioc record live.mcap --follow --split-mb 500       from now on: live.p0001.mcap, live.p0002.mcap, ...
      ioc record hall.mcap --from -1d --device cam-hong-bang-01

    Times are those of Kafka's time stamps. Everything is recorded as it stood in Kafka, broken messages too; a tick
    once, though each partition has a copy. Nothing is acknowledged: workers are not disturbed.

    What is being written is OUT.part. After a crash, the same command with --resume and none of the other choices
    goes on where it ended: nothing is missing, nothing is there twice. If Kafka is away, the recorder waits.
    """
    _check(context, out, follow or for_s is not None)
    from streams.replay.record_progress import RecordProgress
    from streams.replay.recorder import record as record_topics
    from streams.replay.recording import RecordingInfo

    settings = process_settings()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters of it is told by on_away
    wanted = None if resume else _wanted(context)

    async def run() -> Recorded:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if for_s is not None:
            loop.call_later(for_s, stop.set)
        title = RecordingInfo(f"Ghi vào {out.name}", f"Recording into {out.name}", "ioc record")
        with RecordProgress(title, plain=plain or None, language=lang) as progress:
            return await record_topics(
                settings, out, wanted, force=force, on_progress=progress, on_away=progress.away, stop=stop
            )

    _tell(asyncio.run(run()))


def _check(context: click.Context, out: Path, follow: bool) -> None:
    given = context.params
    if out.suffix != ".mcap":
        raise click.BadParameter(
            "the name ends with .mcap; `ioc recording convert` makes other forms", param_hint="OUT"
        )
    if follow and given["to_us"] is not None:
        raise click.UsageError("--to has an end, --follow has none: give one of them")
    if None not in (given["from_us"], given["to_us"]) and given["from_us"] >= given["to_us"]:
        raise click.UsageError("--from is not before --to")
    source = click.core.ParameterSource.DEFAULT
    allowed = {"out", "resume", "plain", "lang", "follow", "for_s"}
    chosen = [name for name in given if name not in allowed and context.get_parameter_source(name) is not source]
    if given["resume"] and chosen:
        raise click.UsageError(f"with --resume the unfinished file says what is recorded; leave {chosen[0]} out")


def _wanted(context: click.Context) -> Wanted:
    from streams.replay.log_range import Wanted
    from streams.schema.instants import duration_us

    given = context.params
    wanted = Wanted()
    return Wanted(
        topics=tuple(topic for topic in wanted.topics if not given["topics"] or topic.split(".")[1] in given["topics"]),
        devices=given["devices"],
        from_us=given["from_us"],
        to_us=given["to_us"],
        follow=given["follow"] or given["for_s"] is not None,
        chunk_bytes=given["chunk_kb"] * 1024,
        split_bytes=round(given["split_mb"] * _MB) if given["split_mb"] else None,
        split_us=duration_us(given["split_s"]) if given["split_s"] else None,
        title_vi=given["title_vi"],
        title_en=given["title_en"],
    )


def _tell(done: Recorded) -> None:
    if not done.paths:
        raise click.ClickException("nothing was recorded: Kafka has no such message")
    click.echo(
        f"{done.events} events ({done.verbatim} of them not well-formed, kept as they are), {done.rows} readings,"
        f" {done.ticks} ticks in {done.seconds:.1f} s{', stopped early' if done.stopped else ''}"
    )
    for name in done.unseen:
        click.echo(f"nothing came from {name}: is the name right?", err=True)
    if done.raised:
        click.echo(f"{done.raised} messages have an earlier time stamp than one before them; they keep their place")
    for path in done.paths:
        click.echo(f"{path}: {path.stat().st_size} bytes")
