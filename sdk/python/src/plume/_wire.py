"""Matrices as Arrow IPC streams: a row is a member, a column a variable."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import ContractError
from .layout import Layout

_BATCH_BYTES = 1 << 20


class Space:
    """A layout with what it takes to move its matrices."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.schema = layout, _schema(layout)
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
        matrix, at = self.empty(rows), 0
        try:
            reader = pa.ipc.open_stream(pa.PythonFile(source, mode="r"))
            if not reader.schema.equals(self.schema, check_metadata=False):
                raise ContractError(f"has the columns {reader.schema.names}", where=f"channel {name}")
            for batch in reader:
                if at + batch.num_rows > rows:
                    raise ContractError(f"got more than {rows} members", where=f"channel {name}")
                self._take(batch, matrix[at : at + batch.num_rows])
                at += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as e:
            raise ContractError(f"is not an Arrow stream of its layout: {e}", where=f"channel {name}") from e
        if at != rows:
            raise ContractError(f"got {at} members, want {rows}", where=f"channel {name}")
        return matrix

    def _take(self, batch: Any, into: NDArray[np.float64]) -> None:
        offset = 0
        for v, column in zip(self.layout.variables, batch.columns[1:], strict=True):
            values = column.flatten() if v.shape else column
            into[:, offset : offset + v.size] = values.to_numpy(zero_copy_only=True).reshape(len(into), v.size)
            offset += v.size

    def encode(self, matrix: NDArray[np.float64]) -> Iterator[Any]:
        """Returns the stream of matrix as buffers, windows on it where its layout has a
        single variable."""
        sink, step = _Sink(), max(1, _BATCH_BYTES // (8 * self.layout.size))
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), self.schema) as writer:
            for start in range(0, len(matrix), step):
                writer.write_batch(self._batch(matrix[start : start + step], start))
                yield from sink.drain()
        yield from sink.drain()

    def _batch(self, rows: NDArray[np.float64], start: int) -> Any:
        columns, at = [pa.array(np.arange(start, start + len(rows), dtype=np.int32))], 0
        for v, f in zip(self.layout.variables, list(self.schema)[1:], strict=True):
            values = pa.array(np.ascontiguousarray(rows[:, at : at + v.size]).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(values, type=f.type) if v.shape else values)
            at += v.size
        return pa.record_batch(columns, schema=self.schema)


class _Sink:
    """Holds what pyarrow writes; large buffers are not copied."""

    closed = False

    def __init__(self) -> None:
        self._buffers: list[Any] = []

    def write(self, buffer: Any) -> int:
        self._buffers.append(buffer)
        return len(buffer)

    def drain(self) -> list[Any]:
        drained, self._buffers = self._buffers, []
        return drained

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _schema(layout: Layout) -> Any:
    fields = [pa.field("member", pa.int32(), nullable=False)]
    for v in layout.variables:
        kind = pa.list_(pa.field("item", pa.float64()), v.size) if v.shape else pa.float64()
        meta = {"shape": ",".join(map(str, v.shape)), "dims": ",".join(v.dims), "unit": v.unit}
        fields.append(pa.field(v.name, kind, metadata=meta))
    return pa.schema(fields)


def _unused(items: list[Any], i: int) -> bool:
    """Says whether nothing refers to an item but its list; views of a matrix do."""
    return _count is not None and _count(items[i]) == _alone


_count = getattr(sys, "getrefcount", None)  # not every Python counts
_probe: list[Any] = [object()]
_alone = _count(_probe[0]) if _count else 0
