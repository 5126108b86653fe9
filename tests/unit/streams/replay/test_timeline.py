"""How far what is sent is moved: time never runs back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.replay.timeline import Timeline
from tests.unit.streams.replay.examples import reading, tick

S = 1_000_000
NOW = tick(1_000_000).logged_us


def test_unmoved_it_stays_unmoved_through_pauses_and_seeks_ahead() -> None:
    line = Timeline(to_now=False, gap_us=S)
    assert [line.place(tick(at), NOW, held=True) for at in (0, 10, 500)] == [0, 0, 0]
    assert line.first_shift_us == 0 and line.last_us == tick(500).logged_us


def test_what_is_played_again_after_a_seek_back_is_moved_on_behind_what_was() -> None:
    line = Timeline(to_now=False, gap_us=S)
    for at in (0, 10, 20):
        line.place(reading(at, received_s=at + 3), NOW)
    shift = line.place(reading(10, received_s=13), NOW, sought=True)
    assert 10 * S + shift == 20 * S + 3 * S + S, "the observation behind the newest arrival, by the gap"
    assert line.place(reading(30), NOW) == shift


def test_moved_to_now_it_is_at_now_again_after_a_pause_and_a_seek() -> None:
    line = Timeline(to_now=True, gap_us=S)
    assert tick(0).logged_us + line.place(tick(0), NOW) == NOW
    assert tick(10).logged_us + line.place(tick(10), NOW + 10 * S) == NOW + 10 * S
    assert tick(20).logged_us + line.place(tick(20), NOW + 500 * S, held=True) == NOW + 500 * S
    assert tick(620).logged_us + line.place(tick(620), NOW + 510 * S, sought=True) == NOW + 510 * S
    assert tick(0).logged_us + line.place(tick(0), NOW + 520 * S, sought=True) == NOW + 520 * S


def test_faster_than_now_a_pause_does_not_move_it_back() -> None:
    line = Timeline(to_now=True, gap_us=S)
    line.place(tick(0), NOW)
    before = line.place(tick(600), NOW + 10 * S)
    assert line.place(tick(601), NOW + 10 * S, held=True) == before


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 60), st.booleans(), st.integers(0, 100)), min_size=1),
    st.booleans(),
)
def test_neither_arrival_runs_back_nor_what_is_observed_meets_what_was(
    entries: list[tuple[int, int, bool, int]], to_now: bool
) -> None:
    line, now, sent_until, seen = Timeline(to_now=to_now, gap_us=S), NOW, 0, set()
    for at, late, broken, passed in entries:
        now += passed * S
        shift = line.place(reading(at - late, received_s=at), now, held=broken, sought=broken)
        arrival, observed = tick(at).logged_us + shift, tick(at - late).logged_us + shift
        assert arrival >= sent_until
        sent_until = arrival
        if not to_now and shift:
            assert observed not in seen or (at, late) in seen
        seen |= {observed, (at, late)}  # type: ignore[arg-type]
