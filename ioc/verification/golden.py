"""What a recording gave: every table and every alarm decision, as text files that people and git can compare.

A row is one CSV line in the order of its key. What differs from run to run without meaning (the namespace, offsets
and partitions in dead letters) is left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Alarm
from streams.schema.tables import DEAD_LETTER, TABLES, Table

ALARMS = "alarm decisions"
_ALARMS_FILE = "alarms.jsonl"
_LEFT_OUT = ("kafka_partition", "kafka_offset")
Row = dict[str, str]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """columns, keys: by table; rows: by table and key; alarms: lines of JSON, each decision once."""

    rows: Mapping[str, Mapping[Key, Row]]
    alarms: tuple[str, ...]

    def total(self) -> int:
        return sum(map(len, self.rows.values())) + len(self.alarms)


def outcome(exports: Mapping[str, bytes], alarms: Iterable[Alarm], namespace: str) -> Outcome:
    """exports: tables as streams.storage.export gives them; alarms: as the topic holds them, repeats and all."""
    tables = {table.name: _indexed(table, exports[table.name], namespace) for table in TABLES}
    lines = {codec.encode(alarm).decode() for alarm in alarms}
    return Outcome(tables, tuple(sorted(lines, key=_by_time)))


def columns(table: Table) -> list[str]:
    return [name for name in table.columns if table is not DEAD_LETTER or name not in _LEFT_OUT]


def key_columns(table: Table) -> list[str]:
    """Dead letters have no key but themselves once their offsets are left out."""
    return columns(table) if table is DEAD_LETTER else list(table.key)


def write(found: Outcome, folder: Path) -> None:
    """Everything anew; a file that is no longer written is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.csv"), *folder.glob("*.jsonl")):
        old.unlink()
    for table in TABLES:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns(table), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found.rows[table.name].values())
        (folder / f"{table.name}.csv").write_text(text.getvalue(), encoding="utf-8")
    (folder / _ALARMS_FILE).write_text("".join(f"{line}\n" for line in found.alarms), encoding="utf-8")


def read(folder: Path) -> Outcome:
    """Raises ConfigurationInvalid where there are none, or of another form."""
    if not folder.is_dir():
        raise ConfigurationInvalid(str(folder), "there are no golden files yet; --accept writes them")
    tables = {}
    for table in TABLES:
        file = folder / f"{table.name}.csv"
        if not file.is_file():
            raise ConfigurationInvalid(str(file), "it is missing; look at what the recording gives and --accept it")
        tables[table.name] = _indexed(table, file.read_bytes(), "")
    return Outcome(tables, tuple((folder / _ALARMS_FILE).read_text(encoding="utf-8").splitlines()))


def _indexed(table: Table, export: bytes, namespace: str) -> dict[Key, Row]:
    names, key = columns(table), key_columns(table)
    rows: dict[Key, Row] = {}
    for given in csv.DictReader(io.StringIO(export.decode("utf-8"), newline="")):
        row = {name: given.get(name) or "" for name in names}
        if table is DEAD_LETTER and namespace:
            row["topic"] = row["topic"].removeprefix(f"{namespace}.")
        place = tuple(row[name] for name in key)
        number = 1
        while place in rows:  # the same letter twice: both count
            number += 1
            place = (*place[: len(key)], f"({number})")
        rows[place] = row
    return dict(sorted(rows.items()))


def _by_time(line: str) -> tuple[str, str]:
    return msgspec.json.decode(line)["changed_at"], line
