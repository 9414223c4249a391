"""Matrices as Arrow IPC streams: a row is a member, a column a variable."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import nanoarrow as na
import numpy as np
from nanoarrow.ipc import InputStream, StreamWriter
from numpy.typing import NDArray

from .errors import ContractError
from .layout import Layout

_BATCH_BYTES = 1 << 20
_END = b"\xff\xff\xff\xff\0\0\0\0"


class Space:
    """A layout with what it takes to move its matrices: of float64, which travel as values
    of a type."""

    def __init__(self, layout: Layout, values: type[np.floating[Any]] = np.float64) -> None:
        self.layout, self.values = layout, np.dtype(values)
        self.schema = _schema(layout, na.float32() if values is np.float32 else na.float64())
        self._columns = _columns(self.schema)
        self._heads: dict[int, tuple[bytes, bytes]] = {}
        self._turn = threading.Lock()
        self._matrices: list[NDArray[np.float64]] = []

    def empty(self, rows: int) -> NDArray[np.float64]:
        """Returns a (rows, n) matrix of any content. One that nothing refers to any more
        is used again: fresh memory costs as much as the copy into it."""
        with self._turn:
            idle = [i for i in range(len(self._matrices)) if _unused(self._matrices, i)]
            for i in idle:
                if len(self._matrices[i]) == rows:
                    return self._matrices[i]
            matrix = np.empty((rows, self.layout.size))
            self._matrices = [m for i, m in enumerate(self._matrices) if i not in idle] + [matrix]
            return matrix

    def decode(self, source: Any, rows: int, name: str) -> NDArray[np.float64]:
        """Returns the (rows, n) matrix whose stream source holds; raises ContractError."""
        matrix, at, where = self.empty(rows), 0, f"channel {name}"
        try:
            stream = na.c_array_stream(InputStream.from_readable(source))
            columns = _columns(stream.get_schema())
            if columns != self._columns:
                raise ContractError(f"has the columns {[c[0] for c in columns]}", where=where)
            for batch in stream:
                if at + batch.length > rows:
                    raise ContractError(f"got more than {rows} members", where=where)
                self._take(batch.view(), matrix[at : at + batch.length])
                at += batch.length
        except (RuntimeError, ValueError) as e:  # nanoarrow's errors are of the first kind
            if (failed := getattr(source, "failed", None)) is not None:
                raise failed from None
            raise ContractError(f"is not an Arrow stream of its layout: {e}", where=where) from e
        if at != rows:
            raise ContractError(f"got {at} members, want {rows}", where=where)
        return matrix

    def _take(self, batch: Any, into: NDArray[np.float64]) -> None:
        offset = 0
        for i, v in enumerate(self.layout.variables, 1):
            column = batch.child(i)
            values = column.child(0) if v.shape else column
            if column.null_count or values.null_count:
                raise ValueError(f"{v.name} has nulls")
            into[:, offset : offset + v.size] = np.asarray(values.buffer(1)).reshape(len(into), v.size)
            offset += v.size

    def encode(self, matrix: NDArray[np.float64]) -> Iterator[Any]:
        """Returns the stream of matrix as buffers, windows on it where its layout has a
        single variable of float64. What is beyond the range of float32 is infinite there."""
        step = max(1, _BATCH_BYTES // (self.values.itemsize * self.layout.size))
        yield self._head(1)[0]
        for start in range(0, len(matrix), step):
            rows = matrix[start : start + step]
            yield self._head(len(rows))[1]
            yield _members(start, len(rows))
            at = 0
            for v in self.layout.variables:
                yield self._column(rows[:, at : at + v.size])
                at += v.size
        yield _END

    def _column(self, part: NDArray[np.float64]) -> NDArray[Any]:
        """Returns the values of a variable as they travel."""
        with np.errstate(over="ignore"):
            return _filled(np.ascontiguousarray(part, self.values))

    def _head(self, rows: int) -> tuple[bytes, bytes]:
        """Returns the messages before the values of a batch of so many rows: that of the
        schema, and that of the lengths, which all batches of as many rows have in common."""
        if rows not in self._heads:
            written = _Sink()
            with StreamWriter.from_writable(written) as writer:
                writer.write_array(_zeros(self.schema, rows))
            schema = _message(written.data, 0)
            batch = _message(written.data, len(schema))
            sizes = (rows * v.size * self.values.itemsize for v in self.layout.variables)
            body = _members(0, rows).nbytes + sum((size + 7) // 8 * 8 for size in sizes)
            if len(written.data) != len(schema) + len(batch) + body + len(_END):
                raise AssertionError(f"nanoarrow {na.__version__} lays out batches in another way")
            self._heads[rows] = schema, batch
        return self._heads[rows]


class _Sink:
    """Holds what nanoarrow writes."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, buffer: Any) -> int:
        self.data += bytes(buffer)
        return len(buffer)


def _message(stream: bytes, at: int) -> bytes:
    """Returns the message that begins there: a mark, a length, and so many bytes."""
    return stream[at : at + 8 + int.from_bytes(stream[at + 4 : at + 8], "little")]


def _members(start: int, rows: int) -> NDArray[np.int32]:
    """Returns the numbers of members from start on."""
    return _filled(np.arange(start, start + rows, dtype=np.int32))


def _filled(values: NDArray[Any]) -> NDArray[Any]:
    """Returns values filled up to a multiple of eight bytes."""
    short = -values.nbytes % 8 // values.itemsize
    return np.append(values, np.zeros(short, values.dtype)) if short else values


def _schema(layout: Layout, value: Any) -> Any:
    fields = [na.c_schema(na.int32(nullable=False)).modify(name="member")]
    for v in layout.variables:
        kind = na.fixed_size_list(value, v.size) if v.shape else value
        meta = {"shape": ",".join(map(str, v.shape)), "dims": ",".join(v.dims), "unit": v.unit}
        fields.append(na.c_schema(kind).modify(name=v.name, metadata=meta))
    return na.c_schema(na.struct(fields, nullable=False))


def _columns(schema: Any) -> list[tuple[str, str, int, list[str]]]:
    """Returns what counts of a schema: names, types, and which columns may have nulls."""
    return [(c.name, c.format, c.flags, [k.format for k in c.children]) for c in schema.children]


_TYPES = {"i": np.int32, "f": np.float32, "g": np.float64}


def _zeros(schema: Any, rows: int) -> Any:
    kind = schema.format
    inner = rows * int(kind[3:]) if kind.startswith("+w:") else rows
    return na.c_array_from_buffers(
        schema,
        rows,
        [None] if kind.startswith("+") else [None, np.zeros(rows, _TYPES[kind])],
        null_count=0,
        children=[_zeros(child, inner) for child in schema.children],
    )


def _unused(items: list[Any], i: int) -> bool:
    """Says whether nothing refers to an item but its list; views of a matrix do."""
    return _count is not None and _count(items[i]) == _alone


_count = getattr(sys, "getrefcount", None)  # not every Python counts
_probe: list[Any] = [object()]
_alone = _count(_probe[0]) if _count else 0
