"""The transport controls, on a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.transport import (
    Command,
    Pause,
    Quit,
    Resume,
    ScaleSpeed,
    Seek,
    SeekBy,
    SetSpeed,
    Step,
    TogglePause,
    Transport,
)

S = 1_000_000


@dataclass
class Machine:
    """What the player does with a transport: asks about each entry, begins again on ``rewind``."""

    transport: Transport
    times_us: list[int]
    now_s: float = 0.0
    place: int = 0
    readings: int = 1
    ended: bool = False
    sent: list[tuple[int, int, float]] = field(default_factory=list)
    """Reading of the recording, number of the entry, when."""

    def run(self, seconds: float) -> None:
        """So much time passes; everything that is due is sent when it is due."""
        until_s = self.now_s + seconds
        while not self.ended:
            if self.place == len(self.times_us):
                self.ended = True
                break
            turn = self.transport.turn(self.times_us[self.place], self.now_s)
            if turn.action == "send":
                self.sent.append((self.readings, self.place, self.now_s))
            elif turn.action == "rewind":
                self.readings, self.place = self.readings + 1, 0
                continue
            elif turn.action == "end":
                self.ended = True
                break
            elif turn.action == "wait":
                if turn.wait_s is None or self.now_s + turn.wait_s > until_s:
                    break
                self.now_s += turn.wait_s + 1e-9
                continue
            self.place += 1
        self.now_s = max(until_s, self.now_s)

    def do(self, command: Command) -> None:
        self.transport.apply(command, self.now_s)

    @property
    def entries(self) -> list[int]:
        return [entry for _, entry, _ in self.sent]

    @property
    def moments(self) -> list[float]:
        return [round(moment, 3) for _, _, moment in self.sent]


def every_ten_s(count: int = 10, **options: object) -> Machine:
    return Machine(Transport(**options), [number * 10 * S for number in range(count)])  # type: ignore[arg-type]


def test_it_plays_in_recorded_time() -> None:
    machine = every_ten_s(4)
    machine.run(25)
    assert machine.moments == [0, 10, 20]
    machine.run(10)
    assert machine.ended and machine.moments == [0, 10, 20, 30]


def test_the_speed_is_recorded_seconds_a_second_and_none_is_at_once() -> None:
    machine = every_ten_s(4, speed=20.0)
    machine.run(5)
    assert machine.moments == [0, 0.5, 1, 1.5]
    machine = every_ten_s(4, speed=None)
    machine.run(0)
    assert machine.moments == [0, 0, 0, 0]


def test_a_change_of_speed_counts_from_where_it_stands() -> None:
    machine = every_ten_s(4)
    machine.run(5)
    machine.do(SetSpeed(5.0))
    machine.run(10)
    assert machine.moments == [0, 6, 8, 10]


def test_slower_from_the_greatest_speed_is_the_last_one_that_had_a_number() -> None:
    machine = every_ten_s(speed=8.0)
    machine.do(SetSpeed(None))
    machine.do(ScaleSpeed(2))
    assert machine.transport.speed is None
    machine.do(ScaleSpeed(0.5))
    assert machine.transport.speed == 8
    machine.do(ScaleSpeed(0.5))
    machine.do(ScaleSpeed(0.5))
    machine.do(ScaleSpeed(2))
    assert machine.transport.speed == 4


def test_behind_schedule_it_slows_down_from_the_entry_that_waits() -> None:
    machine = every_ten_s(4, speed=10.0)
    machine.transport.turn(0, 0.0)
    machine.place, machine.now_s = 1, 100.0
    machine.transport.turn(10 * S, 100.0)
    machine.place = 2
    machine.transport.turn(20 * S, 100.0)
    machine.do(SetSpeed(1.0))
    machine.run(0.5)
    machine.run(20)
    assert machine.moments == [100, 110]


def test_a_pause_keeps_what_is_left_of_the_wait() -> None:
    machine = every_ten_s(3)
    machine.run(14)
    machine.do(Pause())
    machine.run(1000)
    assert machine.moments == [0, 10]
    machine.do(TogglePause())
    machine.run(10)
    assert machine.moments == [0, 10, 1020]


def test_paused_from_the_start_steps_one_by_one_then_plays() -> None:
    machine = every_ten_s(5, paused=True)
    machine.run(100)
    assert machine.sent == []
    machine.do(Step())
    machine.run(1)
    machine.do(Step(2))
    machine.run(1)
    assert machine.entries == [0, 1, 2]
    machine.do(Resume())
    machine.run(10)
    assert machine.moments == [100, 101, 101, 112]


def test_a_step_while_it_plays_stands_still_after_it() -> None:
    machine = every_ten_s(5)
    machine.run(1)
    machine.do(Step())
    machine.run(100)
    assert machine.moments == [0, 1]
    assert machine.transport.paused


def test_from_and_until_are_a_half_open_range() -> None:
    machine = every_ten_s(10, from_us=20 * S, until_us=50 * S)
    machine.run(100)
    assert machine.entries == [2, 3, 4] and machine.moments == [0, 10, 20]
    assert machine.ended


def test_a_seek_ahead_passes_over_what_lies_between_and_goes_on_at_once() -> None:
    machine = every_ten_s(10)
    machine.run(15)
    machine.do(SeekBy(45 * S))
    machine.run(10)
    assert machine.entries == [0, 1, 7, 8]
    assert machine.moments == [0, 10, 15, 25]


def test_two_seeks_add_up_before_anything_was_sent() -> None:
    machine = every_ten_s(10, paused=True)
    machine.run(1)
    machine.do(SeekBy(30 * S))
    machine.do(SeekBy(30 * S))
    machine.do(SeekBy(-20 * S))
    machine.do(Step())
    machine.run(1)
    assert machine.entries == [4] and machine.readings == 1


def test_a_seek_back_begins_the_recording_again() -> None:
    machine = every_ten_s(6)
    machine.run(35)
    machine.do(Seek(15 * S))
    machine.run(100)
    assert machine.entries == [0, 1, 2, 3, 2, 3, 4, 5]
    assert machine.readings == 2


def test_a_seek_says_where_it_landed() -> None:
    transport = Transport(None)
    assert not transport.turn(0, 0.0).landed
    transport.apply(Seek(20 * S), 0.0)
    assert transport.turn(10 * S, 0.0).action == "skip"
    assert transport.turn(25 * S, 0.0).landed
    assert not transport.turn(26 * S, 0.0).landed


def test_a_seek_to_beyond_the_end_ends() -> None:
    machine = every_ten_s(3)
    machine.do(Seek(3600 * S))
    machine.run(0)
    assert machine.ended and machine.sent == []


def test_the_next_pass_of_a_loop_comes_after_the_gap_and_from_where_the_first_began() -> None:
    machine = every_ten_s(5, from_us=20 * S, speed=2.0)
    machine.run(100)
    machine.transport.begin_again(3 * S)
    machine.place, machine.ended, machine.sent = 0, False, []
    machine.run(100)
    assert machine.entries == [2, 3, 4] and machine.moments == [101.5, 106.5, 111.5]


def test_quit_ends_before_the_next_entry() -> None:
    machine = every_ten_s()
    machine.run(15)
    machine.do(Quit())
    machine.run(100)
    assert machine.ended and machine.entries == [0, 1]


def test_what_is_no_speed_and_no_step_is_refused() -> None:
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            Transport(speed)
        with pytest.raises(ValueError, match="above 0"):
            Transport().apply(SetSpeed(speed), 0.0)
    with pytest.raises(ValueError, match="one entry"):
        Transport().apply(Step(0), 0.0)


SPEEDS = st.sampled_from([None, 0.25, 1.0, 3.0, 64.0])
FORWARD: st.SearchStrategy[Command] = st.one_of(
    st.sampled_from([Pause(), Resume(), TogglePause(), ScaleSpeed(2.0), ScaleSpeed(0.5)]),
    st.builds(Step, st.integers(1, 3)),
    st.builds(SetSpeed, SPEEDS),
)
ANY: st.SearchStrategy[Command] = st.one_of(
    FORWARD,
    st.builds(Seek, st.integers(-10 * S, 400 * S)),
    st.builds(SeekBy, st.integers(-100 * S, 100 * S)),
)
TIMES = st.lists(st.integers(0, 300 * S), max_size=30).map(sorted)
WAITS = st.floats(0, 50, allow_nan=False)


@given(TIMES, SPEEDS, st.booleans(), st.lists(st.tuples(WAITS, FORWARD), max_size=20))
def test_without_a_seek_nothing_is_lost_doubled_or_turned_round(
    times: list[int], speed: float | None, paused: bool, script: list[tuple[float, Command]]
) -> None:
    machine = Machine(Transport(speed, paused=paused), times)
    for wait_s, command in script:
        machine.run(wait_s)
        machine.do(command)
    machine.do(Resume())
    machine.do(SetSpeed(None))
    machine.run(0)
    assert machine.entries == list(range(len(times)))
    assert machine.readings == 1


@given(TIMES, SPEEDS, st.lists(st.tuples(WAITS, ANY), max_size=20))
def test_in_one_reading_entries_come_in_order_and_at_most_once_and_only_a_seek_goes_back(
    times: list[int], speed: float | None, script: list[tuple[float, Command]]
) -> None:
    machine = Machine(Transport(speed), times)
    seeks = 0
    for wait_s, command in script:
        machine.run(wait_s)
        machine.do(command)
        if isinstance(command, Seek | SeekBy):
            seeks += 1
            readings, sent = machine.readings, len(machine.sent)
            machine.run(0)
            if isinstance(command, Seek):
                assert all(times[entry] >= command.to_us for entry in machine.entries[sent:])
                assert machine.readings == readings or (sent and command.to_us <= times[-1])
    for (reading, entry, _), (next_reading, next_entry, _) in pairwise(machine.sent):
        assert next_reading > reading or next_entry > entry
    assert machine.readings <= 1 + seeks


PLAYED = st.lists(st.tuples(WAITS, st.sampled_from([0.25, 1.0, 3.0, 64.0]), WAITS), max_size=10)


@given(TIMES.filter(bool), PLAYED)
def test_nothing_is_sent_before_it_is_due(times: list[int], script: list[tuple[float, float, float]]) -> None:
    """Recorded time never goes faster than the sum of what was played, each at its speed; a pause plays nothing."""
    machine = Machine(Transport(1.0), times)
    speed, played = 1.0, [(0.0, 0.0)]  # (clock, recorded seconds played by then)
    rates: list[tuple[float, float]] = []
    for wait_s, next_speed, pause_s in script:
        rates += [(wait_s, speed), (pause_s, 0.0)]
        machine.run(wait_s)
        machine.do(Pause())
        machine.run(pause_s)
        machine.do(SetSpeed(next_speed))
        machine.do(Resume())
        speed = next_speed
    rates.append((1e6, speed))
    for seconds, rate in rates:
        played.append((played[-1][0] + seconds, played[-1][1] + seconds * rate))
    machine.run(1e4)
    for _, entry, moment in machine.sent:
        began_s = next(at for at in reversed(range(len(played))) if played[at][0] <= moment)
        most = played[began_s][1] + (moment - played[began_s][0]) * rates[min(began_s, len(rates) - 1)][1]
        assert (times[entry] - times[0]) / S <= most + 1e-3
