"""One replay with a person or a script in front of it: the bar, the commands, the signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from ioc.replaying.controls import keys, lines, terminal_in_front
from streams.replay.commands import parse_moment
from streams.replay.deck import Deck
from streams.replay.player import PlayResult, play
from streams.replay.progress import ReplayProgress
from streams.replay.recording import Recording, RecordingInfo
from streams.replay.selection import Selection
from streams.replay.transport import Transport
from streams.schema.errors import ConfigurationInvalid
from streams.schema.instants import instant
from streams.schema.settings import Settings

READ_FIRST_BYTES = 4_000_000
"""A recording of at most so many bytes is read once to see whether it has the devices asked for."""


@dataclass(frozen=True)
class Request:
    """What is played and how; from_, until: as they were given."""

    file: Path
    recording: Recording
    selection: Selection
    speed: float | None = 1.0
    from_: str = ""
    until: str = ""
    paused: bool = False
    shift_to_now: bool = False
    loop: bool = False
    plain: bool = False
    language: str = "vi"
    mapped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """From when to when is played, in recorded time; None: from its begin, to its end."""

    begin_us: int
    from_us: int | None
    until_us: int | None


def span_of(request: Request) -> Span:
    """Raises ConfigurationInvalid for a moment that is none, or between which nothing lies."""
    info = request.recording.info
    begin_us = info.from_us
    if begin_us is None:
        first = next(iter(request.recording), None)
        begin_us = 0 if first is None else first.logged_us
    from_us = _moment("--from", request.from_, begin_us)
    until_us = _moment("--until", request.until, begin_us)
    if from_us is not None and until_us is not None and from_us >= until_us:
        raise ConfigurationInvalid("--until", f"{_at(until_us)} is not after --from {_at(from_us)}")
    if until_us is not None and until_us <= begin_us:
        raise ConfigurationInvalid("--until", f"{_at(until_us)} is not after the recording's beginning {_at(begin_us)}")
    if from_us is not None and info.to_us is not None and from_us > info.to_us:
        raise ConfigurationInvalid("--from", f"{_at(from_us)} is after the recording's end {_at(info.to_us)}")
    return Span(begin_us, from_us, until_us)


def check_devices(request: Request) -> None:
    """Refuses devices that a recording, if it is small, does not have."""
    if request.file.stat().st_size <= READ_FIRST_BYTES:
        request.selection.check_devices(request.recording)


async def play_commanded(request: Request, span: Span, settings: Settings) -> PlayResult:
    """Plays it into the namespace of the settings. Raises as ``play`` does, and ConfigurationInvalid for a script's
    faults and where nothing was chosen.
    """
    # it logs each attempt over the bar; what fails in the end is raised
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    deck = Deck(Transport(request.speed, paused=request.paused, from_us=span.from_us, until_us=span.until_us))
    with_keys = terminal_in_front(sys.stdin.fileno())
    progress = ReplayProgress(
        _shown(request.recording.info, span), plain=request.plain or None, language=request.language, keys=with_keys
    )
    async with AsyncExitStack() as stack:
        if with_keys:
            await stack.enter_async_context(keys(deck, sys.stdin.fileno(), stop.set))
        elif request.paused:
            say = _on_stderr
            await stack.enter_async_context(lines(deck, sys.stdin.fileno(), span.begin_us, stop.set, say))
        stack.enter_context(progress)
        result = await play(
            request.recording,
            settings,
            shift_to_now=request.shift_to_now,
            loop=request.loop,
            selection=request.selection,
            mapped=request.mapped,
            deck=deck,
            on_progress=progress,
            stop=stop,
        )
    if not result.stopped and not result.events and not (request.selection.only_ticks and result.ticks):
        raise ConfigurationInvalid(
            "recording", "nothing matched: it has no such entries; look at --device, --kind, --from and --until"
        )
    return result


def told(result: PlayResult, language: str) -> str:
    """One line for the end."""
    counts = f"{result.events} {{}}, {result.rows} {{}}, {result.ticks} {{}} {{}} {result.seconds:.1f} s"
    if language == "vi":
        early = ", kết thúc sớm / stopped early" if result.stopped else ""
        return f"{counts.format('sự kiện', 'số đo', 'nhịp', 'trong')}, đã xác nhận hết / all acknowledged{early}"
    early = ", stopped early" if result.stopped else ""
    return f"{counts.format('events', 'readings', 'ticks', 'in')}, all acknowledged{early}"


def _shown(info: RecordingInfo, span: Span) -> RecordingInfo:
    """The bar goes over what is played."""
    from_us = info.from_us if span.from_us is None else max(span.from_us, span.begin_us)
    until_us = info.to_us if span.until_us is None else min(span.until_us, info.to_us or span.until_us)
    return replace(info, from_us=from_us, to_us=until_us)


def _moment(option: str, text: str, begin_us: int) -> int | None:
    if not text:
        return None
    try:
        return parse_moment(text, begin_us)
    except ValueError as fault:
        raise ConfigurationInvalid(option, str(fault)) from None


def _at(us: int) -> str:
    return f"{instant(us):%Y-%m-%dT%H:%M:%SZ}"


def _on_stderr(text: str) -> None:
    click.echo(f"ioc: {text}", err=True)
