"""Where a replay goes; the live system only when it is asked for twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ioc.replaying.target import Target, Wish, choose_target, parse_map
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, check_namespace

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
LIVE, OWN = Settings(), Settings(namespace="training")
INPUTS = ("observations.camera", "observations.traffic")


def chosen(settings: Settings, answer: str | None = None, **wish: object) -> Target:
    ask = None if answer is None else lambda _: answer
    return choose_target(settings, Wish(**wish), now=NOW, ask=ask)  # type: ignore[arg-type]


@pytest.mark.parametrize(("complete", "begin"), [(False, "replay_20260302_010000_"), (True, "run_20260302_010000_")])
def test_by_itself_it_goes_into_a_new_namespace(complete: bool, begin: str) -> None:
    first, second = (chosen(LIVE, complete=complete) for _ in range(2))
    assert first.settings.namespace.startswith(begin) and first.made and not first.live
    assert first.settings.namespace != second.settings.namespace
    check_namespace(first.settings.namespace, "")


def test_an_isolated_namespace_of_the_environment_is_a_target_by_itself() -> None:
    assert chosen(OWN) == Target(OWN, made=False)
    assert chosen(OWN, complete=True) == Target(OWN, made=True)


def test_into_a_namespace_by_name() -> None:
    for settings in (LIVE, OWN):
        target = chosen(settings, into="other")
        assert target.settings.namespace == "other" and target.made and not target.live
    with pytest.raises(ConfigurationInvalid, match="--into: use a-z"):
        chosen(LIVE, into="Other!")
    with pytest.raises(ConfigurationInvalid, match="ask for it with --live"):
        chosen(LIVE, into="ioc")


def test_the_live_system_is_asked_for_twice() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"asked for twice: on a terminal .* --yes-live"):
        chosen(LIVE, live=True)
    with pytest.raises(ConfigurationInvalid, match="'yes' is not 'ioc'; nothing was played"):
        chosen(LIVE, "yes", live=True)
    with pytest.raises(ConfigurationInvalid, match="the first one is --live"):
        chosen(LIVE, "ioc", yes_live=True)
    assert chosen(LIVE, "ioc\n", live=True) == Target(LIVE, made=False, live=True)
    assert chosen(LIVE, live=True, yes_live=True).live


@pytest.mark.parametrize("wish", [{"into": "other"}, {"complete": True}])
def test_live_and_a_namespace_of_its_own_contradict_each_other(wish: dict[str, object]) -> None:
    with pytest.raises(ConfigurationInvalid, match="or into a namespace of its own"):
        chosen(LIVE, "ioc", live=True, **wish)
    with pytest.raises(ConfigurationInvalid, match="IOC_NAMESPACE says 'training'"):
        chosen(OWN, "ioc", live=True)


@pytest.mark.parametrize("topic", ["ioc.observations.traffic", "ioc-streams-x-changelog"])
def test_a_map_is_no_back_door_to_the_live_system(topic: str) -> None:
    mapped = {"observations.camera": topic}
    for settings in (LIVE, OWN):
        with pytest.raises(ConfigurationInvalid, match=f"--map: {topic} belongs to the live system"):
            chosen(settings, into="other", mapped=mapped)
    assert chosen(LIVE, "ioc", live=True, mapped=mapped).live
    assert not chosen(OWN, mapped={"observations.camera": "iocs.observations"}).live


def test_a_map_names_an_input_and_a_topic() -> None:
    given = ["observations.camera=a.b", " observations.traffic = c "]
    assert parse_map(given, INPUTS) == {"observations.camera": "a.b", "observations.traffic": "c"}
    for wrong in ("observations.camera", "observations.camera=", "cameras=x", "=x"):
        with pytest.raises(ConfigurationInvalid, match=r"INPUT=TOPIC; an INPUT is observations\.camera or"):
            parse_map([wrong], INPUTS)
    with pytest.raises(ConfigurationInvalid, match="not to a and b"):
        parse_map(["observations.camera=a", "observations.camera=b"], INPUTS)
