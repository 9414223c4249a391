"""Dates, units and positions: in exports as xarray, pandas and others read them, and in the reader."""

import json
import subprocess
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import plume as kit
import polars as pl
import pytest
import xarray as xr
from conftest import PLUME, ROOT, plume

START = np.datetime64("2026-03-01T00:00", "ns")
TANK = {
    "experiment": {"name": "tank", "seed": 11},
    "time": {
        "start": datetime(2026, 3, 1, tzinfo=timezone.utc),
        "unit": "1h",
        "interval": "90min",
        "cycles": 12,
        "burn_in": 2,
    },
    "model": {
        "plugin": "linear",
        "params": {"variables": ["level", "inflow"], "units": ["m", "m h-1"], "matrix": [0, 1, 0, -0.2]},
        "noise": {"sd": [0.02, 0.05], "per": "sqrt_time"},
    },
    "truth": {"init": [2.0, 0.1]},
    "observations": {
        "plugin": "obs-nonlinear",
        "params": {"operator": "identity", "variables": ["level"]},
        "error": {"sd": 0.05},
    },
    "ensemble": {"size": 10, "init": {"dist": "normal", "around": "truth", "sd": 0.1}},
    "filter": [
        {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}, "smooth": {"lag": 3}},
        {"label": "enkf", "plugin": "filter-enkf", "params": {"scheme": "stochastic", "adaptive_inflation": True}},
    ],
    "forecast": {"horizon": "6h", "exceed": [{"variable": "level", "above": [2.0]}]},
    "output": {"ensemble": "both"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs workflows: a name below workflows, or a dict."""
    made = {}

    def make(name, workflow=None, **options):
        if name not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PLUME", PLUME)
                found = ROOT / "workflows" / f"{name}.toml" if workflow is None else workflow
                folder = tmp_path_factory.mktemp("runs")
                made[name] = kit.run(found, run_dir=folder, in_process=True, **options)
        return made[name]

    return make


def export(run, to, form):
    code, said = plume("export", run.path, "--to", to, "--format", form, "--quiet")
    assert code == 0, said
    return to


def opened(path):
    """Opens an array as anybody would, without a word about times."""
    with xr.open_dataset(path) as data:
        return data.load()


def same(ours, export):
    """The reader and the export say the same: values, coordinates, attributes of each, and what they are of."""
    mine, its = (
        {name: data.attrs.get(name) for name in ("run", "trial", "replicate", "truth", "reference", "filter", "plugin")}
        for data in (ours, export)
    )
    assert mine == its
    xr.testing.assert_equal(ours, export)
    for name in export.variables:
        assert ours[name].attrs == export[name].attrs, name
        assert ours[name].attrs.get("long_name"), name


def every_array(run, to):
    """Returns every export of arrays of a run with what the reader has."""
    folder = export(run, to, "netcdf")
    for file in sorted(folder.rglob("*.nc")):
        kind, *rest = file.relative_to(folder).with_suffix("").parts
        data = opened(file)
        if kind in ("ensemble", "smoothed"):
            yield data, run.ensemble(data.attrs["stage"], int(rest[0].removeprefix("trial=")))
        elif kind == "forecasts":
            trial = int(data.attrs["trial"])
            assert rest == [f"trial={trial:04d}.{data.attrs['of']}"]
            yield data, run.forecasts("xarray", of=data.attrs["of"], filter=data.attrs["filter"])
        elif kind == "reference":
            yield data, run.reference()
        else:
            yield data, run.truth() if kind == "truth" else run.observations()


def test_a_dated_twin(run, tmp_path):
    """Cycle k of the twin, its smoothed states and forecasts included, is at 90 k minutes."""
    tank = run("tank", TANK)
    stages, ahead = set(), set()
    for data, ours in every_array(tank, tmp_path / "arrays"):
        if "lead" in data.dims:
            data["statistic"] = data.statistic.astype(str)  # netCDF 3 has bytes
            same(ours, data)
            assert data.valid.dtype == data.time.dtype == "datetime64[ns]"
            assert data.time.attrs["standard_name"] == "forecast_reference_time"
            assert (data.attrs["trial"], data.attrs["of"]) == (ours.attrs["trial"], ours.attrs["of"])
            assert (data.attrs["replicate"], data.attrs["truth"]) == (1, 0)
            ahead.add((data.attrs["filter"], data.attrs["of"]))
            continue
        same(ours, data)
        assert data.time.dtype == "datetime64[ns]"
        assert (data.time.values == START + data.cycle.values * np.timedelta64(90, "m")).all()
        assert data.model_time.values.tolist() == (1.5 * data.cycle.values).tolist()
        assert {"level": "m", "inflow": "m h-1"}.items() >= {v: data[v].units for v in data if "units" in data[v].attrs
                                                             and v != "log_weight"}.items()  # fmt: skip
        stages.add(data.attrs.get("stage"))
        if data.attrs.get("stage") == "smoothed":
            assert data.lag.values.tolist() == [3] * 9 + [2, 1, 0][: len(data.cycle) - 9]
    assert stages == {None, "forecast", "analysis", "smoothed"}
    assert ahead == {(f, of) for f in ("enkf", "etkf") for of in ("state", "observed")}
    assert tank.observations().level.units == "m"  # through the identity


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_dates_of_tables(run, tmp_path, form):
    """Every table with times has their dates, in every format, and in the reader."""
    tank = run("tank", TANK)
    folder = export(tank, tmp_path / form, form)
    dated = set()
    for file in sorted(folder.rglob(f"*.{form}")):
        name = str(file.relative_to(folder).with_suffix(""))
        theirs = pd.read_csv(file) if form == "csv" else pd.read_parquet(file)
        ours = tank.table(name)
        for time, date in (("time", "date"), ("valid", "valid_date")):
            assert (time in theirs) == (date in theirs)
            assert "cycle" not in theirs or "date" in theirs, name
            assert (date in theirs) == (date in ours)
            if date not in theirs or not len(theirs):
                continue
            want = START + np.rint(theirs[time] * 3600e3).to_numpy().astype("timedelta64[ms]")
            found = pd.to_datetime(theirs[date]).dt.tz_localize(None) if form == "csv" else theirs[date]
            assert (found.to_numpy() == want).all(), name
            assert (ours[date].to_numpy() == want).all(), name
            assert list(ours.columns).index(date) == list(ours.columns).index(time) + 1
            dated.add(name.split("/")[0])
    assert dated == {"cycles", "variables", "innovations", "observations", "truth", "ensemble", "smoothed",
                     "forecasts", "exceedances", "verification", "diagnostics", "timings"}  # fmt: skip
    assert tank.table("cycles", "polars").schema["date"] == pl.Datetime("ms")
    assert str(tank.table("cycles", "pyarrow").schema.field("date").type) == "timestamp[ms]"
    assert tank.table("cycles", "numpy")["date"].dtype == "datetime64[ms]"


def test_dates_of_scores(run):
    scores = xr.open_datatree(run("tank", TANK).path)["scores"]
    assert (scores.time.values == START + scores.cycle.values * np.timedelta64(90, "m")).all()


def test_co2(run, tmp_path):
    """Weeks, in a model whose unit of time is a year of 365.25 days."""
    co2 = run("co2", profile="short", set={"output.ensemble": "analysis", "ensemble.size": 5})
    dates = pd.read_csv(ROOT / "workflows" / "data" / "co2.csv", comment="#")
    for data, ours in every_array(co2, tmp_path / "arrays"):
        same(ours, data)
        assert (np.diff(data.time.values) % np.timedelta64(7, "D") == np.timedelta64(0)).all()
        assert set(data.time.dt.strftime("%Y%m%d").values.tolist()) <= set(
            dates.iloc[:, 0].astype(str).str.replace("-", "")
        )
        assert data.co2.units == "ppm"
    rejected = co2.table("rejections")
    assert (rejected.date.dt.day_of_week == 5).all()  # the file has Saturdays


def test_nile(run, tmp_path):
    """Its times are years, which are not dates of a calendar."""
    nile = run("nile", set={"output.ensemble": "analysis"})
    for data, ours in every_array(nile, tmp_path / "arrays"):
        same(ours, data)
        assert data.time.values.tolist() == list(range(1871, 1971))
        assert data.level.units == "1e8 m3"
    assert "date" not in nile.table("cycles")


SMALL = {"truth.spin_up": 1.0, "time.cycles": 4, "time.burn_in": 1, "output.ensemble": "analysis"}


def test_a_field(run, tmp_path):
    """A staggered grid in two dimensions: u lies half a cell west of h, v half a cell south."""
    water = run("shallow-water", profile="short", set=SMALL)
    for data, ours in every_array(water, tmp_path / "arrays"):
        same(ours, data)
        if "y" in data.dims:
            assert data.h.dims[-2:] == ("y", "x")
            assert (data.x.values == np.arange(data.sizes["x"])).all()
            assert (data.u.u_x.values == data.x.values - 0.5).all()
            assert (data.v.v_y.values == data.y.values - 0.5).all()
            assert (data.x.attrs["axis"], data.y.attrs["axis"], data.x.attrs["period"]) == ("X", "Y", data.sizes["x"])
            assert float(data.h.sel(x=3, y=2).isel(cycle=0).values.flat[0]) == data.h.values[0, ..., 2, 3].flat[0]
        else:  # what is observed lies somewhere on the grid
            assert data.h.dims == ("cycle", "observation")
            assert {"x", "y"} <= set(data.h.coords)
            assert {"u_x", "u_y"} <= set(data.u.coords)
            truth = water.truth().h.sel(cycle=data.cycle).sel(x=data.h.x, y=data.h.y)
            assert 0 < float(np.abs(data.h - truth).mean()) < 1
    places = water.table("coordinates")
    merged = water.table("variables").merge(places[places.of == "state"], on=["variable", "index"])
    assert len(merged) == 2 * len(water.table("variables"))


def test_an_estimated_parameter_has_no_place(run, tmp_path):
    workflow = TANK | {
        "experiment": {"name": "forcing", "seed": 11},
        "time": {"cycles": 4, "interval": 0.05},
        "model": {
            "plugin": "lorenz96",
            "params": {"n": 8},
            "estimate": {"forcing": {"init": {"dist": "normal", "mean": 8.0, "sd": 0.5}}},
        },
        "truth": {"init": 1.0, "spin_up": 1.0},
        "observations": {"plugin": "obs-nonlinear", "params": {"operator": "identity"}, "error": {"sd": 1.0}},
        "filter": TANK["filter"][1:],
    }
    del workflow["forecast"]
    for data, ours in every_array(run("forcing", workflow), tmp_path / "arrays"):
        same(ours, data)
        assert data.x.site.values.tolist() == list(range(8))
        assert "site" not in data.get("forcing", xr.DataArray(0)).coords


def test_a_calendar_with_other_months(run, tmp_path):
    """Its times are numbers with units and calendar, which need the package cftime to be dates."""
    (tmp_path / "level.csv").write_text("when,level\n2026-02-27,2.0\n2026-02-28,2.1\n2026-03-01,2.2\n")
    workflow = {k: v for k, v in TANK.items() if k not in ("truth", "forecast")} | {
        "time": {"start": datetime(2026, 2, 26, tzinfo=timezone.utc), "unit": "1d"},
        "observations": TANK["observations"]
        | {"file": str(tmp_path / "level.csv"), "time": {"column": "when", "calendar": "360_day"}},
        "ensemble": {"size": 10, "init": {"dist": "normal", "mean": [2.0, 0.1], "sd": 0.1}},
    }
    found = run("360", workflow)
    assert "date" not in found.table("cycles")
    members = found.ensemble()
    if members.time.dtype.kind == "f":
        assert members.time.attrs["units"].startswith("seconds since 2026-02-26")
        assert members.time.attrs["calendar"] == "360_day"
        assert members.time.values.tolist() == [86400, 2 * 86400, 5 * 86400]  # February has 30 days
    else:
        assert [str(t)[:10] for t in members.time.values] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert members.model_time.values.tolist() == [1, 2, 5]


def test_forecasts_are_those_of_the_program(run):
    tank = run("tank", TANK)
    said = subprocess.run([PLUME, "forecast", tank.path, "--json"], capture_output=True, text=True, check=True).stdout
    ours = tank.forecasts(of="observed", last=True)
    rows = [json.loads(line) for line in said.splitlines()]
    assert len(ours) == len(rows) == 2 * 4
    for row, (_, mine) in zip(rows, ours.iterrows(), strict=True):
        for key in ("trial", "filter", "time", "lead", "of", "variable", "index", "mean", "spread"):
            assert mine[key] == row[key], key
        assert [mine[q] for q in ("q05", "q25", "q50", "q75", "q95")] == row["quantiles"]
        assert mine.valid_date == pd.Timestamp(row["date"]).tz_localize(None)
    said = subprocess.run([PLUME, "forecast", tank.path, "--scores", "--json"], capture_output=True, text=True)
    scores = tank.forecast_scores().set_index(["trial", "of", "variable", "lead", "metric"])
    for row in map(json.loads, said.stdout.splitlines()):
        for metric, value in row["scores"].items():
            mine = scores.loc[(row["trial"], row["of"], row["variable"], row["lead"], metric)]
            assert (mine.value, mine.members) == (value, 10)
    assert list(tank.forecast_scores("rmse", "polars", filter="enkf")["metric"].unique()) == ["rmse"]
    with pytest.raises(ValueError, match=r"filter: .* has no forecast of 'ekf'; it has enkf, etkf"):
        tank.forecasts(filter="ekf")
    with pytest.raises(FileNotFoundError, match="has no forecasts: its workflow has no"):
        run("nile", set={"output.ensemble": "analysis"}).forecasts()


def test_forecasts_as_arrays(run, tmp_path):
    tank = run("tank", TANK)
    data = tank.forecasts("xarray", of="state", filter="etkf")
    assert data.level.dims == ("statistic", "cycle", "lead")
    assert data.level.units == "m"
    assert (data.valid.values == data.time.values[:, None] + (60 * data.lead.values).astype("timedelta64[m]")).all()
    table = tank.forecasts(of="state", filter="etkf", variable="inflow")
    assert data.inflow.sel(statistic="q95").values.ravel().tolist() == table.q95.tolist()
    data.to_netcdf(tmp_path / "forecasts.nc")
    read = opened(tmp_path / "forecasts.nc")
    assert (read.valid.values == data.valid.values).all()
    assert (read.time.values == data.time.values).all()
    assert tank.forecasts("xarray", filter="etkf").attrs["of"] == "observed"
    with pytest.raises(ValueError, match="want one trial, got 2; filter, replicate and setting select"):
        tank.forecasts("xarray")
