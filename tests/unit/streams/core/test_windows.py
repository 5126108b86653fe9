from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core import snapshot
from streams.core.watermark import Lateness
from streams.core.windows import Closing, Sample, Windows

S = 1_000_000
SIZES = (10 * S, 60 * S)
LATENESS = Lateness(30 * S, 120 * S)


def sample(observed_s: int, value: float = 1.0, items: int = 1) -> Sample:
    return Sample(observed_s * S, S, np.ones(items, dtype=bool), np.full((1, items), float(value)))


def windows() -> Windows:
    return Windows.new(SIZES, 1, LATENESS)


def add_all(store: Windows, seconds: list[int]) -> list[Closing]:
    closings: list[Closing] = []
    for second in seconds:
        closings += store.add(sample(second, second), centre=False).corrections
        closings += store.close()
    return closings


def rows(closings: list[Closing]) -> dict[tuple[int, int], tuple[int, bytes]]:
    """What a table would hold: by window the newest revision and its samples."""
    table: dict[tuple[int, int], tuple[int, bytes]] = {}
    for closing in closings:
        row = (closing.revision, closing.values(0).tobytes())
        table[closing.size_us, closing.start_us] = max(table.get((closing.size_us, closing.start_us), (0, b"")), row)
    return table


def test_a_window_closes_when_the_watermark_passes_its_end() -> None:
    store = windows()
    assert add_all(store, [5, 39]) == []
    (closing,) = add_all(store, [40])
    assert (closing.size_us, closing.start_us, closing.revision, len(closing.samples)) == (10 * S, 0, 1, 1)


def test_a_sample_at_the_border_belongs_to_the_window_it_ends() -> None:
    store = windows()
    store.add(sample(10), centre=False)
    store.add(sample(100), centre=False)
    assert [closing.start_us for closing in store.close()] == [0, 0]


def test_a_tick_closes_the_window_of_a_silent_source() -> None:
    store = windows()
    add_all(store, [5])
    store.watermark.tick(90 * S)
    assert [(closing.size_us, closing.start_us) for closing in store.close()] == [(10 * S, 0), (60 * S, 0)]


def test_a_late_sample_corrects_with_a_higher_revision() -> None:
    store = windows()
    add_all(store, [5, 100])
    placement = store.add(sample(7), centre=False)
    assert [(c.size_us, c.revision, len(c.samples)) for c in placement.corrections] == [(10 * S, 2, 2), (60 * S, 2, 2)]


def test_a_sample_beyond_grace_is_refused_and_changes_nothing() -> None:
    store = windows()
    add_all(store, [5, 300])
    before = snapshot.take(store, ["a"])
    assert store.add(sample(6), centre=False).beyond_grace
    assert snapshot.take(store, ["a"]) == before


def test_what_is_beyond_grace_is_forgotten() -> None:
    store = windows()
    add_all(store, list(range(1, 2000)))
    assert len(store.panes) <= (60 + 30 + 120 + 60) // 10 + 1
    assert len(store.revisions) <= 40


seconds = st.lists(st.integers(1, 400), min_size=1, max_size=80, unique=True)


@st.composite
def shuffled_within_lateness(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Samples in order, and the same overtaken by at most the lateness, with duplicates."""
    ordered = sorted(draw(seconds))
    delays = draw(st.lists(st.integers(0, 30), min_size=len(ordered), max_size=len(ordered)))
    arrivals = [
        second for _, second in sorted((second + delay, second) for second, delay in zip(ordered, delays, strict=True))
    ]
    for second in draw(st.lists(st.sampled_from(ordered), max_size=10)):
        arrivals.insert(arrivals.index(second) + 1, second)
    return ordered, arrivals


@given(shuffled_within_lateness())
def test_any_order_within_lateness_and_any_duplication_gives_the_same_rows(case: tuple[list[int], list[int]]) -> None:
    ordered, arrivals = case
    flush = [max(ordered) + 1000]
    in_order, disturbed = rows(add_all(windows(), ordered + flush)), rows(add_all(windows(), arrivals + flush))
    assert in_order == disturbed
    assert all(revision == 1 for revision, _ in disturbed.values())


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(0, 59))
def test_a_snapshot_taken_anywhere_goes_on_the_same(arrivals: list[int], cut: int) -> None:
    whole = windows()
    expected = add_all(whole, arrivals)
    first = windows()
    closings = add_all(first, arrivals[:cut])
    second = snapshot.restore(snapshot.take(first, ["a"]), SIZES, ["a"], 1, LATENESS)
    closings += add_all(second, arrivals[cut:])
    assert rows(closings) == rows(expected)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_late_or_not_every_accepted_sample_is_in_the_last_revision_of_its_window(arrivals: list[int]) -> None:
    store = windows()
    accepted = set()
    closings: list[Closing] = []
    for second in arrivals:
        placement = store.add(sample(second, second), centre=False)
        if not placement.beyond_grace:
            accepted.add(second)
        closings += [*placement.corrections, *store.close()]
    store.watermark.tick(10_000 * S)
    closings += store.close()
    newest = {(c.size_us, c.start_us): c for c in closings}
    for size_us in SIZES:
        held = {s.observed_us // S for (size, _), c in newest.items() if size == size_us for s in c.samples}
        assert held == accepted


def test_a_snapshot_follows_the_items_of_today() -> None:
    store = Windows.new(SIZES, 2, LATENESS)
    values = np.array([[1.0, 2.0]])
    store.add(Sample(5 * S, S, np.array([True, True]), values), centre=False)
    restored = snapshot.restore(snapshot.take(store, ["a", "b"]), SIZES, ["b", "new"], 1, LATENESS)
    (kept,) = restored.panes[0].values()
    assert kept.present.tolist() == [True, False]
    assert kept.values[0, 0] == 2.0
