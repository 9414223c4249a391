"""Python and Go plugins in the same experiments."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import plume as kit
import pytest
from conftest import EXAMPLES, PLUME, plume

WORKFLOW = """
format = 1

[experiment]
name = "twin"
seed = 7

[time]
cycles   = {cycles}
interval = 0.1

[plugins]
python = {{ python = "{examples}/lorenz63.py" }}


[model]
plugin = "{model}"

[truth]
init    = [1.509, -1.531, 25.461]
spin_up = 0.5

[observations]
plugin = "obs-nonlinear"
params = {{ operator = "identity" }}
error  = {{ sd = 1.0 }}

[ensemble]
size = 20
init = {{ dist = "normal", around = "truth", sd = 1.0 }}

[[filter]]
label  = "etkf"
plugin = "filter-enkf"
params = {{ scheme = "etkf" }}

[output]
ensemble = "analysis"
"""


def workflow(path, model, cycles):
    path.write_text(WORKFLOW.format(model=model, cycles=cycles, examples=EXAMPLES), encoding="utf-8")
    return path


def run(tmp_path, model, cycles=10):
    file = workflow(tmp_path / f"{model}.toml", model, cycles)
    code, said = plume("run", file, "--run-dir", tmp_path / model)
    assert code == 0, said
    return kit.open_run(runs=tmp_path / model)


def test_go_and_python_models_agree(tmp_path):
    """The same equations and steps, summed in another order: a relative rounding of
    2e-16 an operation, some 40 operations a step and 10 steps a cycle. Over the 1.5 time
    units of spin-up and cycles the fastest error grows by exp(0.91 * 1.5) = 4 in the mean,
    by 100 at worst while a trajectory passes the saddle: 40 * 150 * 2e-16 * 100 = 1.2e-10 of
    values near 50, before the analyses contract it."""
    go, python = (run(tmp_path, m).ensemble() for m in ("lorenz63", "python"))
    for name in ("x", "y", "z"):
        assert np.max(np.abs(go[name].values - python[name].values)) < 50 * 1.2e-10
        assert not np.array_equal(go[name].values[0], go[name].values[-1])


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.toml")))
def test_the_examples_run(name, tmp_path):
    code, said = plume("run", EXAMPLES / name, "--run-dir", tmp_path)
    assert code == 0, said
    metrics = kit.open_run(runs=tmp_path).table("metrics")
    rmse = metrics[metrics.metric == "rmse"]
    filtered = rmse[(rmse.stage == "analysis") & ~rmse["filter"].isin(["climatology", "persistence"])].value
    # Half of what persistence reaches would be a filter that hardly sees the observations.
    assert len(filtered) == (EXAMPLES / name).read_text().count("[[filter]]")
    assert filtered.max() < 0.5 * rmse.value.max()


def test_tables_in_every_library(tmp_path):
    opened = run(tmp_path, "lorenz63")
    assert opened.manifest["status"]
    rows = [len(opened.table("cycles", library)) for library in ("pyarrow", "pandas", "polars")]
    assert rows[0] > 0
    assert len(set(rows)) == 1
    analysis = opened.ensemble()
    assert dict(analysis.sizes) == {"cycle": 10, "member": 20}
    assert analysis["x"].attrs["units"] == "1"
    assert np.allclose(np.exp(analysis.log_weight).sum("member"), 1)
    assert opened.truth()["x"].sizes["cycle"] >= 10
    with pytest.raises(FileNotFoundError, match=r"holds no table nothing; it holds .*metrics"):
        opened.table("nothing")
    with pytest.raises(ValueError, match=r"has no forecast of trial 1; see output\.ensemble and"):
        opened.ensemble(stage="forecast")


def test_smoothed_states(tmp_path):
    file = tmp_path / "smooth.toml"
    text = WORKFLOW.format(model="lorenz63", cycles=10, examples=EXAMPLES)
    file.write_text(text.replace('params = { scheme = "etkf" }', 'params = { scheme = "etkf" }\nsmooth = { lag = 3 }'))
    code, said = plume("run", file, "--run-dir", tmp_path)
    assert code == 0, said
    opened = kit.open_run(runs=tmp_path)
    smoothed, analysis, truth = opened.ensemble("smoothed"), opened.ensemble(), opened.truth()
    assert dict(smoothed.sizes) == {"cycle": 10, "member": 20}
    assert smoothed.lag.values.tolist() == [3] * 7 + [2, 1, 0]
    assert smoothed.isel(cycle=-1).x.equals(analysis.isel(cycle=-1).x.assign_coords(lag=0))
    assert opened.ensemble("smoothed", trial=None).sizes["trial"] == 1
    lags = opened.table("lags")
    rmse = lags[lags.metric == "rmse"].sort_values("lag")
    assert rmse.lag.tolist() == [0, 1, 2, 3]
    assert rmse.cycles.tolist() == [10, 9, 8, 7]
    names = ("x", "y", "z")
    error = np.sqrt(sum((smoothed[n].mean("member") - truth[n]) ** 2 for n in names) / 3)[:7]
    assert np.isclose(error.mean(), rmse.value.iloc[-1])
    scores = opened.table("cycles")
    assert np.allclose(scores[scores.stage == "smoothed"].rmse, error)
    with pytest.raises(ValueError, match="has no smoothed of trial 1; see output"):
        run(tmp_path, "lorenz63").ensemble("smoothed")


def test_a_run_is_readable_while_it_goes_on_and_after_a_crash(tmp_path):
    file = workflow(tmp_path / "long.toml", "lorenz63", 50_000)
    env = os.environ | {"PLUME_PYTHON": sys.executable}
    process = subprocess.Popen([PLUME, "run", str(file), "--run-dir", str(tmp_path / "runs")], env=env)
    try:
        seen = 0
        for _ in range(300):
            time.sleep(0.1)
            try:
                seen = kit.open_run(runs=tmp_path / "runs").ensemble().sizes["cycle"]
            except (FileNotFoundError, ValueError):
                continue
            if seen > 5:
                break
        assert seen > 5
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    opened = kit.open_run(runs=tmp_path / "runs")
    after = opened.ensemble()
    assert after.sizes["cycle"] >= seen
    assert after.sizes["member"] == 20
    part = next((opened.path / "ensemble").glob("*/*.part"))
    part.write_bytes(part.read_bytes()[:-100])  # a batch that was not written to its end
    assert opened.ensemble().sizes["cycle"] >= after.sizes["cycle"] - 2
