"""What differs between what a recording gave once and what it gives now, for people: which row, which column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from ioc.verification.golden import ALARMS, Key, Outcome, Row, key_columns
from ioc.verification.origin import Origin
from streams.schema.tables import TABLES, Table

MAX_SHOWN = 10
"""Of each table."""


@dataclass(frozen=True)
class RowDifference:
    """golden None: the row is too many; now None: it is missing."""

    table: Table
    key: Key
    golden: Row | None
    now: Row | None

    def columns(self) -> list[tuple[str, str, str]]:
        """(column, golden, now) of what differs."""
        golden, now = self.golden or {}, self.now or {}
        return [(name, golden[name], now[name]) for name in golden if name in now and golden[name] != now[name]]


@dataclass(frozen=True)
class Differences:
    rows: list[RowDifference]
    alarms: list[str]
    """Lines of a diff of the alarm decisions: ``- `` golden, ``+ `` now."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.alarms)


def differences(golden: Outcome, now: Outcome) -> Differences:
    rows = [
        RowDifference(table, key, before.get(key), after.get(key))
        for table in TABLES
        for before, after in [(golden.rows[table.name], now.rows[table.name])]
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return Differences(rows, list(_diff(golden.alarms, now.alarms)))


def _diff(golden: tuple[str, ...], now: tuple[str, ...]) -> Iterator[str]:
    for what, a, b, c, d in SequenceMatcher(None, golden, now, autojunk=False).get_opcodes():
        if what != "equal":
            yield from (f"- {line}" for line in golden[a:b])
            yield from (f"+ {line}" for line in now[c:d])


def report(found: Differences, origin_of: Callable[[], Mapping[str, Mapping[Key, Origin]]]) -> str:
    """What differs, at most MAX_SHOWN rows a table. origin_of: asked once, where a row needs it."""
    if not found:
        return ""
    origins = origin_of()
    lines: list[str] = []
    for table in TABLES:
        of_table = [difference for difference in found.rows if difference.table is table]
        if of_table:
            lines += [_heading(table.name, of_table)]
            for difference in of_table[:MAX_SHOWN]:
                lines += _told(difference, origins.get(table.name, {}))
            lines += _more(len(of_table))
    if found.alarms:
        lines += [f"{ALARMS}: {len(found.alarms)} lines differ (- golden, + now)"]
        lines += [f"  {line}" for line in found.alarms[:MAX_SHOWN]] + _more(len(found.alarms))
    return "\n".join(lines)


def _more(count: int) -> list[str]:
    return [f"  and {count - MAX_SHOWN} more"] if count > MAX_SHOWN else []


def _heading(name: str, of_table: list[RowDifference]) -> str:
    missing = sum(difference.now is None for difference in of_table)
    extra = sum(difference.golden is None for difference in of_table)
    return f"{name}: {len(of_table) - missing - extra} rows differ, {missing} missing, {extra} too many"


def _told(difference: RowDifference, origins: Mapping[Key, Origin]) -> list[str]:
    place = " ".join(
        f"{name}={value}" for name, value in zip(key_columns(difference.table), difference.key, strict=False)
    )
    origin = origins.get(difference.key)
    since = f"    since {origin}" if origin else "    the core makes no such row from this recording"
    if difference.now is None:
        return [f"  missing: {place}", since]
    if difference.golden is None:
        return [f"  too many: {place}", since]
    changed = [f"    {name}: golden {before!r}, now {now!r}" for name, before, now in difference.columns()]
    return [f"  {place}", *changed, since]
