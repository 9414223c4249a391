"""Matrices as Arrow IPC streams: a row is a member, a column a variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import ContractError
from .layout import Layout

BATCH_BYTES = 1 << 20


def schema(layout: Layout) -> Any:
    """Returns the Arrow schema of matrices of layout."""
    fields = [pa.field("member", pa.int32(), nullable=False)]
    for v in layout.variables:
        kind = pa.list_(pa.field("item", pa.float64()), v.size) if v.shape else pa.float64()
        meta = {"shape": ",".join(map(str, v.shape)), "dims": ",".join(v.dims), "unit": v.unit}
        fields.append(pa.field(v.name, kind, metadata=meta))
    return pa.schema(fields)


def encode(layout: Layout, matrix: NDArray[np.float64]) -> Any:
    """Returns the stream of matrix as a buffer."""
    sink, s = pa.BufferOutputStream(), schema(layout)
    step = max(1, BATCH_BYTES // (8 * layout.size))
    with pa.ipc.new_stream(sink, s) as writer:
        for start in range(0, len(matrix), step):
            writer.write_batch(_batch(layout, s, matrix[start : start + step], start))
    return sink.getvalue()


def _batch(layout: Layout, s: Any, rows: NDArray[np.float64], start: int) -> Any:
    columns, at = [pa.array(np.arange(start, start + len(rows), dtype=np.int32))], 0
    for v, f in zip(layout.variables, list(s)[1:], strict=True):
        values = pa.array(np.ascontiguousarray(rows[:, at : at + v.size]).reshape(-1))
        columns.append(pa.FixedSizeListArray.from_arrays(values, type=f.type) if v.shape else values)
        at += v.size
    return pa.record_batch(columns, schema=s)


def decode(layout: Layout, pieces: Sequence[Any], rows: int, name: str) -> NDArray[np.float64]:
    """Returns the (rows, n) matrix whose stream comes in pieces; raises ContractError."""
    matrix, at = np.empty((rows, layout.size)), 0
    try:
        for batch in _batches(layout, pieces):
            if at + batch.num_rows > rows:
                raise ContractError(f"got more than {rows} members", where=f"channel {name}")
            offset = 0
            for v, column in zip(layout.variables, batch.columns[1:], strict=True):
                values = column.flatten() if v.shape else column
                block = values.to_numpy(zero_copy_only=True).reshape(batch.num_rows, v.size)
                matrix[at : at + batch.num_rows, offset : offset + v.size] = block
                offset += v.size
            at += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise ContractError(f"is not an Arrow stream of its layout: {e}", where=f"channel {name}") from e
    if at != rows:
        raise ContractError(f"got {at} members, want {rows}", where=f"channel {name}")
    return matrix


def _batches(layout: Layout, pieces: Sequence[Any]) -> Iterator[Any]:
    reader = pa.ipc.open_stream(pa.py_buffer(pieces[0] if len(pieces) == 1 else b"".join(pieces)))
    if not reader.schema.equals(schema(layout), check_metadata=False):
        raise ContractError(f"has the columns {reader.schema.names}", where="arrow stream")
    yield from reader
