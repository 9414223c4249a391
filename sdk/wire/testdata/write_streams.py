"""Writes the streams that TestReadsPyarrow reads, with pyarrow: python write_streams.py DIR."""
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.ipc


def table(rows: int, kind: type = np.float64) -> pa.Table:
    values = np.arange(rows * 18, dtype=kind).reshape(rows, 18) + kind(0.25)

    def lists(block):
        return pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), block.shape[1])

    return pa.table(
        {
            "member": pa.array(range(rows), pa.int32()),
            "level": pa.array(values[:, 0]),
            "u": lists(values[:, 1:13]),
            "t": lists(values[:, 13:]),
        }
    )


def write(path: pathlib.Path, batches: list[pa.RecordBatch]) -> None:
    with pa.ipc.new_stream(path, batches[0].schema) as stream:
        for batch in batches:
            stream.write_batch(batch)


out = pathlib.Path(sys.argv[1])
write(out / "pyarrow-one.arrows", table(4).to_batches())
write(out / "pyarrow-batches.arrows", table(9).to_batches(max_chunksize=4))
long = table(9)
write(out / "pyarrow-sliced.arrows", long.slice(0, 2).to_batches() + long.slice(2, 3).to_batches())
write(out / "pyarrow-single.arrows", table(5, np.float32).to_batches(max_chunksize=3))
