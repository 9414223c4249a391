"""Zarr stores: that they are the run as a tree, however it is cut."""

import subprocess
import warnings

import plume as kit
import pytest
import xarray as xr
from conftest import PLUME, ROOT
from test_dates import TANK

zarr = pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")

from plume import _zarr  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _program():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUME", PLUME)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, _program):
    return kit.run(TANK, sweep={"replicate": [1, 2]}, run_dir=tmp_path_factory.mktemp("runs"), in_process=True)


def opened(store, **options):
    """Opens a store; any warning is an error, as that its metadata is not consolidated."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_datatree(store, engine="zarr", **options)


def test_a_store_is_the_tree_of_the_run(run, tmp_path):
    run.to_zarr(tmp_path / "run.zarr")
    found, want = opened(tmp_path / "run.zarr"), xr.open_datatree(run.path, engine="plume")
    assert set(found.children) == set(want.children)
    for name, node in want.children.items():
        one = found[name].to_dataset().load()
        xr.testing.assert_equal(one, node.to_dataset())
        assert set(one.coords) == set(node.coords)
        alone = xr.open_zarr(tmp_path / "run.zarr", group=name).load()
        xr.testing.assert_identical(alone, one)
    assert found["analysis"]["level"].dims == ("trial", "cycle", "member")
    assert found["analysis"]["filter"].values.tolist() == want["analysis"]["filter"].values.tolist()
    assert found["analysis"].time.dtype == want["analysis"].time.dtype == "datetime64[ns]"
    assert found["smoothed"].trial.values.tolist() == [1, 3]
    assert found["truth"].replicate.values.tolist() == [1, 2]
    assert found["scores"].rmse.sel(trial=4, stage="analysis").values.tolist() == (
        run.table("cycles").query("trial == 4 and stage == 'analysis'").rmse.tolist()
    )
    assert zarr.open(tmp_path / "run.zarr")["analysis/level"].metadata.zarr_format == 3
    with pytest.raises(FileExistsError, match=r"run.zarr already exists; an export does not overwrite"):
        run.to_zarr(tmp_path / "run.zarr")


def test_large_states(tmp_path):
    small = {"truth.spin_up": 1.0, "time.cycles": 4, "time.burn_in": 1, "output.ensemble": "analysis"}
    water = kit.run(
        ROOT / "workflows" / "shallow-water.toml", profile="short", set=small, run_dir=tmp_path, in_process=True
    )
    water.to_zarr(tmp_path / "run.zarr")
    found = xr.open_zarr(tmp_path / "run.zarr", group="analysis").load()
    xr.testing.assert_equal(found, water.ensemble(trial=None))
    assert (found.u.u_x == found.x - 0.5).all()


def test_the_program_writes_the_same_arrays(run, tmp_path):
    run.to_zarr(tmp_path / "python.zarr")
    command = [PLUME, "export", str(run.path), "--to", str(tmp_path / "plume.zarr"), "--format", "zarr"]
    groups = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    want, found = opened(tmp_path / "python.zarr"), opened(tmp_path / "plume.zarr")
    assert sorted(groups) == sorted(found.children) == sorted(set(want.children) - {"scores"})
    for group in groups:
        xr.testing.assert_identical(found[group].to_dataset().load(), want[group].to_dataset().load())


def test_trials_of_other_lengths(tmp_path):
    """Members and cycles that a trial lacks are NaN, and times that differ are by trial."""
    axes = {"ensemble.size": [4, 7], "time.interval": [0.05, 0.1], "time.cycles": [3, 6]}
    flow = {
        "format": 1,
        "experiment": {"name": "lengths", "seed": 3},
        "time": {"cycles": 6, "interval": 0.05, "step": 0.05},
        "model": {"plugin": "lorenz63"},
        "truth": {"init": [1.5, -1.5, 25.5]},
        "observations": {"plugin": "obs-nonlinear", "error": {"sd": 1.0}},
        "ensemble": {"size": 4, "init": {"dist": "normal", "around": "truth", "sd": 1.0}},
        "filter": [{"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}}],
        "output": {"ensemble": "analysis"},
    }
    run = kit.run(flow, sweep=axes, run_dir=tmp_path, in_process=True)
    run.to_zarr(tmp_path / "run.zarr")
    found, want = opened(tmp_path / "run.zarr"), xr.open_datatree(run.path, engine="plume")
    assert [n.path for n in found.leaves if n.name != "scores"] == sorted(
        n.path for n in want.leaves if n.name != "scores"
    )
    for node in want.leaves:
        xr.testing.assert_equal(found[node.path].to_dataset().load(), node.to_dataset())
    members = found["analysis"].to_dataset()
    assert dict(members.x.sizes) == {"trial": 8, "cycle": 6, "member": 7}
    assert members.time.dims == ("trial", "cycle")
    for trial in range(1, 9):
        own = run.ensemble("analysis", trial)
        some = members.sel(trial=trial, cycle=own.cycle, member=own.member)
        xr.testing.assert_equal(some.x.reset_coords(drop=True), own.x.reset_coords(drop=True))
        assert int(members.x.sel(trial=trial).notnull().sum()) == own.x.size
        assert members["ensemble.size"].sel(trial=trial) == own.attrs["ensemble.size"] == own.sizes["member"]


def test_blocks_are_the_ensemble(run):
    whole = run.ensemble("analysis", 1)
    blocks = list(run.blocks("analysis", 1, 3000))
    assert len(blocks) > 2
    xr.testing.assert_equal(xr.concat(blocks, "cycle", data_vars="minimal"), whole)


def test_a_failure_leaves_nothing(run, tmp_path, monkeypatch):
    def scores(_):
        raise RuntimeError("no room")

    monkeypatch.setattr(_zarr, "scores", scores)
    with pytest.raises(RuntimeError, match="no room"):
        run.to_zarr(tmp_path / "run.zarr")
    assert not list(tmp_path.iterdir())
