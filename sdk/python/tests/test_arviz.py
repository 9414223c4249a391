"""ArviZ summarizes and draws what Run.inference_data gives it."""

import os
import subprocess
import sys

import plume as kit
import pytest
from conftest import PLUME, ROOT

az = pytest.importorskip("arviz", reason="NOT TESTED: there is no arviz")

RECORD = {
    "experiment": {"name": "record", "seed": 11},
    "time": {"cycles": 20, "interval": 0.15},
    "model": {"plugin": "lorenz63", "estimate": {"rho": {"init": {"dist": "normal", "mean": 30.0, "sd": 2.0}}}},
    "truth": {"init": [1.5, -1.5, 25.5], "spin_up": 5.0, "params": {"rho": 28.0}},
    "observations": {
        "plugin": "obs-nonlinear",
        "params": {"operator": "identity", "variables": ["x"]},
        "error": {"sd": 1.0},
    },
    "ensemble": {"size": 30, "init": {"dist": "normal", "around": "truth", "sd": 1.0}},
    "filter": [
        {"label": "es-mda", "plugin": "filter-enkf", "params": {"scheme": "etkf"}, "window": {"length": "all"}},
    ],
    "output": {"ensemble": "both"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUME", PLUME)
        return kit.run(RECORD, run_dir=tmp_path_factory.mktemp("runs"), in_process=True)


def test_a_parameter_of_a_whole_record(run):
    """Means and deviations that ArviZ finds in the draws are those of plume's own table."""
    tree = run.inference_data(filter="es-mda").isel(cycle=-1)
    start = run.table("start").query("variable == 'rho'").set_index("pass")
    for group, row in (("prior", start.loc[0]), ("posterior", start.loc[start.index.max()])):
        found = az.summary(tree[group].to_dataset(), var_names=["rho"], kind="stats", round_to=6)
        assert float(found.loc["rho", "mean"]) == pytest.approx(row["mean"], rel=1e-5)
        assert float(found.loc["rho", "sd"]) == pytest.approx(row.spread, rel=1e-5)
    assert abs(start["mean"].iloc[-1] - 28) < abs(start["mean"].iloc[0] - 28)
    assert float(tree["constant_data"].rho) == 28


def test_every_group_has_the_stored_cycles(tmp_path, monkeypatch):
    """With some cycles stored, the last one is the same in all groups."""
    monkeypatch.setenv("PLUME", PLUME)
    flow = RECORD | {
        "filter": [{"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}}],
        "output": {"ensemble": "both", "ensemble_every": 6},
    }
    tree = kit.run(flow, run_dir=tmp_path, in_process=True).inference_data()
    assert {tuple(tree[group].cycle.values.tolist()) for group in tree.children} == {(6, 12, 18)}
    assert set(tree.children) == {"posterior", "prior", "observed_data", "constant_data"}


def test_the_example(run, tmp_path):
    script = ROOT / "examples" / "analysis" / "posterior_arviz.py"
    done = subprocess.run(
        [sys.executable, script, run.path, "es-mda", "rho", tmp_path / "rho.png"],
        env=os.environ | {"MPLBACKEND": "Agg"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "prior"
    assert (tmp_path / "rho.png").stat().st_size > 5000
