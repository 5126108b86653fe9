"""One order for several partitions: the same however the messages come in."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streams.replay.incoming import Arrived, Place, arrived, tick_us
from streams.replay.log_merge import Given, LogMerge
from streams.replay.outgoing import Outgoing
from streams.replay.recording import Entry, Record
from streams.schema.topics import Topics
from tests.unit.streams.replay.examples import observation, reading, tick

A: Place = ("observations.camera", 0)
B: Place = ("observations.traffic", 0)
C: Place = ("observations.traffic", 1)
Logs = dict[Place, list[Entry]]


def messages(entries: list[Entry], first: int = 0) -> list[Arrived]:
    found = []
    for offset, entry in enumerate(entries, first):
        sent = Outgoing(Topics("ns", 1)).message(entry)
        topic = B[0] if (sent.topic or "").endswith("traffic") else A[0]
        found.append(arrived(topic, offset, sent.logged_us // 1000, sent.key.encode() or None, sent.payload))
    return found


def merged(logs: Logs) -> list[Given]:
    merge = LogMerge(logs)
    for place, entries in logs.items():
        merge.put(place, messages(entries))
        merge.close(place)
    found = list(merge.take())
    assert merge.done
    return found


def entries(found: list[Given]) -> list[Entry]:
    return [bare(given.entry) for given in found if given.entry is not None]


def bare(entry: Entry) -> Entry:
    assert isinstance(entry, Record)
    return Record(entry.logged_us, entry.event)


def logs() -> st.SearchStrategy[Logs]:
    return st.tuples(st.integers(0, 12), st.randoms(use_true_random=False)).map(lambda drawn: log_of(*drawn))


def log_of(seconds: int, chance: Random) -> Logs:
    """Ticks in every partition, some missing, data around them with stamps that are out of order by up to 2 s."""
    found: Logs = {A: [], B: [], C: []}
    for second in range(seconds):
        for place, log in found.items():
            now: list[Entry] = []
            for _ in range(chance.randint(0, 2)):
                at = second + chance.choice([0.0, 0.004, 0.5, -1.5])
                now.append(observation(at) if place == A else reading(at, 1))
            if chance.random() < 0.9:
                now.insert(chance.randint(0, len(now)), tick(second))
            log += now
    return found


@given(logs(), st.integers(0, 2**32))
def test_the_order_is_the_same_however_it_comes_in(found: Logs, seed: int) -> None:
    expected = merged(found)
    chance = Random(seed)
    merge, taken, sent = LogMerge(found), [], dict.fromkeys(found, 0)
    while not merge.done:
        place = chance.choice(list(found))
        count = chance.randint(1, 3)
        log = found[place]
        merge.put(place, messages(log[sent[place] : sent[place] + count], sent[place]))
        sent[place] += count
        if sent[place] >= len(log):
            merge.close(place)
        taken += merge.take()
    assert taken == expected


@given(logs())
def test_nothing_is_lost_and_each_partition_keeps_its_order(found: Logs) -> None:
    given_ = merged(found)
    assert all(a.logged_us <= b.logged_us for a, b in pairwise(entries(given_)))
    for place, log in found.items():
        offsets = [each.next_offset for each in given_ if each.place == place]
        assert offsets == list(range(1, len(log) + 1))
    ticks = {tick_us(entry) for log in found.values() for entry in log} - {None}
    assert sorted(filter(None, map(tick_us, entries(given_)))) == sorted(filter(None, ticks))


@given(logs())
def test_a_tick_keeps_its_place_among_the_data_of_every_partition(found: Logs) -> None:
    """Data before a partition's copy are given before the tick, data after it later, however their stamps lie."""
    given_ = merged(found)
    first = {tick_us(each.entry): number for number, each in enumerate(given_) if each.entry is not None}
    for place, log in found.items():
        own = [number for number, each in enumerate(given_) if each.place == place]
        for offset, entry in enumerate(log):
            at = tick_us(entry)
            if at is not None:
                assert all(number < first[at] for number in own[:offset])
                assert all(number > first[at] for number in own[offset + 1 :])


def test_a_partition_with_nothing_holds_the_others_back_until_they_have_waited_enough() -> None:
    merge = LogMerge([A, B])
    merge.put(A, messages([observation(0)]), at_s=10.0)
    assert list(merge.take()) == [] and list(merge.wanting) == [B]
    assert list(merge.take(not_after_s=9.9)) == []
    assert len(list(merge.take(not_after_s=10.0))) == 1
    merge.put(B, messages([reading(-10)]), at_s=20.0)
    (late,) = merge.take(not_after_s=20.0)
    assert late.raised and late.entry is not None and late.entry.logged_us == observation(0).logged_us


def test_a_tick_from_the_far_future_makes_nobody_wait() -> None:
    far = Record(tick(1).logged_us, tick(90_000).event)
    found = entries(merged({A: [far, tick(2), observation(3)], B: [tick(2), reading(3)]}))
    assert found == [far, tick(2), observation(3), reading(3)]


def test_ticks_known_before_are_not_given_again() -> None:
    merge = LogMerge([A], last_us=tick(5).logged_us)
    merge.ticks.remember(tick(1).logged_us)
    merge.put(A, messages([tick(1), tick(2)]))
    merge.close(A)
    first, second = merge.take()
    assert first.entry is None and entries([second]) == [Record(tick(5).logged_us, tick(2).event)]


def test_waiting_bytes_are_told() -> None:
    merge = LogMerge([A, B])
    merge.put(A, messages([observation(0), observation(1)]))
    sizes = [each.size_bytes for each in messages([observation(0), observation(1)])]
    assert (merge.waiting_bytes(A), merge.waiting_bytes(B)) == (sum(sizes), 0)
