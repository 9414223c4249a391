"""What a run gives: scores with the axes of a sweep, selections, trees, dates."""

import json
import subprocess

import numpy as np
import plume as kit
import pytest
import xarray as xr
from conftest import PLUME, ROOT
from test_running import TWIN

FILTERS = [
    {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf", "inflation": 1.02}},
    {"label": "particle", "plugin": "filter-pf"},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUME", PLUME)
        patch.chdir(tmp_path_factory.mktemp("runs"))
        sweep = {"replicate": [1, 2], "ensemble.size": [8, 12], "filter.etkf.params.inflation": [1.0, 1.1]}
        made = kit.run(TWIN | {"filter": FILTERS, "output": {"ensemble": "both"}}, sweep=sweep, in_process=True)
        return kit.Run(made.path.absolute())


def test_scores_are_tidy(run):
    scores = run.scores("rmse")
    assert list(scores.columns) == [
        "trial", "replicate", "filter", "members", "ensemble.size", "filter.etkf.params.inflation",
        "metric", "stage", "value", "se", "cycles", "status",
    ]  # fmt: skip
    assert len(scores) == 12 + 2 * 2  # trials, and two baselines in each replicate
    one = scores[(scores["filter"] == "etkf") & (scores.members == 12) & (scores.replicate == 2)]
    assert one["filter.etkf.params.inflation"].tolist() == [1.0, 1.1]
    metrics = run.table("metrics").query("metric == 'rmse' and stage == 'analysis'")
    assert scores.value.tolist() == metrics.value.tolist()
    particle = scores[scores["filter"] == "particle"]
    assert particle["filter.etkf.params.inflation"].isna().all()
    assert set(run.scores(["rmse", "spread"], stage=None, filter="etkf").stage) == {"analysis", "forecast"}
    assert run.scores("rmse", "polars", setting={"size": 8}).height == 6
    with pytest.raises(ValueError, match=r"metric: .* has no rmsd; it has .*rmse"):
        run.scores("rmsd")


def test_trials_are_selected(run):
    assert run.trials(filter="particle") == [3, 6, 9, 12]
    assert run.trials(filter="etkf", setting={"inflation": 1.1, "ensemble.size": 12}) == [5, 11]
    one = run.ensemble(filter="etkf", replicate=1, setting={"inflation": 1.1, "size": 12})
    assert one.equals(run.ensemble(trial=5))
    assert run.ensemble(filter="particle", setting={"size": 8}).trial.values.tolist() == [3, 9]
    for asked, want in (
        ({"filter": "enkf"}, "filter: .* has no trial with 'enkf'; it has etkf, particle"),
        ({"setting": {"size": 9}}, "ensemble.size: .* has no trial with 9; it has 12, 8"),
        ({"setting": {"rate": 9}}, "setting: rate is 0 of the axes of the sweep: ensemble.size, filter.etkf"),
        ({"filter": "particle", "setting": {"inflation": 1.1}}, "has no trial with filter = 'particle', filter.etkf"),
    ):
        with pytest.raises(ValueError, match=want):
            run.trials(**asked)


def test_the_card_has_the_numbers_of_compare(run, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    card = run._repr_html_()
    assert "<b>twin</b>: ok (12 ok trials)" in card
    said = subprocess.run([PLUME, "compare", run.path, "--json"], capture_output=True, text=True, check=True).stdout
    for line in map(json.loads, said.splitlines()):
        assert f"<td>{line['value']:.4g}" + (f" ± {line['se']:.2g}</td>" if line["se"] else "</td>") in card


def test_xarray_opens_the_directory(run):
    tree = xr.open_datatree(run.path)
    assert sorted(tree.children) == ["analysis", "forecast", "observations", "scores", "truth"]
    assert tree.attrs["name"] == "twin"
    assert dict(tree["analysis"].sizes) == {"trial": 12, "cycle": 30, "member": 12}
    assert tree["truth"].x.sel(replicate=2).values.tolist() == run.truth(2).x.values.tolist()
    rows = run.table("cycles").query("trial == 5 and stage == 'analysis'")
    assert tree["scores"].rmse.sel(trial=5, stage="analysis").values.tolist() == rows.rmse.tolist()
    assert xr.open_dataset(run.path, engine="plume", group="forecast").sizes["member"] == 12
    with pytest.raises(ValueError, match="has no nothing; it has forecast, analysis, truth, observations, scores"):
        xr.open_dataset(run.path, engine="plume", group="nothing")


def test_arviz_gets_draws_of_equal_weight(run):
    tree = run.inference_data(filter="particle", replicate=1, setting={"size": 12})
    assert sorted(tree.children) == ["constant_data", "observed_data", "posterior", "prior"]
    members = run.ensemble(trial=6)
    assert tree["posterior"].x.dims == ("chain", "draw", "cycle")
    for cycle, weights in enumerate(np.exp(members.log_weight.values), 1):
        values = members.x.sel(cycle=cycle).values
        drawn = tree["posterior"].x.sel(chain=0, cycle=cycle).values
        for value in set(values):  # each as often as its weight says, to the next whole numbers
            same = values == value
            assert abs(np.sum(drawn == value) - 12 * weights[same].sum()) < 1 + same.sum()
    equal = run.inference_data(trial=4)["posterior"].x.sel(chain=0).transpose("cycle", "draw")
    assert equal.values.tolist() == run.ensemble(trial=4).x.values.tolist()
    with pytest.raises(ValueError, match="want one trial, got 2"):
        run.inference_data(filter="particle", setting={"size": 12})


def test_times_are_dates_where_the_workflow_has_a_start(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    opened = kit.run(ROOT / "workflows" / "co2.toml", set={"output.ensemble": "analysis"}, profile="short",
                     run_dir=tmp_path, in_process=True)  # fmt: skip
    members = opened.ensemble()
    assert members.time.dtype == "datetime64[ns]"
    assert str(members.time.values[0])[:4] in ("1958", "1959")
    assert members.model_time.attrs["long_name"] == "model time"
    with pytest.raises(FileNotFoundError, match="has no truth: its observations are from files"):
        opened.truth()
    members.to_netcdf(tmp_path / "members.nc")
    with xr.open_dataset(tmp_path / "members.nc") as read:
        assert read.time.values.tolist() == members.time.values.tolist()


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_cannot_be_one(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^there is no run .{1,80}: want a run directory, @last") as caught:
        kit.open_run(name, runs=tmp_path)
    assert len(str(caught.value)) < 300


def test_runs_are_listed(run):
    assert [r.path for r in kit.runs(run.path.parents[1])] == [run.path]


def test_a_part_of_ensembles_is_that_part(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    some = {"ensemble_members": 4, "ensemble_variables": ["z"], "ensemble_every": 5}
    whole, part = (
        kit.run(TWIN | {"filter": FILTERS, "output": more}, run_dir=tmp_path / name, in_process=True)
        for name, more in (("whole", {}), ("part", some))
    )
    members, found = whole.ensemble(), part.ensemble()
    size = members.sizes["member"]
    assert found.member.values.tolist() == [k * size // 4 for k in range(4)]
    assert found.cycle.values.tolist() == [k for k in members.cycle.values.tolist() if k % 5 == 0]
    assert "x" not in found
    kept = members.sel(member=found.member, cycle=found.cycle)
    xr.testing.assert_identical(found.z, kept.z)
    xr.testing.assert_identical(found.log_weight, kept.log_weight)
    blocks = list(part.blocks("analysis", 1, 200))
    assert len(blocks) > 1
    xr.testing.assert_equal(xr.concat(blocks, "cycle"), found)
    assert part.inference_data().posterior.sizes["draw"] == 4


def test_members_may_be_single(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    double, single = (
        kit.run(TWIN | {"filter": FILTERS, "output": {"precision": kind}}, run_dir=tmp_path / kind, in_process=True)
        for kind in ("float64", "float32")
    )
    want, found = double.ensemble(), single.ensemble()
    assert found.x.dtype == np.float32
    np.testing.assert_array_equal(found.x, want.x.values.astype(np.float32))
    assert single.ensemble(trial=None).x.dtype == np.float32
    for name in ("metrics", "cycles"):
        assert single.table(name).equals(double.table(name))
    assert single.table("ensemble").x.dtype == np.float32
    members = single.table("ensemble", "polars")
    np.testing.assert_array_equal(members["x"].to_numpy(), single.table("ensemble", "pyarrow")["x"].to_numpy())
    assert members["x"].to_numpy().dtype == np.float32
    single.to_zarr(tmp_path / "run.zarr")
    stored = xr.open_zarr(tmp_path / "run.zarr", group="analysis")
    xr.testing.assert_equal(stored.load(), single.ensemble(trial=None))
    assert stored.x.dtype == np.float32


def test_a_truth_that_failed_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    monkeypatch.chdir(tmp_path)
    long = TWIN | {"time": {"cycles": 30, "interval": 0.5, "step": 0.5}, "filter": FILTERS[:1]}
    with pytest.raises(kit.RunError):
        kit.run(long, in_process=True)
    failed = kit.open_run()
    said = "(no trial has begun|the trial failed): .*truth: cycle 0: .*the time step of 0.5 is too long"
    for read in (failed.truth, failed.observations, failed.forecasts, failed.reference, failed.ensemble):
        with pytest.raises((FileNotFoundError, ValueError), match=said):
            read()
    with pytest.raises(FileNotFoundError, match=said):
        failed.table("cycles")
