"""A replay commanded by a person at a terminal, and by a script."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ioc.replaying.controls import lines, terminal_in_front
from streams.replay import player
from streams.replay.deck import Deck
from streams.replay.player import PlayResult, play
from streams.replay.recording import Recording
from streams.replay.transport import Transport
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings
from tests.unit.streams.replay.doubles import FakeProducer
from tests.unit.streams.replay.examples import reading

ROOT = Path(__file__).parents[4]
PATIENCE_S = 60.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with a replay in it, as a person has it in front of them."""

    def __init__(self, argument: str) -> None:
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "tests.unit.ioc.replaying.played_by_hand", argument]
            os.chdir(ROOT)
            os.execve(sys.executable, command, environment)
        self.before = termios.tcgetattr(self.screen)
        self.seen = ""
        self.status: int | None = None

    def press(self, keys: str) -> None:
        self.seen = ""
        os.write(self.screen, keys.encode())

    def until(self, text: str) -> None:
        """Until the text is on the screen, after what was pressed last."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in _ESCAPES.sub("", self.seen):
            if not select.select([self.screen], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} did not come up:\n{self.seen}")
            try:
                self.seen += os.read(self.screen, 4096).decode("utf-8", "replace")
            except OSError:  # Linux tells so that nobody has the terminal open any more
                raise AssertionError(f"{text!r} did not come up before the end:\n{self.seen}") from None

    @property
    def is_line_by_line(self) -> bool:
        """Whether the terminal echoes and waits for Enter, as a shell wants it."""
        mode = termios.tcgetattr(self.screen)[3]
        return bool(mode & termios.ICANON and mode & termios.ECHO)

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.screen)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_a_person_steps_plays_seeks_and_quits(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal("vi"))
    terminal.until("tạm dừng (×1)")
    terminal.until("phím cách: dừng/tiếp")
    assert not terminal.is_line_by_line
    terminal.press("s")
    terminal.until("vừa phát: giao thông road-0  01:00:01.000Z")
    terminal.press("\r")
    terminal.until("vừa phát: giao thông road-1  02:00:01.000Z")
    terminal.press("+++-")
    terminal.until("tạm dừng (×4)")
    terminal.press("\x1b[C" * 61 + "s")
    terminal.until("vừa phát: giao thông road-4")
    terminal.press("\x1b[D" * 200 + "s")
    terminal.until("vừa phát: giao thông road-2")
    terminal.press(" ")
    terminal.until("sự kiện/s")
    terminal.press("q")
    terminal.until("kết thúc sớm")
    terminal.until("4 sự kiện, 12 số đo")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.before


def test_in_english_up_to_the_end_at_the_greatest_speed(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal("en"))
    terminal.until("paused (×1)")
    terminal.press("m ")
    terminal.until("6 events, 18 readings, 0 ticks")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.before


def test_ctrl_c_ends_it_and_the_terminal_is_as_it_was(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal("en"))
    terminal.until("paused")
    terminal.press("\x03")
    terminal.until("stopped early")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.before


def test_after_a_fault_the_terminal_is_as_it_was(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal("fault"))
    terminal.until("tạm dừng")
    terminal.press("m ")
    terminal.until("told: Kafka acknowledged 0 of")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.before


def test_while_it_is_suspended_the_terminal_is_the_shells(terminals: list[Terminal]) -> None:
    terminals.append(terminal := Terminal("en"))
    terminal.until("paused")
    terminal.press("\x1a")
    _, status = os.waitpid(terminal.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and terminal.is_line_by_line
    os.kill(terminal.pid, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE_S
    while terminal.is_line_by_line and time.monotonic() < deadline:
        time.sleep(0.01)
    terminal.press("s")
    terminal.until("sent: traffic road-")
    terminal.press("q")
    terminal.until("stopped early")
    assert terminal.end() == 0


def test_what_is_no_terminal_in_front_is_left_alone(tmp_path: Path) -> None:
    front, back = pty.openpty()  # a terminal, but not that of this process
    with (tmp_path / "file").open("w") as file:
        assert not terminal_in_front(file.fileno())
    assert not terminal_in_front(back)
    os.close(front)
    os.close(back)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "AIOKafkaProducer", FakeProducer)


RECORDING = Recording.of([reading(hour * 3600) for hour in range(6)])


async def scripted(script: Path, paused: bool = True) -> tuple[PlayResult, list[str]]:
    """The recording, commanded by a file."""
    deck, stop, said = Deck(Transport(1.0, paused=paused)), asyncio.Event(), list[str]()
    begin_us = RECORDING.info.from_us or 0
    with script.open("rb") as file:
        async with asyncio.timeout(PATIENCE_S), lines(deck, file.fileno(), begin_us, stop.set, said.append):
            result = await play(RECORDING, Settings(namespace="t", partitions=3), deck=deck, stop=stop)
    return result, said


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize(
    ("script", "events", "stopped"),
    [
        ("step\n\n# two more\nstep 2\nquit\n", 3, True),
        ("step 2\nseek +4h\nstep\nquit", 3, True),
        ("step 3\nseek 0s\nspeed max\nresume\n", 9, False),
        ("speed max\nresume\n", 6, False),
        ("step 100\nquit\n", 6, False),
    ],
)
async def test_a_script_is_obeyed_line_by_line(tmp_path: Path, script: str, events: int, stopped: bool) -> None:
    (tmp_path / "script").write_text(script)
    result, said = await scripted(tmp_path / "script")
    assert (result.events, result.stopped, said) == (events, stopped, [])


@pytest.mark.usefixtures("kafka")
async def test_a_script_that_ends_while_it_is_paused_ends_the_replay(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("step 2\n")
    result, said = await scripted(tmp_path / "script")
    assert result.events == 2 and result.stopped and "it ends here" in said[0]


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("", "--paused: nothing can resume it"),
        ("step\nplay\n", "stdin line 2: 'play' is no command; there are: pause, resume"),
        ("seek yesterday\n", "stdin line 1: 'yesterday' is neither of: an ISO time"),
    ],
)
async def test_a_script_that_is_wrong_is_refused(tmp_path: Path, script: str, told: str) -> None:
    (tmp_path / "script").write_text(script)
    with pytest.raises(ConfigurationInvalid, match=re.escape(told)):
        await scripted(tmp_path / "script")


@pytest.mark.usefixtures("kafka")
async def test_commands_come_through_a_pipe_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    end, start = os.pipe()
    deck, stop = Deck(Transport(1.0, paused=True)), asyncio.Event()
    async with asyncio.timeout(PATIENCE_S), lines(deck, end, 0, stop.set, lambda _: None):
        playing = asyncio.create_task(play(RECORDING, Settings(namespace="t", partitions=3), deck=deck, stop=stop))
        for piece in (b"st", b"ep 2\nspe", b"ed max\nresume\n"):
            os.write(start, piece)
            await asyncio.sleep(0)
        assert (await playing).events == 6
    os.close(start)
