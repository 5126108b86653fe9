"""Rows of any table: plain values by Hypothesis, and columns from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from streams.schema.tables import ColumnType, Rows, Table

EARLIEST_US, LATEST_US = 0, 4_102_444_800_000_000
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "int2": st.integers(0, 2**15 - 1),
    "int4": st.integers(0, 2**31 - 1),
    "int8": st.integers(0, 2**63 - 1),
    "float8": st.floats(allow_nan=False),
    "timestamptz": st.integers(EARLIEST_US, LATEST_US),
}
Line = tuple[Any, ...]


def lines(table: Table, max_size: int = 12) -> st.SearchStrategy[list[Line]]:
    """Rows as tuples in the order of the table's columns; None for NULL."""
    cells = [
        st.none() | VALUES[kind] if name in table.nullable else VALUES[kind] for name, kind in table.columns.items()
    ]
    return st.lists(st.tuples(*cells), min_size=1, max_size=max_size)


def as_lists(table: Table, given: Sequence[Line]) -> Rows:
    return Rows(table, {name: [line[at] for line in given] for at, name in enumerate(table.columns)})


def as_arrays(table: Table, given: Sequence[Line]) -> Rows:
    """NULL as NaN in arrays of floats and as -1 in arrays of whole numbers; texts as objects."""
    columns: dict[str, Any] = {}
    for at, (name, kind) in enumerate(table.columns.items()):
        values = [line[at] for line in given]
        if kind == "text":
            columns[name] = np.array(values, dtype=object)
        elif kind == "float8":
            columns[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        else:
            columns[name] = np.array([-1 if value is None else value for value in values], dtype=np.int64)
    return Rows(table, columns)
