from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.progress import Place, Position, Progress

A, B = ("observations.camera", 0), ("observations.traffic", 1)


def first_stall(looks: list[dict[Place, Position]], elapsed_s: float = 2.0) -> tuple[int, list[Place]] | None:
    progress = Progress(20.0, 4.0)
    for number, positions in enumerate(looks):
        if stalled := progress.look(elapsed_s, positions):
            return number, stalled
    return None


def test_no_progress_while_more_comes_is_a_stall_after_the_limit() -> None:
    assert first_stall([{A: Position(5, 5 + n), B: Position(n, n + 1)} for n in range(30)]) == (10, [A])


def test_nothing_waiting_is_no_stall() -> None:
    assert first_stall([{A: Position(5, 5)} for _ in range(30)]) is None


def test_a_backlog_that_does_not_grow_is_no_stall() -> None:
    assert first_stall([{A: Position(5, 9)} for _ in range(30)]) is None


def test_slow_progress_is_no_stall() -> None:
    assert first_stall([{A: Position(n // 8, 100 + n)} for n in range(200)]) is None


def test_a_partition_that_could_not_be_seen_begins_anew() -> None:
    looks = [{A: Position(5, 6 + n)} for n in range(9)]
    assert first_stall([*looks, {}, *looks]) is None


def test_time_in_which_nobody_looked_is_not_held_against_anyone() -> None:
    """As after SIGSTOP: one look an hour after the other counts as a short one."""
    assert first_stall([{A: Position(5, 6 + n)} for n in range(5)], elapsed_s=3600.0) is None


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=80))
def test_a_stall_is_told_exactly_when_its_definition_holds(steps: list[tuple[int, int]]) -> None:
    acknowledged = end = 0
    looks = []
    for taken, added in steps:
        end += added
        acknowledged = min(end, acknowledged + taken)
        looks.append(Position(acknowledged, end))
    progress = Progress(20.0, 4.0)
    for number, position in enumerate(looks):
        told = progress.look(2.0, {A: position})
        since = number
        while since and looks[since - 1].acknowledged == position.acknowledged < looks[since - 1].end:
            since -= 1
        waiting = position.acknowledged < position.end
        assert bool(told) == (waiting and 2.0 * (number - since) >= 20.0 and position.end > looks[since].end)
