"""Compares exports of a run with the run, value by value, as other libraries read both.

python check.py RUN DIR: DIR holds the exports FORMAT-LAYOUT.
"""

import sys
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq
import xarray as xr
import zarr

run, out = Path(sys.argv[1]), Path(sys.argv[2])


def stored(name):
    return pa.ipc.open_file(run / f"{name}.arrow").read_all()


def values(table, name):
    """The values of a variable, NaN where one is null, (row, value)."""
    column = table[name].combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return column.to_numpy(zero_copy_only=False).reshape(-1, 1)


MEMBERS, OBSERVATIONS = "ensemble/trial=0001/part-00000", "observations"
names = ["cycles", OBSERVATIONS, MEMBERS, "truth/replicate=001/part-00000"]

for name in names:
    # native: pyarrow reads the same table, types, nulls and metadata included
    table = pq.read_table(out / "parquet-native" / f"{name}.parquet")
    assert table.schema.equals(stored(name).schema, check_metadata=False), name
    assert all(
        a.metadata == b.metadata or b.metadata is None or a.metadata.items() >= b.metadata.items()
        for a, b in zip(table.schema, stored(name).schema)
    ), name
    assert [c.null_count for c in table.columns] == [c.null_count for c in stored(name).columns], name
    for c in table.column_names:
        a, b = table[c].combine_chunks(), stored(name)[c].combine_chunks()
        if pa.types.is_fixed_size_list(a.type):
            assert a.flatten().is_null().equals(b.flatten().is_null()), (name, c)
            a, b = a.flatten(), b.flatten()
        np.testing.assert_array_equal(a.to_pandas(), b.to_pandas(), f"{name}: {c}")
    codec = pq.ParquetFile(out / "parquet-native" / f"{name}.parquet").metadata.row_group(0).column(0).compression
    assert codec == "ZSTD", codec

# wide: pandas, polars and DuckDB, from Parquet and CSV
u = values(stored(MEMBERS), "u")
wide = out / "parquet-wide" / f"{MEMBERS}.parquet"
for frame in (
    pd.read_parquet(wide),
    pl.read_parquet(wide).to_pandas(),
    duckdb.sql(f"from '{wide}'").df(),
    pd.read_csv(out / "csv-wide" / f"{MEMBERS}.csv", float_precision="round_trip"),
):
    np.testing.assert_array_equal(frame[["u_0_0", "u_0_1", "u_1_0", "u_1_1"]].to_numpy().astype(u.dtype), u)
    np.testing.assert_array_equal(frame["level"].to_numpy().astype(u.dtype), values(stored(MEMBERS), "level")[:, 0])
    assert list(frame["stage"]) == stored(MEMBERS)["stage"].to_pylist()
    assert list(frame["parent"].isna()) == stored(MEMBERS)["parent"].is_null().to_pylist()

# tidy: one row per value, in any order
tidy = duckdb.sql(
    f"from '{out}/parquet-tidy/{MEMBERS}.parquet' where variable = 'u' order by cycle, stage desc, member, index"
).df()
np.testing.assert_array_equal(tidy["value"].to_numpy().reshape(u.shape), u)
csv = pd.read_csv(out / "csv-tidy" / f"{MEMBERS}.csv", float_precision="round_trip")
csv = csv[csv.variable == "u"].sort_values(["cycle", "stage", "member", "index"], ascending=[True, False, True, True])
np.testing.assert_array_equal(csv["value"].to_numpy().reshape(u.shape).astype(u.dtype), u)

# what was not observed is null, and an empty field
missing = values(stored(OBSERVATIONS), "u")
np.testing.assert_array_equal(
    pd.read_csv(out / "csv-wide" / "observations.csv")[["u_0_0", "u_0_1", "u_1_0", "u_1_1"]], missing
)
assert np.isnan(missing).any()
scores = pd.read_csv(out / "csv-wide" / "cycles.csv", keep_default_na=False)
assert list(scores["w2_reference"]) == ["", "NaN", "0.1"], scores

# tensor: pyarrow knows the type and the shape
tensor = pq.read_table(out / "parquet-tensor" / f"{MEMBERS}.parquet")["u"]
assert tensor.type.shape == [2, 2] and tensor.type.dim_names == ["a", "b"], tensor.type
np.testing.assert_array_equal(tensor.combine_chunks().to_numpy_ndarray(), u.reshape(-1, 2, 2))

# netCDF: xarray finds dimensions, coordinates and units
arrays = {stage: xr.open_dataset(out / "netcdf-tensor" / f"{MEMBERS}.{stage}.nc") for stage in ("forecast", "analysis")}
for stage, data in arrays.items():
    members = stored(MEMBERS).filter(pc.equal(stored(MEMBERS)["stage"], stage))
    assert data.u.dims == ("cycle", "member", "a", "b") and data.u.shape == (3, 2, 2, 2), data.u
    assert data.u.dtype.type == u.dtype, data.u
    np.testing.assert_array_equal(data.u.values.reshape(-1, 4), values(members, "u"))
    np.testing.assert_array_equal(data.log_weight.values.reshape(-1), values(members, "log_weight")[:, 0])
    assert data.level.units == "m" and data.attrs["Conventions"] == "CF-1.11" and data.attrs["stage"] == stage
    assert (data.attrs["trial"], data.attrs["replicate"], data.attrs["filter"]) == (1, 1, "etkf"), data.attrs
    assert list(data.cycle.values) == [1, 2, 3] and list(data.u.time.values) == [0.5, 1, 1.5]
    assert np.isnan(data.parent.values).all() == (stage == "forecast")
assert list(arrays["analysis"].parent.values[0]) == [1, 0]
truth = xr.open_dataset(out / "netcdf-tensor" / "truth/replicate=001/part-00000.nc")
np.testing.assert_array_equal(truth.u.values.reshape(-1, 4), values(stored(names[3]), "u"))
observed = xr.open_dataset(out / "netcdf-tensor" / "observations.nc")
np.testing.assert_array_equal(observed.u.values.reshape(-1, 4), missing)

# Zarr: the same arrays, however they are cut, and with the metadata of all groups in one file
warnings.simplefilter("error")
for store in out.glob("zarr-*"):
    tree = xr.open_datatree(store, engine="zarr")
    for stage, data in arrays.items():
        for found in (tree[stage].to_dataset(), xr.open_zarr(store, group=stage)):
            assert found.u.dims == ("trial", "cycle", "member", "a", "b") and found["filter"].values.tolist() == ["etkf"]
            assert found.trial.values.tolist() == found.replicate.values.tolist() == [1]
            one = found.load().squeeze("trial").drop_vars(["trial", "filter", "replicate"])
            xr.testing.assert_identical(one.drop_attrs(deep=False), data.load().drop_attrs(deep=False))
            assert found.attrs == data.attrs and found.u.dtype == data.u.dtype
    xr.testing.assert_identical(tree["truth"].to_dataset().load().squeeze("replicate", drop=True), truth.load())
    xr.testing.assert_identical(xr.open_zarr(store, group="observations").load(), observed.load())
    member = zarr.open(store, mode="r")["analysis/u"]
    assert member.metadata.zarr_format == 3 and member.metadata.dimension_names == ("trial", "cycle", "member", "a", "b")
    assert store.name != "zarr-tensor" or member.chunks == (1, 3, 2, 2, 2)
    assert store.name != "zarr-8" or member.chunks[:4] == (1, 1, 1, 1)
print("equal")
