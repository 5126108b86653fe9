from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.alarm import AlarmRule, AlarmTimer

S = 1_000_000
RULE = AlarmRule("zone-overcrowded", "cam", "waiting", "high", 30.0, 20.0, "vi", "en")


def run(active: list[bool]) -> list[tuple[int, str]]:
    timer = AlarmTimer()
    told = []
    for number, now in enumerate(active):
        alarm = timer.step(RULE, number * 10 * S, (number + 1) * 10 * S, now)
        if alarm:
            told.append((number, alarm.state))
    return told


def test_raised_after_the_on_delay_and_returned_after_the_off_delay() -> None:
    assert run([True] * 5 + [False] * 3) == [(2, "unacknowledged"), (6, "returned-unacknowledged")]


def test_what_clears_by_itself_within_the_delay_is_no_alarm() -> None:
    assert run([True, True, False, True, True, False]) == []


def test_both_transitions_name_the_same_alarm() -> None:
    timer = AlarmTimer()
    alarms = [timer.step(RULE, n * 10 * S, (n + 1) * 10 * S, n < 4) for n in range(8)]
    raised, returned = (alarm for alarm in alarms if alarm)
    assert raised.alarm == returned.alarm == "zone-overcrowded:cam:waiting:19700101T000030Z"
    assert returned.raised_at == raised.changed_at


@given(st.lists(st.booleans(), max_size=60))
def test_transitions_alternate_and_begin_with_a_raise(active: list[bool]) -> None:
    states = [state for _, state in run(active)]
    assert states == ["unacknowledged", "returned-unacknowledged"] * (len(states) // 2) + ["unacknowledged"] * (
        len(states) % 2
    )
