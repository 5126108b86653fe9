from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.silence import Listening, Silence
from tests.unit.streams.core.sites import CAMERA, POLICY

S = 1_000_000
LATE_S, SILENT_S = round(POLICY.lateness_s), round(POLICY.silent_after_s)


def told(arrivals: list[tuple[int, int]], ticks: list[int]) -> list[tuple[int, str]]:
    """(tick, state) of every transition. arrivals: (arrived, observed) in seconds; each arrives before its tick."""
    silence, listening, found = Silence(), Listening(), []
    waiting = sorted(arrivals)
    for tick in ticks:
        while waiting and waiting[0][0] <= tick:
            silence.heard(waiting.pop(0)[1] * S, POLICY)
        listening.tick(tick * S, POLICY.silent_after_s)
        alarm = silence.step(listening, CAMERA, POLICY)
        if alarm:
            found.append((tick, alarm.state))
    return found


def test_silence_is_raised_once_and_over_when_heard_again() -> None:
    raised, returned = SILENT_S + LATE_S, 300 + LATE_S
    assert told([(0, 0), (300, 300)], list(range(500))) == [
        (raised, "unacknowledged"),
        (returned, "returned-unacknowledged"),
        (300 + raised, "unacknowledged"),
    ]


def test_where_the_ticks_were_away_no_source_is_to_blame() -> None:
    ticks = [10, *range(5000, 5000 + SILENT_S + LATE_S + 10)]
    assert told([(10, 10)], ticks) == [(5000 + SILENT_S + LATE_S, "unacknowledged")]


def test_a_source_that_was_never_heard_is_not_judged() -> None:
    assert told([], list(range(1000))) == []


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=12), st.data())
def test_any_order_of_arrival_within_the_lateness_gives_the_same_alarms(
    observed: list[int], data: st.DataObject
) -> None:
    ticks = list(range(0, 2000, data.draw(st.integers(1, SILENT_S // 2 - 1))))
    delays = data.draw(st.lists(st.integers(0, LATE_S - 1), min_size=len(observed), max_size=len(observed)))
    late = [(second + delay, second) for second, delay in zip(observed, delays, strict=True)]
    assert told(late, ticks) == told([(second, second) for second in observed], ticks)


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=12))
def test_an_alarm_stands_exactly_while_nothing_was_observed_for_so_long(observed: list[int]) -> None:
    changes = dict(told([(second, second) for second in observed], list(range(2000))))
    raised = False
    for tick in range(2000):
        raised = changes[tick] == "unacknowledged" if tick in changes else raised
        judged = tick - LATE_S
        before = [second for second in observed if second <= judged]
        assert raised == (bool(before) and judged - max(before) >= SILENT_S)


def test_what_is_kept_does_not_grow_with_what_is_heard() -> None:
    silence = Silence()
    for second in range(10_000):
        silence.heard(second * S, POLICY)
    assert silence.stretches == [(0, 9_999 * S)]
