"""The replay's order, pace, shift and loops, against a producer that only remembers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka.errors import InvalidTimestampError, KafkaConnectionError, RequestTimedOutError

from streams.replay import player
from streams.replay.deck import Deck
from streams.replay.player import Progress, play
from streams.replay.recording import Record, Recording
from streams.replay.selection import Selection
from streams.replay.transport import Quit, Resume, Seek, Step, Transport
from streams.schema.codec import decode_input, encode
from streams.schema.errors import ConfigurationInvalid, RetryLater
from streams.schema.events import Tick
from streams.schema.instants import microseconds
from streams.schema.settings import Settings
from tests.unit.streams.replay.doubles import FakeProducer, sent
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

SETTINGS = Settings(namespace="t", partitions=3)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeProducer]:
    monkeypatch.setattr(player, "AIOKafkaProducer", FakeProducer)
    monkeypatch.setattr(FakeProducer, "made", [])
    return FakeProducer


async def test_data_goes_by_key_and_a_tick_everywhere_in_order() -> None:
    recording = Recording.of([tick(0), reading(0), observation(2), verbatim(3, "{", "ql5"), tick(4)])
    result = await play(recording, SETTINGS)
    assert (result.events, result.ticks, result.messages, result.rows, result.dropped) == (3, 2, 15, 5, 0)
    assert result.bytes == sum(len(each[3]) for each in sent())
    assert FakeProducer.made[-1].stopped and not result.stopped
    assert FakeProducer.made[-1].options["enable_idempotence"] is True
    traffic = [each for each in sent("t.observations.traffic") if each[2]]
    assert [each[2] for each in traffic] == [b"ql5", b"ql5"]
    assert len({each[1] for each in traffic}) == 1
    assert traffic[1][3] == b"{"
    for topic in ("t.observations.traffic", "t.observations.camera"):
        assert {each[1] for each in sent(topic)[:3]} == {0, 1, 2} == {each[1] for each in sent(topic)[-3:]}
        assert all(isinstance(decode_input(each[3]), Tick) for each in sent(topic)[:3] + sent(topic)[-3:])
    assert sent()[0][4] == tick(0).logged_us // 1000


async def test_an_unmoved_payload_is_sent_as_it_stood() -> None:
    payload = encode(reading(0).event).replace(b":", b": ", 1)
    await play(Recording.of([Record(reading(0).logged_us, reading(0).event, payload)]), SETTINGS)
    assert sent()[0][3] == payload


async def test_shift_moves_all_times_by_one_constant() -> None:
    original = [reading(0), reading(30), tick(60)]
    before = time.time()
    result = await play(Recording.of(original), SETTINGS, shift_to_now=True)
    assert before <= (original[0].logged_us + result.shift_us) / 1e6 <= time.time()
    events = [decode_input(each[3]) for each in sent("t.observations.traffic")]
    for old, new in zip(original[:2], events[:2], strict=True):
        assert microseconds(new.observed_at) == microseconds(old.event.observed_at) + result.shift_us  # type: ignore[union-attr]
        assert microseconds(new.received_at) == microseconds(old.event.received_at) + result.shift_us  # type: ignore[union-attr]
    assert microseconds(events[2].ticked_at) == original[2].logged_us + result.shift_us  # type: ignore[union-attr]
    assert [each[4] for each in sent("t.observations.traffic")][:2] == [
        (old.logged_us + result.shift_us) // 1000 for old in original[:2]
    ]


async def test_ticks_can_be_left_out_and_then_do_not_count() -> None:
    stop = asyncio.Event()
    recording = Recording.of([reading(0), tick(50_000)])
    task = asyncio.create_task(play(recording, SETTINGS, with_ticks=False, loop=True, loop_gap_s=10, stop=stop))
    while not FakeProducer.made or len(sent()) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    stop.set()
    result = await task
    assert result.ticks == 0 and result.stopped and result.passes >= 3
    stamps = [each[4] or 0 for each in sent()][:3]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 10_000, 20_000]


async def test_in_a_loop_neither_arrival_nor_what_was_observed_runs_back() -> None:
    stop = asyncio.Event()
    recording = Recording.of([reading(0), reading(-40, received_s=5), reading(10)])

    def enough(progress: Progress) -> None:
        if progress.passes > 3:
            stop.set()

    player_report, player._REPORT_EVERY_S = player._REPORT_EVERY_S, 0.0
    try:
        await play(recording, SETTINGS, loop=True, stop=stop, on_progress=enough)
    finally:
        player._REPORT_EVERY_S = player_report
    stamps = [each[4] or 0 for each in sent()]
    assert stamps == sorted(stamps)
    observed = [microseconds(decode_input(each[3]).observed_at) for each in sent()]  # type: ignore[union-attr]
    assert len(set(observed)) == len(observed)
    assert max(observed[:3]) < min(observed[3:6])


async def test_speed_sets_the_pace() -> None:
    began = time.monotonic()
    result = await play(Recording.of([tick(0), tick(6), tick(12)]), SETTINGS, speed=60)
    assert 0.19 < time.monotonic() - began < 1.0
    assert 0.19 < result.seconds < 1.0


async def test_stop_ends_a_wait_at_once() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    result = await asyncio.wait_for(play(Recording.of([tick(0), tick(3600)]), SETTINGS, speed=1, stop=stop), 2)
    assert result.stopped and result.ticks == 1


async def test_progress_tells_the_recordings_own_time() -> None:
    heard: list[Progress] = []
    await play(Recording.of([reading(0), tick(9)]), SETTINGS, shift_to_now=True, on_progress=heard.append)
    assert (heard[-1].logged_us, heard[-1].events, heard[-1].rows) == (tick(9).logged_us, 1, 3)


async def test_an_empty_recording_is_nothing() -> None:
    assert (await play(Recording.of([]), SETTINGS, loop=True)).messages == 0


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        await play(Recording.of([]), SETTINGS, speed=speed)


async def test_messages_of_an_old_recording_in_the_live_namespace_are_stamped_with_the_sending() -> None:
    old, live = Recording.of([reading(-86_400 * 900)]), Settings(partitions=3)
    await play(old, live)
    assert sent()[0][4] is None
    await play(old, live, shift_to_now=True)
    assert sent()[0][4] is not None
    await play(old, SETTINGS)
    assert sent()[0][4] is not None


async def test_another_number_of_partitions_is_refused(
    fake: type[FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "partitions", 5)
    with pytest.raises(ConfigurationInvalid, match="it has 5 partitions, IOC_PARTITIONS says 3"):
        await play(Recording.of([tick(0)]), SETTINGS)
    assert fake.made[-1].stopped


@pytest.mark.parametrize(
    ("fault", "expected"), [(RequestTimedOutError(), RetryLater), (InvalidTimestampError(), ConfigurationInvalid)]
)
async def test_what_is_not_acknowledged_is_an_error(
    fake: type[FakeProducer], monkeypatch: pytest.MonkeyPatch, fault: Exception, expected: type[Exception]
) -> None:
    monkeypatch.setattr(fake, "fault", fault)
    with pytest.raises(expected):
        await play(Recording.of([reading(0), tick(1)]), SETTINGS)


async def test_no_broker_is_retry_later(fake: type[FakeProducer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "start_fault", KafkaConnectionError("away"))
    with pytest.raises(RetryLater, match="no Kafka at"):
        await play(Recording.of([tick(0)]), SETTINGS)


async def test_stop_ends_a_wait_for_a_broker_that_is_away(
    fake: type[FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blocked(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(fake, "send", blocked)
    monkeypatch.setattr(player, "CLOSE_TIMEOUT_S", 0.05)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    with pytest.raises(RetryLater, match="stopped"):
        await asyncio.wait_for(play(Recording.of([tick(0)]), SETTINGS, stop=stop), 2)
    assert fake.made[-1].stopped


def kinds(topic: str) -> list[str]:
    return [type(decode_input(each[3])).__name__ for each in sent(topic)]


async def test_only_what_is_chosen_is_played() -> None:
    recording = Recording.of([observation(0), reading(1), tick(2), reading(3, corridor="other")])
    result = await play(recording, SETTINGS, selection=Selection(devices=["ql5"], kinds=["traffic"]))
    assert (result.events, result.ticks) == (1, 1)
    assert kinds("t.observations.camera") == ["Tick"] * 3
    assert kinds("t.observations.traffic") == ["TrafficReading"] + ["Tick"] * 3


async def test_a_mapped_topic_takes_the_entries_and_the_ticks_with_as_many_partitions_as_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def partitions_for(_: Any, topic: str) -> set[int]:
        return set(range(7 if topic == "cams" else 3))

    monkeypatch.setattr(FakeProducer, "partitions_for", partitions_for)
    recording = Recording.of([observation(0), reading(1), verbatim(2), tick(3)])
    await play(recording, SETTINGS, mapped={"observations.camera": "cams"})
    assert kinds("cams") == ["CameraObservation"] + ["Tick"] * 7
    assert len(sent("t.observations.traffic")) == 2 + 3
    assert sent("t.observations.camera") == []
    await play(recording, SETTINGS, mapped={"observations.camera": "cams", "observations.traffic": "cams"})
    assert len(sent()) == 3 + 7


async def test_a_mapped_topic_that_may_not_keep_it_gets_an_old_recording_with_the_time_of_sending() -> None:
    old = Recording.of([observation(-86_400 * 900), reading(-86_400 * 900)])
    await play(old, SETTINGS, mapped={"observations.camera": "cams"})
    assert [each[4] is None for each in sent("cams")] == [True]
    assert [each[4] is None for each in sent("t.observations.traffic")] == [False]


async def test_after_a_seek_the_clock_comes_before_the_data() -> None:
    """What is observed too long after the newest tick would be refused."""
    deck = Deck(Transport(None, paused=True))
    recording = Recording.of([tick(0), reading(0), reading(600), tick(700)])
    task = asyncio.create_task(play(recording, SETTINGS, deck=deck))
    deck.do(Step(2))
    await wait_for_sent(7)
    deck.do(Seek(reading(600).logged_us))
    deck.do(Resume())
    result = await task
    assert kinds("t.observations.traffic") == (
        ["Tick"] * 3 + ["TrafficReading"] + ["Tick"] * 3 + ["TrafficReading"] + ["Tick"] * 3
    )
    landing = sent("t.observations.traffic")[4:8]
    assert {each[4] for each in landing} == {reading(600).logged_us // 1000}
    assert result.ticks == 3 and not result.stopped


async def test_a_seek_back_plays_again_with_times_that_go_on() -> None:
    deck = Deck(Transport(None, paused=True))
    recording = Recording.of([reading(0), reading(10), reading(20)])
    task = asyncio.create_task(play(recording, SETTINGS, deck=deck, selection=Selection(with_ticks=False)))
    deck.do(Step(2))
    await wait_for_sent(2)
    deck.do(Seek(reading(0).logged_us))
    deck.do(Resume())
    result = await task
    assert result.events == 5 and result.passes == 1
    stamps = [each[4] or 0 for each in sent()]
    assert stamps == sorted(stamps)
    assert len({microseconds(decode_input(each[3]).observed_at) for each in sent()}) == 5  # type: ignore[union-attr]


async def test_quit_ends_what_stands_still_and_is_told_as_stopped() -> None:
    deck = Deck(Transport(1.0, paused=True))
    heard: list[Progress] = []
    task = asyncio.create_task(play(Recording.of([reading(0)]), SETTINGS, deck=deck, on_progress=heard.append))
    while not heard:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert (heard[0].paused, heard[0].speed, heard[0].logged_us) == (True, 1.0, reading(0).logged_us)
    deck.do(Quit())
    result = await asyncio.wait_for(task, 2)
    assert result.stopped and result.events == 0


async def wait_for_sent(count: int) -> None:
    while not FakeProducer.made or len(sent()) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
