"""Rows as PostgreSQL's binary COPY format, whole columns at a time.

Each row is laid out in a record as wide as the widest row; the bytes that a row does not have (NULLs, the rest of
shorter texts) are masked out. Decides how values become bytes and refuses what would not fit; knows no connection.
Format: PostgreSQL manual, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.schema.tables import ColumnType, Rows, Table, Values

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_US = 946_684_800_000_000
BLOCK_BYTES = 1 << 18

_NUMBERS: Mapping[ColumnType, tuple[str, int]] = {
    "int2": (">i2", 2),
    "int4": (">i4", 4),
    "int8": (">i8", 8),
    "float8": (">f8", 8),
    "timestamptz": (">i8", 8),
}


class Column:
    """One column of a table, ready to be laid out.

    values: big-endian numbers or padded UTF-8; lengths: bytes of each value, -1 for NULL, or one number for all.
    """

    __slots__ = ("lengths", "size", "values")

    def __init__(self, values: NDArray[Any], lengths: NDArray[np.int32] | int) -> None:
        self.values = values
        self.lengths = lengths
        self.size: int = values.dtype.itemsize

    @classmethod
    def ordinal(cls, beside: Mapping[str, Column]) -> Column:
        """Numbers the rows of other columns, as int8."""
        return cls(np.arange(len(next(iter(beside.values())).values), dtype=">i8"), 8)

    def layout(self, records: NDArray[Any], name: str, rows: slice) -> None:
        records[f"{name}#"] = self.lengths if isinstance(self.lengths, int) else self.lengths[rows]
        records[name] = self.values[rows]

    def present(self, rows: slice) -> NDArray[np.bool_] | None:
        """(rows, size) which bytes exist; None: all."""
        if isinstance(self.lengths, int):
            return None
        return np.arange(self.size, dtype=np.int32) < self.lengths[rows, None]


def columns_of(table: Table, groups: Sequence[Rows]) -> dict[str, Column]:
    """The rows of all groups, one column after the other.

    Raises ValueError for a NULL in a column that has none, a value that does not fit its type, or columns of
    different lengths.
    """
    count = sum(map(len, groups))
    columns = {}
    for name, kind in table.columns.items():
        parts = [group.columns[name] for group in groups]
        column = columns[name] = _column(parts, kind, name in table.nullable, f"{table.name}.{name}")
        if len(column.values) != count:
            raise ValueError(f"{table.name}.{name} has {len(column.values)} values for {count} rows")
    return columns


def blocks(columns: Mapping[str, Column]) -> Iterator[bytes]:
    """The columns as COPY data, header and trailer included, rows in their order, in blocks of 256 KiB."""
    layout: list[tuple[str, str | np.dtype[Any]]] = [("fields", ">i2")]
    for name, column in columns.items():
        layout += [(f"{name}#", ">i4"), (name, column.values.dtype)]
    record = np.dtype(layout)
    count = len(next(iter(columns.values())).values)
    step = max(1, BLOCK_BYTES // record.itemsize)
    yield HEADER
    for start in range(0, count, step):
        yield _block(columns, record, slice(start, min(start + step, count)))
    yield TRAILER


def _block(columns: Mapping[str, Column], record: np.dtype[Any], rows: slice) -> bytes:
    count = rows.stop - rows.start
    records = np.empty(count, record)
    records["fields"] = len(columns)
    mask: NDArray[np.bool_] | None = None
    assert record.fields is not None
    for name, column in columns.items():
        column.layout(records, name, rows)
        present = column.present(rows)
        if present is not None:
            if mask is None:
                mask = np.ones((count, record.itemsize), np.bool_)
            offset = record.fields[name][1]
            mask[:, offset : offset + column.size] = present
    if mask is None:
        return records.tobytes()
    return records.view(np.uint8).reshape(count, record.itemsize)[mask].tobytes()


def _column(parts: Sequence[Values], kind: ColumnType, nullable: bool, name: str) -> Column:
    if kind == "text":
        return _text(parts, nullable, name)
    if all(isinstance(part, np.ndarray) and part.dtype != object for part in parts):
        joined = np.concatenate(parts) if len(parts) > 1 else np.asarray(parts[0])
        return _numbers(joined, _marked(joined) if nullable else None, kind, name)
    if any(isinstance(part, np.ndarray) for part in parts):
        pieces = [_column([part], kind, nullable, name) for part in parts]
        lengths = np.concatenate([np.broadcast_to(np.int32(piece.lengths), len(piece.values)) for piece in pieces])
        values = np.concatenate([piece.values for piece in pieces])
        return Column(values.astype(pieces[0].values.dtype), lengths)  # concatenation forgets the byte order
    given = list(chain.from_iterable(parts))
    null = np.fromiter((value is None for value in given), np.bool_, len(given)) if None in given else None
    if null is not None:
        given = [0 if value is None else value for value in given]
    return _numbers(np.array(given), null, kind, name, nullable)


def _marked(values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which values stand for NULL: NaN, or a negative whole number."""
    null = np.isnan(values) if values.dtype.kind == "f" else values < 0
    return null if null.any() else None


def _numbers(
    values: NDArray[Any], null: NDArray[np.bool_] | None, kind: ColumnType, name: str, nullable: bool = True
) -> Column:
    if null is not None and not nullable:
        raise ValueError(f"{name} has a NULL and may not")
    form, size = _NUMBERS[kind]
    if kind != "float8":
        if null is not None:
            values = np.where(null, 0, values)
        values = _whole(values, size, name)
        if kind == "timestamptz":
            values = values - POSTGRES_EPOCH_US
    lengths = size if null is None else np.where(null, np.int32(-1), np.int32(size))
    return Column(values.astype(form), lengths)


def _whole(values: NDArray[Any], size: int, name: str) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = values.astype(np.int64)
    if len(whole):
        if values.dtype.kind not in "iub" and not np.array_equal(whole, values):
            raise ValueError(f"{name} holds a number that is not whole")
        limit = 1 << (8 * size - 1)
        low, high = int(whole.min()), int(whole.max())
        if low < -limit or high >= limit:
            raise ValueError(f"{name} holds {low if low < -limit else high}, which does not fit {size} bytes")
    return whole


def _text(parts: Sequence[Values], nullable: bool, name: str) -> Column:
    """Each different text is encoded once: names and grades repeat."""
    given: list[str | None] = list(
        chain.from_iterable(part.tolist() if isinstance(part, np.ndarray) else part for part in parts)
    )
    number = {text: at for at, text in enumerate(set(given))}
    if None in number and not nullable:
        raise ValueError(f"{name} has a NULL and may not")
    encoded = [b"" if text is None else text.encode() for text in number]
    lengths = np.array(
        [-1 if text is None else len(code) for text, code in zip(number, encoded, strict=True)], np.int32
    )
    widest = max(1, int(lengths.max(initial=0)))
    at = np.fromiter(map(number.__getitem__, given), np.intp, len(given))
    same = len(lengths) > 0 and int(lengths.min()) == widest
    return Column(np.array(encoded, f"S{widest}")[at], widest if same else lengths[at])
