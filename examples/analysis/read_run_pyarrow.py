"""Read a run with pyarrow: python read_run_pyarrow.py RUN."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

run = Path(sys.argv[1])


def read(name: str) -> pa.Table:
    return pa.ipc.open_file(run / name).read_all()


metrics = read("metrics.arrow")
rmse = metrics.filter((pc.field("metric") == "rmse") & (pc.field("stage") == "analysis"))
for row in rmse.to_pylist():
    print(f"{row['filter']}: rmse {row['value']:.6f}")

# Members of the last cycle of the first trial: one row per member, one column per variable.
ensemble = pa.ipc.open_file(run / "ensemble" / "trial=0001" / "part-00000.arrow")
last = ensemble.get_batch(ensemble.num_record_batches - 1)
variables = last.schema.names[last.schema.names.index("parent") + 1 :]
for name in variables:
    column = last.column(name)
    values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
    print(f"{name}: mean {np.mean(values.to_numpy()):.6f}")
