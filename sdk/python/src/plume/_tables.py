"""Arrow tables as numpy columns: files of a run, whole, under way or cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import nanoarrow as na
import numpy as np
from nanoarrow.c_array_stream import CArrayStream
from nanoarrow.ipc import InputStream
from numpy.typing import NDArray

_LIST = "+w:"  # of a fixed size, which follows
STANDARD = ("standard", "gregorian", "proleptic_gregorian")  # calendars with our months
DATES = "tsm:"  # milliseconds since 1970, without a time zone
_TYPES: dict[str, tuple[Any, Any]] = {
    "i": (na.int32(), np.int32),
    "l": (na.int64(), np.int64),
    "g": (na.float64(), np.float64),
    "f": (na.float32(), np.float32),
    DATES: (na.timestamp("ms"), "datetime64[ms]"),
}


class Dates(TypedDict):
    """Which dates the times of a model are: the one of time 0, and the seconds of a unit."""

    start: str
    unit_seconds: float
    calendar: str


@dataclass(frozen=True)
class Column:
    """The values of a column: one a row, or several where a variable has a shape. Where
    null says so, a value means nothing."""

    type: str  # as Arrow's C interface writes it: i, l, g, f, u, tsm: or +w:SIZE
    meta: dict[str, str]  # unit, shape and dims of a variable
    values: NDArray[Any]
    null: NDArray[np.bool_] | None = None

    def plain(self) -> NDArray[Any]:
        """Returns the values; null is NaN, NaT of a date, or None in a column of texts."""
        if self.null is None:
            return self.values
        if self.type == DATES:
            return np.where(self.null, np.datetime64("NaT"), self.values)
        nothing = np.array(np.nan, np.float32 if self.values.dtype == np.float32 else None)
        return np.where(self.null, np.array(None) if self.type == "u" else nothing, self.values)

    def nulls(self) -> NDArray[np.bool_]:
        """Says of every value whether it is null."""
        return np.zeros(self.values.shape, bool) if self.null is None else self.null

    def taken(self, rows: NDArray[np.int_], null: NDArray[np.bool_]) -> Column:
        """Returns the column with the rows that are given, and null where that says so."""
        return replace(self, values=self.values[rows], null=self.nulls()[rows] | null)

    def where(self, rows: NDArray[np.bool_]) -> Column:
        """Returns those rows."""
        return replace(self, values=self.values[rows], null=None if self.null is None else self.null[rows])

    def absent(self, rows: int) -> Column:
        """Returns a column like this one in which all is null."""
        values = np.zeros((rows, *self.values.shape[1:]), self.values.dtype)
        return replace(self, values=values, null=np.ones(values.shape, bool))

    def arrow(self, name: str) -> tuple[Any, Any]:
        """Returns the column as an Arrow array, and its field."""
        valid = None if self.null is None else np.packbits(~self.null.reshape(-1), bitorder="little")
        if self.type == "u":
            texts = [str(text or "").encode() for text in self.values]
            kind, buffers = na.string(), [np.cumsum([0, *map(len, texts)], dtype=np.int32), b"".join(texts)]
        else:
            values = self.values.reshape(-1)
            items = "f" if values.dtype == np.float32 else "g"
            kind = _TYPES[items if self.type.startswith(_LIST) else self.type][0]
            buffers = [values.view(np.int64) if self.type == DATES else values]
        array = na.c_array_from_buffers(kind, self.values.size, [valid, *buffers])
        if self.type.startswith(_LIST):
            kind = na.fixed_size_list(kind, self.values.shape[1])
            array = na.c_array_from_buffers(kind, len(self.values), [None], children=[array])
        return array, na.c_schema(kind).modify(name=name, metadata=self.meta)


@dataclass(frozen=True)
class Table:
    """Columns by name, all of as many rows. Whatever knows Arrow takes it over: pyarrow,
    polars, DuckDB."""

    columns: dict[str, Column]

    def __len__(self) -> int:
        return next((len(c.values) for c in self.columns.values()), 0)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        arrays, fields = zip(*(c.arrow(name) for name, c in self.columns.items()), strict=True)
        schema = na.c_schema(na.struct(list(fields), nullable=False))
        whole = na.c_array_from_buffers(schema, len(self), [None], children=arrays)
        return CArrayStream.from_c_arrays([whole], schema).__arrow_c_stream__(requested_schema)

    def where(self, wanted: Mapping[str, Any]) -> Table:
        """Returns the rows in which the columns of wanted, if there are such, hold what it says."""
        rows = np.ones(len(self), bool)
        for name, value in wanted.items():
            if name in self.columns:
                rows &= self.columns[name].values == value
        return self if rows.all() else self.pick(rows)

    def pick(self, rows: NDArray[np.bool_]) -> Table:
        """Returns those rows."""
        return Table({name: c.where(rows) for name, c in self.columns.items()})


def dates_of(times: NDArray[np.float64], dates: Dates) -> NDArray[np.datetime64]:
    """Returns model times as dates of a calendar that has the months of ours."""
    passed = np.rint(times * dates["unit_seconds"] * 1e3).astype("timedelta64[ms]")
    found: NDArray[np.datetime64] = np.datetime64(dates["start"].removesuffix("Z"), "ms") + passed
    return found


def read(path: Path, wanted: Mapping[str, Any]) -> Table:
    """Returns the rows of a file that are as wanted says, see [Table.where]."""
    return together([batch.where(wanted) for batch in batches(path)])


def batches(path: Path) -> Iterator[Table]:
    """Returns the columns of a file, without rows, and then its batches, one after the other. A
    file under way, NAME.part, is a stream from byte 8 on, and its last batch may be cut. Raises
    FileNotFoundError where that has no batch yet, and ValueError where a file is damaged."""
    under_way, begun = path.suffix == ".part", False
    with path.open("rb") as file:
        try:
            if not (under_way or _ended(file)):
                raise RuntimeError("it does not end as a file of Arrow does")
            file.seek(8)
            stream = na.c_array_stream(InputStream.from_readable(file))
            first = _table(stream.get_schema(), None)
            begun = True
            yield first
            for batch in stream:
                yield _table(stream.get_schema(), batch)
        except RuntimeError as e:  # nanoarrow's own error is one
            if not under_way:
                raise ValueError(f"{path} is damaged: {e}") from e
            if not begun:
                raise FileNotFoundError(f"{path} has no batch yet") from None


def together(tables: list[Table]) -> Table:
    """Returns the rows of all tables; a column that one of them lacks is null there. Raises
    ValueError where columns of one name have two types."""
    first: dict[str, Column] = {}
    for table in tables:
        for name, column in table.columns.items():
            if first.setdefault(name, column).type != column.type:
                raise ValueError(f"column {name}: differs in type or size between parts; read them one by one")
    return Table(
        {name: _joined([t.columns.get(name) or like.absent(len(t)) for t in tables]) for name, like in first.items()}
    )


def _joined(parts: list[Column]) -> Column:
    null = [p.nulls() for p in parts]
    some = any(p.null is not None and len(p.null) for p in parts)
    values = np.concatenate([p.values for p in parts])
    return replace(parts[0], values=values, null=np.concatenate(null) if some else None)


def _ended(file: Any) -> bool:
    """Says whether a file begins and ends as one that Arrow has finished."""
    begin, size = file.read(6), file.seek(0, 2)
    file.seek(max(0, size - 6))
    return bool(begin == file.read(6) == b"ARROW1")


def _table(schema: Any, batch: Any) -> Table:
    view = None if batch is None else batch.view()
    return Table({c.name: _column(c, view and view.child(i)) for i, c in enumerate(schema.children)})


def _column(schema: Any, data: Any) -> Column:
    """Returns a column of a batch; of none when data is None."""
    meta = {k.decode(): v.decode() for k, v in schema.metadata.items()} if schema.metadata else {}
    if schema.format.startswith(_LIST):
        size = int(schema.format[len(_LIST) :])
        items = _column(schema.child(0), data and data.child(0))
        null = None if items.null is None else items.null.reshape(-1, size)
        if (rows := _nulls(data)) is not None:
            null = rows[:, None] | (np.zeros((len(rows), size), bool) if null is None else null)
        return Column(schema.format, meta, items.values.reshape(-1, size), null)
    if schema.format == "u":
        return Column("u", meta, _texts(data), _nulls(data))
    kind = _TYPES[schema.format][1]
    return Column(schema.format, meta, np.array(data.buffer(1)) if data else np.empty(0, kind), _nulls(data))


def _nulls(data: Any) -> NDArray[np.bool_] | None:
    if data is None or not data.null_count:
        return None
    bits: NDArray[np.uint8] = np.frombuffer(data.buffer(0), np.uint8)
    return ~np.unpackbits(bits, count=data.length, bitorder="little").view(np.bool_)


def _texts(data: Any) -> NDArray[Any]:
    if data is None:
        return np.empty(0, object)
    ends, raw = np.asarray(data.buffer(1)).tolist(), bytes(data.buffer(2))
    text = raw.decode()
    if len(text) == len(raw):  # a letter is a byte
        return np.array([text[a:b] for a, b in itertools.pairwise(ends)], object)
    return np.array([raw[a:b].decode() for a, b in itertools.pairwise(ends)], object)
