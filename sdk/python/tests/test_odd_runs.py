"""Runs that are not one array of everything: states that differ in size, trials without states, interrupted ones."""

import json
import subprocess
import warnings

import numpy as np
import plume as kit
import pytest
import xarray as xr
from conftest import PLUME
from plume import Analysis, Coordinates, Filter, Model, Param, Variable
from plume._runs import LayoutsDifferError

FLOW = {
    "format": 1,
    "experiment": {"name": "odd", "seed": 3},
    "time": {"cycles": 6, "interval": 0.05, "step": 0.05, "burn_in": 1},
    "model": {"plugin": "lorenz96", "params": {"n": 8}},
    "truth": {"init": {"dist": "normal", "mean": 0.0, "sd": 1.0}},
    "observations": {
        "plugin": "obs-nonlinear",
        "params": {"operator": "identity"},
        "error": {"dist": "normal", "variance": 1.0},
    },
    "ensemble": {"size": 6, "init": {"dist": "normal", "mean": 0.0, "sd": 1.0}},
    "filter": [{"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}}],
    "output": {"ensemble": "both"},
}


NO_STEP = {"time": {"cycles": 6, "interval": 0.05, "burn_in": 1}}  # of a model without a time step


class Fails(Filter):
    """A filter that fails."""

    at: int = Param(1, ge=1, doc="cycle at which it fails")

    def analyse(self, problem):
        if problem.cycle == self.at:
            raise RuntimeError("as it was told")
        return Analysis(problem.ensemble)


class Broken(Model):
    """A model that fails."""

    variables = {"x": "1"}

    def forecast(self, x, t0, t1, rng):
        raise RuntimeError("as it was told")


class Named(Model):
    """A model whose names mean something else in exports, or are those of others."""

    variables = [
        Variable("a/b", shape=(2, 3), dims=("trial", "c")),
        Variable("c", shape=(3,), dims=("time",)),
        Variable("d", shape=(2, 2)),
        Variable("d_0"),
    ]
    coordinates = Coordinates(("lead",), np.arange(14.0)[:, None])

    def forecast(self, x, t0, t1, rng):
        return 0.9 * x


@pytest.fixture(autouse=True, scope="module")
def _program():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUME", PLUME)
        yield


@pytest.fixture(scope="module")
def sizes(tmp_path_factory, _program):
    return kit.run(FLOW, sweep={"model.params.n": [8, 12]}, run_dir=tmp_path_factory.mktemp("runs"), in_process=True)


@pytest.fixture(scope="module")
def failed(tmp_path_factory, _program):
    """Returns a run of which trial 1 is well, 2 fails before anything is stored, and 3 after two cycles."""
    fails = [{"label": f"fails-{at}", "plugin": "fails", "params": {"at": at}} for at in (1, 3)]
    folder = tmp_path_factory.mktemp("runs")
    with pytest.raises(kit.RunError):
        kit.run({**FLOW, "filter": FLOW["filter"] + fails}, plugins={"fails": Fails}, run_dir=folder)
    return kit.open_run("@last", folder)


def test_sizes_are_read_one_by_one(sizes):
    for number, n in enumerate((8, 12)):
        assert sizes.truth(1, number).x.shape == (7, n)
        assert sizes.observations(1, number).x.shape == (6, n)
        members = sizes.ensemble("analysis", setting={"n": n})
        assert members.x.shape == (6, 6, n)
        assert members.attrs["model.params.n"] == n
        drawn = sizes.inference_data(trial=number + 1)
        assert drawn["observed_data"].x.shape == (6, n)
        assert drawn["constant_data"].x.shape == (6, n)
        np.testing.assert_array_equal(drawn["observed_data"].x, sizes.observations(1, number).x)
    assert sizes.observed() == [(1, 0), (1, 1)]
    with pytest.raises(ValueError, match=r"has no observations of replicate 1, truth 2; it has \(1, 0\), \(1, 1\)"):
        sizes.observations(1, 2)


def test_sizes_are_not_joined(sizes):
    want = r"x has 8 and 12 values in trials 1 and 2.* as with setting=\{'model.params.n': 8\}"
    for trials in (None, [1, 2]):
        with pytest.raises(LayoutsDifferError, match=want):
            sizes.ensemble("analysis", trials)
    with pytest.raises(ValueError, match=r"read them one by one, such as 'truth/replicate=001/part-00000', "):
        sizes.table("truth")


def test_a_tree_has_a_node_for_each_size(sizes, tmp_path):
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xr.open_datatree(sizes.path, engine="plume")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sizes.to_zarr(tmp_path / "run.zarr")
        store = xr.open_datatree(tmp_path / "run.zarr", engine="zarr")
    for number, n in enumerate((8, 12)):
        names = [f"{stage}/trial=000{number + 1}" for stage in ("forecast", "analysis")]
        for name in [*names, f"truth/replicate=001-{number}", f"observations/replicate=001-{number}"]:
            assert tree[name].x.shape[-1] == n, name
            assert tree[name].attrs["model.params.n"] == n, name
            xr.testing.assert_equal(tree[name].to_dataset(), store[name].to_dataset().load())
            own = {k: v for k, v in tree[name].attrs.items() if k != "source"}
            assert store[name].attrs.items() >= own.items()
    one = xr.open_dataset(sizes.path, engine="plume", group="analysis/trial=0002")
    xr.testing.assert_identical(one, sizes.ensemble("analysis", 2))


def test_states_say_what_they_are(failed, sizes, tmp_path):
    about = failed.ensemble("forecast", 3).attrs
    want = {"stage": "forecast", "trial": 3, "replicate": 1, "truth": 0, "filter": "fails-3", "plugin": "fails"}
    assert {name: about[name] for name in want} == want
    assert about["run"] == failed.path.name
    assert failed.truth().attrs.items() >= {"replicate": 1, "truth": 0}.items()
    some = failed.ensemble("analysis", [1, 3])
    assert some["filter"].values.tolist() == ["etkf", "fails-3"]
    assert "trial" not in some.attrs
    assert "filter" not in some.attrs
    json.dumps(sizes.ensemble().attrs)  # plain values, which every format takes
    sizes.ensemble().drop_encoding().to_netcdf(tmp_path / "one.nc", engine="scipy")


def test_exports_say_the_same(sizes, tmp_path):
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    for name in ("netcdf", "zarr"):
        done = subprocess.run([PLUME, "export", sizes.path, "--format", name, "--to", tmp_path / name], check=False)
        assert done.returncode == 0
    names = ("run", "trial", "replicate", "truth", "filter", "plugin", "stage", "model.params.n")
    for number, n in enumerate((8, 12)):
        trial = f"trial=000{number + 1}"
        for group, file, want in (
            (f"analysis/{trial}", f"ensemble/{trial}/part-00000.analysis.nc", sizes.ensemble("analysis", number + 1)),
            (f"truth/replicate=001-{number}", f"truth/replicate=001/part-0000{number}.nc", sizes.truth(1, number)),
            (
                f"observations/replicate=001-{number}",
                f"observations/replicate=001-part-0000{number}.nc",
                sizes.observations(1, number),
            ),
        ):
            about = {name: want.attrs[name] for name in names if name in want.attrs}
            assert about["model.params.n"] == n
            for found in (
                xr.open_dataset(tmp_path / "zarr", group=group, engine="zarr"),
                xr.open_dataset(tmp_path / "netcdf" / file, engine="scipy"),
            ):
                assert {name: found.attrs[name] for name in names if name in found.attrs} == about
                xr.testing.assert_equal(found.load(), want)


def test_trials_without_states_are_left_out_and_said(failed, tmp_path):
    want = r"has no analysis of trial 2: the trial failed: .* RuntimeError: as it was told"
    with pytest.warns(UserWarning, match=want + "; it is left out"):
        assert failed.ensemble("analysis", None).trial.values.tolist() == [1, 3]
    for trial in (2, [1, 2]):
        with pytest.raises(ValueError, match=want):
            failed.ensemble("analysis", trial)
    with pytest.warns(UserWarning, match=want):
        tree = xr.open_datatree(failed.path, engine="plume")
    assert tree["forecast"].trial.values.tolist() == tree["analysis"].trial.values.tolist() == [1, 3]
    assert tree["analysis"].x.sel(trial=3, cycle=3).isnull().all()  # its last cycle is 2
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    with pytest.warns(UserWarning, match="has no analysis of trial 2; it is left out"):
        failed.to_zarr(tmp_path / "run.zarr")
    with pytest.raises(ValueError, match="has no analysis of trial 4: there is no such trial"):
        failed.ensemble(trial=4)


def test_names_are_the_same_everywhere(tmp_path):
    """Python, netCDF and Zarr give variables, dimensions and coordinates one name, which all can open."""
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    flow = FLOW | NO_STEP | {"model": {"plugin": "named"}, "truth": {"init": [1.0] * 14}}
    flow["observations"] = FLOW["observations"] | {"params": {"operator": "identity", "variables": ["a/b", "d_0"]}}
    run = kit.run(flow, plugins={"named": Named}, run_dir=tmp_path)
    want = run.ensemble()
    dims = {"a_b": ("a_b_trial", "a_b_c"), "c": ("c_time",), "d": ("d_d_0", "d_1"), "d_0": ()}
    assert {name: want[name].dims[2:] for name in dims} == dims
    assert want.a_b.long_name == "a/b"
    assert want["a_b_lead"].dims == ("a_b_trial", "a_b_c")
    assert want["c_lead"].values.tolist() == [6, 7, 8]
    run.to_zarr(tmp_path / "run.zarr")
    stored = xr.open_zarr(tmp_path / "run.zarr", group="analysis").load()
    xr.testing.assert_equal(stored.squeeze("trial", drop=True), want)
    subprocess.run([PLUME, "export", run.path, "--format", "netcdf", "--to", tmp_path / "nc"], check=True)
    found = xr.open_dataset(tmp_path / "nc" / "ensemble" / "trial=0001" / "part-00000.analysis.nc", engine="netcdf4")
    xr.testing.assert_equal(found.load(), want)
    assert xr.open_datatree(run.path, engine="plume")["observations"].a_b.shape == (1, 6, 6)
    assert run.inference_data()["posterior"].a_b.dims == ("chain", "draw", "cycle", "a_b_trial", "a_b_c")
    subprocess.run([PLUME, "export", run.path, "--layout", "wide", "--to", tmp_path / "wide"], check=True)
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "wide" / "ensemble")
    assert len(set(table.column_names)) == len(table.column_names)


def test_what_is_not_there_is_said(sizes, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no truth of replicate 3, number 0; it has \(1, 0\), \(1, 1\)$"):
        sizes.truth(3)
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    with pytest.raises(kit.RunError):
        kit.run(FLOW | NO_STEP | {"model": {"plugin": "broken"}}, plugins={"broken": Broken}, run_dir=tmp_path / "runs")
    with pytest.raises(ValueError, match=r"has no states and no observations: no trial has begun: .*as it was told"):
        kit.open_run("@last", tmp_path / "runs").to_zarr(tmp_path / "run.zarr")
    assert not list(tmp_path.glob("run.zarr*"))


def test_an_interrupted_run_says_so(tmp_path):
    run = kit.Run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 1, "name": "odd", "status": "interrupted"}')
    for read in (
        run.ensemble,
        run.truth,
        run.observations,
        lambda: run.ensemble(trial=None),
        lambda: run.table("cycles"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match="the run is interrupted"):
            read()
    with pytest.raises(ValueError, match="has no states, observations or scores: the run is interrupted"):
        xr.open_datatree(tmp_path, engine="plume")


def test_stores_go_where_there_is_a_place_for_them(sizes, tmp_path):
    pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")
    with pytest.raises(ValueError, match=r"is in the run .*, which then holds files that it has not written"):
        sizes.to_zarr(sizes.path / "truth" / "run.zarr")
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*none; make it first"):
        sizes.to_zarr(tmp_path / "none" / "run.zarr")
