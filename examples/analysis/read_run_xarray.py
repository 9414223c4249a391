"""Read the members of a run with xarray: python read_run_xarray.py RUN."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import xarray as xr

run = Path(sys.argv[1])


def dataset(table: pa.Table, **dims: int) -> xr.Dataset:
    """Arrays of the variables of a table, (*dims, ...), with their units."""
    arrays = {}
    for field in table.schema:
        meta = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        if "shape" not in meta:
            continue  # an index
        shape = [int(k) for k in meta["shape"].split(",") if k]
        column = table[field.name].combine_chunks()
        values = (column.flatten() if shape else column).to_numpy(zero_copy_only=False)
        names = [f"{field.name}_{i}" for i in range(len(shape))]
        arrays[field.name] = ((*dims, *names), values.reshape(*dims.values(), *shape), {"units": meta["unit"]})
    return xr.Dataset(arrays)


table = pa.ipc.open_file(run / "ensemble" / "trial=0001" / "part-00000.arrow").read_all()
table = table.filter(pc.field("stage") == "analysis")
size = pc.max(table["member"]).as_py() + 1
members = dataset(table, cycle=table.num_rows // size, member=size)
truth = pa.ipc.open_file(run / "truth" / "replicate=001" / "part-00000.arrow").read_all()
truth = dataset(truth, cycle=truth.num_rows).isel(cycle=slice(1, None))  # cycle 0 has no members

for name, x in members.items():
    error = x.mean("member") - truth[name]
    print(f"{name}: rms error of the mean {float(np.sqrt((error**2).mean())):.6f} {x.units}")
    ranks = (x < truth[name]).sum("member")
    print(f"{name}: ranks {np.bincount(ranks.values.ravel(), minlength=size + 1)}")
