"""The COPY encoder against a plain reader of the format, written from the PostgreSQL manual."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.schema.tables import CAMERA_HEALTH, CORRECTION, TABLES, TRAFFIC_LANE_1M, Rows, Table
from streams.storage import copy_binary
from streams.storage.copy_binary import POSTGRES_EPOCH_US, blocks, columns_of
from tests.unit.streams.storage.made_rows import Line, as_arrays, as_lists, lines

FORMATS = {"int2": ">h", "int4": ">i", "int8": ">q", "float8": ">d", "timestamptz": ">q"}


def read(table: Table, data: bytes) -> list[Line]:
    assert data.startswith(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")
    at, found = 19, []
    while True:
        (fields,) = struct.unpack_from(">h", data, at)
        at += 2
        if fields == -1:
            assert at == len(data)
            return found
        assert fields == len(table.columns)
        line: list[Any] = []
        for kind in table.columns.values():
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            if length == -1:
                line.append(None)
                continue
            cell, at = data[at : at + length], at + length
            line.append(cell.decode() if kind == "text" else struct.unpack(FORMATS[kind], cell)[0])
            if kind == "timestamptz":
                line[-1] += POSTGRES_EPOCH_US
        found.append(tuple(line))


def encoded(*groups: Rows) -> bytes:
    return b"".join(blocks(columns_of(groups[0].table, groups)))


@given(st.data(), st.sampled_from(TABLES))
def test_lists_and_arrays_are_read_back_in_order(data: st.DataObject, table: Table) -> None:
    wanted = data.draw(lines(table))
    assert read(table, encoded(as_lists(table, wanted))) == wanted
    assert read(table, encoded(as_arrays(table, wanted))) == wanted


@given(st.data(), st.sampled_from(TABLES))
def test_groups_follow_each_other_whatever_they_are_made_of(data: st.DataObject, table: Table) -> None:
    parts = data.draw(st.lists(st.tuples(lines(table, 4), st.booleans()), min_size=1, max_size=4))
    groups = [as_arrays(table, part) if array else as_lists(table, part) for part, array in parts]
    assert read(table, encoded(*groups)) == [line for part, _ in parts for line in part]


def test_many_rows_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_binary, "BLOCK_BYTES", 200)
    wanted = [(f"camera-{n}", n, "ok" * (n % 3), "") for n in range(100)]
    parts = list(blocks(columns_of(CAMERA_HEALTH, [as_lists(CAMERA_HEALTH, wanted)])))
    assert len(parts) > 10
    assert read(CAMERA_HEALTH, b"".join(parts)) == wanted


def test_texts_are_measured_in_bytes() -> None:
    wanted = [("một cửa", 0, "Đồ Sơn", ""), ("", 1, "é", "🚦")]
    assert read(CAMERA_HEALTH, encoded(as_lists(CAMERA_HEALTH, wanted))) == wanted


def test_a_null_list_beside_whole_floats_in_an_integer_column() -> None:
    wanted = [line(vehicles=None), line(vehicles=7)]
    rows = as_lists(TRAFFIC_LANE_1M, wanted)
    floats = Rows(TRAFFIC_LANE_1M, {**rows.columns, "vehicles": np.array([np.nan, 7.0])})
    assert read(TRAFFIC_LANE_1M, encoded(floats)) == wanted


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("lane", [1, 2**15], "lane holds 32768"),
        ("lane", np.array([1, -(2**15) - 1]), "lane holds -32769"),
        ("vehicles", np.array([0.0, 1.5]), "not whole"),
        ("readings", [1, None], "readings has a NULL"),
        ("station", ["a", None], "station has a NULL"),
        ("coverage", [1.0], "coverage has 1 values for 2 rows"),
    ],
)
def test_what_does_not_fit_is_refused(column: str, values: Any, told: str) -> None:
    rows = as_lists(TRAFFIC_LANE_1M, [line(), line()])
    with pytest.raises(ValueError, match=told):
        encoded(Rows(TRAFFIC_LANE_1M, {**rows.columns, column: values}))


def test_nan_in_a_column_without_null_is_a_number() -> None:
    rows = as_lists(CORRECTION, [("s", 60, 0, 0, 0, 1, 1, float("nan"))])
    ((*_, lateness_s),) = read(CORRECTION, encoded(rows))
    assert np.isnan(lateness_s)


def line(**given: Any) -> Line:
    plain = {"text": "a", "float8": 1.0}
    return tuple(given.get(name, plain.get(kind, 1)) for name, kind in TRAFFIC_LANE_1M.columns.items())
