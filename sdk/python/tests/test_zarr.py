"""Zarr stores: what they hold, and that they are written block by block."""

import subprocess
import warnings

import plume as kit
import pytest
import xarray as xr
from conftest import PLUME, ROOT
from test_dates import TANK

zarr = pytest.importorskip("zarr", reason="NOT TESTED: there is no zarr")

from plume import _zarr  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUME", PLUME)
        return kit.run(TANK, sweep={"replicate": [1, 2]}, run_dir=tmp_path_factory.mktemp("runs"), in_process=True)


def test_a_store_holds_the_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(_zarr, "BLOCK", 2000)  # 10 members take some 500 bytes a cycle: several blocks
    run.to_zarr(tmp_path / "run.zarr")
    tree = xr.open_datatree(tmp_path / "run.zarr", engine="zarr", consolidated=False)
    stages = {"forecast": range(1, 5), "analysis": range(1, 5), "smoothed": (1, 3)}
    for stage, trials in stages.items():
        assert sorted(tree[stage].children) == [f"trial={n:04d}" for n in trials]
        for n in trials:
            found, want = tree[f"{stage}/trial={n:04d}"].to_dataset(), run.ensemble(stage, n)
            xr.testing.assert_equal(found.load(), want)
            assert found.level.attrs == want.level.attrs
            assert found.time.dtype == want.time.dtype == "datetime64[ns]"
    for replicate in (1, 2):
        xr.testing.assert_equal(tree[f"truth/replicate=00{replicate}-0"].to_dataset().load(), run.truth(replicate))
        observed = tree[f"observations/replicate=00{replicate}-0"].to_dataset().load()
        xr.testing.assert_equal(observed, run.observations(replicate))
    assert tree["scores"].rmse.sel(trial=4, stage="analysis").values.tolist() == (
        run.table("cycles").query("trial == 4 and stage == 'analysis'").rmse.tolist()
    )
    level = zarr.open(tmp_path / "run.zarr")["analysis/trial=0001/level"]
    assert level.metadata.zarr_format == 3
    assert 1 < level.chunks[0] < 12
    assert level.chunks[1] == 10
    with pytest.raises(FileExistsError, match=r"run.zarr already exists; an export does not overwrite"):
        run.to_zarr(tmp_path / "run.zarr")


def test_members_of_large_states_have_chunks_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    small = {"truth.spin_up": 1.0, "time.cycles": 4, "time.burn_in": 1, "output.ensemble": "analysis"}
    water = kit.run(
        ROOT / "workflows" / "shallow-water.toml", profile="short", set=small, run_dir=tmp_path, in_process=True
    )
    monkeypatch.setattr(_zarr, "BLOCK", 5 * 16 * 16 * 8)  # five members of h
    water.to_zarr(tmp_path / "run.zarr")
    h = zarr.open(tmp_path / "run.zarr")["analysis/trial=0001/h"]
    assert h.chunks == (1, 5, 16, 16)
    found = xr.open_zarr(tmp_path / "run.zarr", group="analysis/trial=0001", consolidated=False)
    xr.testing.assert_equal(found.load(), water.ensemble())
    assert (found.u.u_x == found.x - 0.5).all()


def test_the_program_writes_the_same_arrays(run, tmp_path):
    run.to_zarr(tmp_path / "python.zarr")
    command = [PLUME, "export", str(run.path), "--to", str(tmp_path / "plume.zarr"), "--format", "zarr"]
    groups = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    want = xr.open_datatree(tmp_path / "python.zarr", engine="zarr", consolidated=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its metadata is consolidated
        found = xr.open_datatree(tmp_path / "plume.zarr", engine="zarr")
    leaves = [node.path.strip("/") for node in want.leaves if node.name != "scores"]
    assert sorted(groups) == sorted(leaves) == sorted(node.path.strip("/") for node in found.leaves)
    for group in groups:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            alone = xr.open_zarr(tmp_path / "plume.zarr", group=group).load()
        xr.testing.assert_equal(alone, found[group].to_dataset())
        xr.testing.assert_equal(alone, want[group].to_dataset().load())
    assert found["analysis/trial=0001"].time.dtype == "datetime64[ns]"


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
