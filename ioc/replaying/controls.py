"""Who commands a replay: the keys of a terminal, or lines from a script.

Decides how input is read and that a terminal is left as it was found. What a key or a line means stands in
streams.replay.commands.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
import threading
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streams.replay.commands import KeyReader, parse_command
from streams.replay.deck import Deck
from streams.replay.transport import Command, Quit, Step
from streams.schema.errors import ConfigurationInvalid

_READ_BYTES = 4096


def terminal_in_front(fd: int) -> bool:
    """Whether ``fd`` is a terminal whose keys are ours: a job in the background may not touch it."""
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


@asynccontextmanager
async def keys(deck: Deck, fd: int, quit_: Callable[[], None]) -> AsyncIterator[None]:
    """Single keys of the terminal ``fd`` command the deck; ``quit_`` hears of the one that ends it.

    At the end, after Ctrl-Z and at any fault the terminal is as it was.
    """
    loop, reader, before = asyncio.get_running_loop(), KeyReader(), termios.tcgetattr(fd)

    def pressed() -> None:
        data = os.read(fd, _READ_BYTES)
        if not data:  # the terminal is gone
            loop.remove_reader(fd)
        for command in reader.feed(data):
            _do(deck, command, quit_)

    def restore() -> None:
        if terminal_in_front(fd):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)

    def suspended() -> None:
        restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def continued() -> None:
        if terminal_in_front(fd):
            tty.setcbreak(fd, termios.TCSADRAIN)

    tty.setcbreak(fd, termios.TCSADRAIN)
    try:
        loop.add_signal_handler(signal.SIGTSTP, suspended)
        loop.add_signal_handler(signal.SIGCONT, continued)
        loop.add_reader(fd, pressed)
        yield
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_signal_handler(signal.SIGTSTP)
        restore()


@asynccontextmanager
async def lines(
    deck: Deck, fd: int, begin_us: int, quit_: Callable[[], None], say: Callable[[str], None]
) -> AsyncIterator[None]:
    """Lines from ``fd`` command the deck, one after the other: the next one after a ``step`` waits until it is made.

    Raises ConfigurationInvalid at the end of the block: a line that is no command, or an end of the input at which
    the replay stands still and was told nothing. Where it was told something, it ends there.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    _read_lines(fd, queue, asyncio.get_running_loop())
    obeying = asyncio.create_task(_obey(deck, queue, begin_us, quit_, say))
    try:
        yield
    finally:
        if not obeying.done():
            obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)
    if not obeying.cancelled() and (fault := obeying.exception()):
        raise fault


async def _obey(
    deck: Deck,
    queue: asyncio.Queue[bytes | None],
    begin_us: int,
    quit_: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    number = 0
    try:
        while (line := await queue.get()) is not None:
            number += 1
            text = line.decode("utf-8", "replace").strip()
            if not text or text.startswith("#"):
                continue
            try:
                command = parse_command(text, begin_us)
            except ValueError as fault:
                raise ConfigurationInvalid(f"stdin line {number}", str(fault)) from None
            _do(deck, command, quit_)
            if isinstance(command, Step):
                await deck.stepped()
            if deck.ended:
                return
        if deck.transport.paused and not number:
            raise ConfigurationInvalid(
                "--paused", "nothing can resume it: stdin is no terminal and gives no commands (resume, step, quit)"
            )
        if deck.transport.paused:
            say("stdin has ended while the replay is paused: it ends here")
            _do(deck, Quit(), quit_)
    except ConfigurationInvalid:
        _do(deck, Quit(), quit_)
        raise


def _read_lines(fd: int, queue: asyncio.Queue[bytes | None], loop: asyncio.AbstractEventLoop) -> None:
    """In a thread, because a file cannot be waited for; it holds no lock and reads a descriptor of its own, so that
    it may be left behind."""
    own = os.dup(fd)

    def put(line: bytes | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def read() -> None:
        rest = b""
        try:
            while data := os.read(own, _READ_BYTES):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    put(line)
            if rest:
                put(rest)
            put(None)
        except RuntimeError:  # the loop was closed between the question and the call: nobody listens any more
            return
        finally:
            os.close(own)

    threading.Thread(target=read, name="replay-commands", daemon=True).start()


def _do(deck: Deck, command: Command, quit_: Callable[[], None]) -> None:
    deck.do(command)
    if isinstance(command, Quit):
        quit_()
