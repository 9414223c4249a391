"""What mypy says about the calls of plume: none of them returns Any. make python checks it."""

from collections.abc import Iterator
from typing import Any, assert_type

import pandas
import plume
import polars
import pyarrow  # type: ignore[import-untyped]
import xarray
from numpy.typing import NDArray

twin: plume.Workflow = {
    "time": {"cycles": 5, "interval": 0.1},
    "filter": [{"label": "mine", "plugin": "mine", "params": {"inflation": 1.05}}],
}
misspelt: plume.Workflow = {"time": {"cycels": 5}}  # type: ignore[typeddict-unknown-key]
wrong: plume.Workflow = {"time": {"cycles": 5.5}}  # type: ignore[typeddict-item]


def calls(mine: type[plume.Filter]) -> None:
    """Is checked, and never called."""
    run = plume.run("twin.toml", set={"time.cycles": 5}, sweep={"replicate": range(1, 3)}, plugins={"mine": mine})
    assert_type(run, plume.Run)
    assert_type(plume.resume(run), plume.Run)
    assert_type(plume.runs(), list[plume.Run])
    assert_type(plume.validate(twin), list[plume.Finding])
    assert_type(plume.plan({}), plume.Plan)
    assert_type(plume.to_toml(twin), str)
    comparison = plume.compare(run, metric="rmse")
    assert_type(comparison, plume.Comparison)
    assert_type(comparison[0], plume.Compared)
    assert_type(comparison.of("mine", inflation=1.0).difference, plume.Difference | None)
    assert_type(comparison.table(), pandas.DataFrame)
    assert_type(comparison.table("polars"), polars.DataFrame)
    assert_type(run.manifest, plume.Manifest)
    assert_type(run.manifest["trials"], dict[str, int])
    assert_type(run.table("cycles"), pandas.DataFrame)
    assert_type(run.table("cycles", "polars"), polars.DataFrame)
    assert_type(run.table("cycles", "pyarrow"), pyarrow.Table)
    assert_type(run.table("cycles", "numpy"), dict[str, NDArray[Any]])
    assert_type(run.scores("rmse"), pandas.DataFrame)
    assert_type(run.scores("rmse", "polars"), polars.DataFrame)
    assert_type(run.trials(filter="mine"), list[int])
    assert_type(run.ensemble(), xarray.Dataset)
    assert_type(run.truth(), xarray.Dataset)
    assert_type(run.reference(), xarray.Dataset)
    assert_type(run.observations(), xarray.Dataset)
    assert_type(run.inference_data(), xarray.DataTree)
    assert_type(run.dates, plume.Dates | None)
    assert_type(run.forecasts(of="observed", last=True), pandas.DataFrame)
    assert_type(run.forecasts("polars", variable="level"), polars.DataFrame)
    assert_type(run.forecasts("xarray", filter="mine"), xarray.Dataset)
    assert_type(run.forecast_scores("rmse"), pandas.DataFrame)
    assert_type(run.blocks("analysis", 1, 1e9), Iterator[xarray.Dataset])
    assert_type(plume.bench("sakov2008-lorenz96", {"mine": {"inflation": 1.01}}), plume.Run)
    assert_type(plume.testing.analyse(mine(), [[0.0]], 1.0).ensemble, plume.Array)
