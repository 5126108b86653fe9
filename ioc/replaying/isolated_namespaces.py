"""Which isolated namespaces there are, how they are told, and how one is removed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streams.admin import delete_topics, running_members
from streams.admin import namespaces as topic_namespaces
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings
from streams.storage.migrate import drop_namespace, is_live
from streams.storage.namespaces import namespaces as database_namespaces


@dataclass(frozen=True)
class IsolatedNamespace:
    """made_at, size_bytes: None where it has no schema; messages: None where it has no topics."""

    name: str
    made_at: datetime | None
    size_bytes: int | None
    messages: int | None


def listed(settings: Settings) -> list[IsolatedNamespace]:
    """By name, without the live one. Raises RetryLater."""
    messages = asyncio.run(topic_namespaces(settings))
    schemas = {known.name: known for known in database_namespaces(settings)}
    return [
        IsolatedNamespace(
            name,
            schemas[name].made_at if name in schemas else None,
            schemas[name].size_bytes if name in schemas else None,
            messages.get(name),
        )
        for name in sorted({*messages, *schemas})
        if not is_live(name)
    ]


def table(found: Sequence[IsolatedNamespace], now: datetime) -> str:
    """Lines for a person."""
    if not found:
        return "no isolated namespaces"
    width = max(len(each.name) for each in found)
    head = f"{'NAME':<{width}}  {'AGE':>8}  {'DATABASE':>10}  {'MESSAGES':>10}"
    rows = [
        f"{each.name:<{width}}  {_age(each.made_at, now):>8}  "
        f"{'-' if each.size_bytes is None else f'{each.size_bytes / 1e6:,.1f} MB':>10}  "
        f"{'-' if each.messages is None else f'{each.messages:,}':>10}"
        for each in found
    ]
    return "\n".join([head, *rows])


async def drop_isolated(settings: Settings, name: str) -> None:
    """Raises ConfigurationInvalid while workers run in it, and for the live namespace."""
    own = replace(settings, namespace=name)
    if running := await running_members(own):
        raise ConfigurationInvalid(
            "NAME", f"workers run in {name!r} ({running}); stop them first (one that was killed counts for a minute)"
        )
    await delete_topics(own)
    await asyncio.to_thread(drop_namespace, own)


def _age(made_at: datetime | None, now: datetime) -> str:
    if made_at is None:
        return "-"
    minutes = int((now - made_at).total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
