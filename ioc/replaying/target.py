"""Decides where a replay goes: into a namespace of its own, or into the live system when that is asked for twice.

Pure but for the question put to a person, which the caller gives. Makes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, check_namespace
from streams.storage.migrate import is_live

LIVE = Settings.namespace


@dataclass(frozen=True)
class Wish:
    """What was asked for. complete: a run with workers; mapped: input topic -> another topic's full name."""

    into: str = ""
    complete: bool = False
    live: bool = False
    yes_live: bool = False
    mapped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """settings: of the namespace; made: whether topics and schema that are missing are made first."""

    settings: Settings
    made: bool
    live: bool = False


def choose_target(settings: Settings, wish: Wish, *, now: datetime, ask: Callable[[str], str] | None = None) -> Target:
    """ask: puts a question to the person at the terminal; None where there is none.

    Raises ConfigurationInvalid, with the way out, for what contradicts itself and for a live system that was not
    asked for twice.
    """
    if wish.yes_live and not wish.live:
        raise ConfigurationInvalid("--yes-live", "is the second asking; the first one is --live")
    if wish.live:
        return _live(settings, wish, ask)
    for topic in wish.mapped.values():
        if _belongs_to_live(topic):
            raise ConfigurationInvalid("--map", f"{topic} belongs to the live system; ask for it with --live")
    if wish.into:
        check_namespace(wish.into, "--into")
        if is_live(wish.into):
            raise ConfigurationInvalid("--into", f"{LIVE!r} is the live system; ask for it with --live")
        return Target(replace(settings, namespace=wish.into), made=True)
    if not is_live(settings.namespace):
        return Target(settings, made=wish.complete)
    kind = "run" if wish.complete else "replay"
    name = f"{kind}_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"
    return Target(replace(settings, namespace=name), made=True)


def parse_map(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """``observations.camera=other.topic`` to a mapping. Raises ConfigurationInvalid."""
    inputs, found = list(known), dict[str, str]()
    for text in given:
        source, _, topic = (part.strip() for part in text.partition("="))
        if source not in inputs or not topic:
            raise ConfigurationInvalid("--map", f"{text!r}: write INPUT=TOPIC; an INPUT is {' or '.join(inputs)}")
        if found.setdefault(source, topic) != topic:
            raise ConfigurationInvalid("--map", f"{source} is sent to one topic, not to {found[source]} and {topic}")
    return found


def _live(settings: Settings, wish: Wish, ask: Callable[[str], str] | None) -> Target:
    if wish.into or wish.complete:
        raise ConfigurationInvalid("--live", "a replay goes into the live system, or into a namespace of its own")
    if not is_live(settings.namespace):
        raise ConfigurationInvalid(
            "--live", f"IOC_NAMESPACE says {settings.namespace!r}; unset it, or leave --live out"
        )
    if not wish.yes_live:
        if ask is None:
            raise ConfigurationInvalid(
                "--live",
                f"this plays into the live system {LIVE!r}, where its rows and alarms stay, and is asked for twice: on "
                "a terminal by typing the name, in a script by --yes-live. Without --live it goes into a namespace of "
                "its own",
            )
        if (answer := ask(LIVE).strip()) != LIVE:
            raise ConfigurationInvalid("--live", f"{answer!r} is not {LIVE!r}; nothing was played")
    return Target(settings, made=False, live=True)


def _belongs_to_live(topic: str) -> bool:
    return topic.startswith((f"{LIVE}.", f"{LIVE}-"))
