"""Runs that earlier versions of plume wrote; plume's own commands read them too."""

import numpy as np
import plume as kit
import pytest
from conftest import ROOT

RUNS = ROOT / "host" / "internal" / "cli" / "testdata" / "runs" / "format-1"


def opened(name):
    return kit.open_run(name, runs=RUNS)


def rmse(run, name, metric):
    rows = run.table("metrics").query(f"filter == '{name}' and metric == '{metric}' and stage == 'analysis'")
    return rows.value.tolist()


def test_a_twin():
    run = opened("twin/")
    assert run.manifest["format"] == 1
    assert rmse(run, "etkf", "rmse") == [0.28372002191614953]  # as that version printed it
    members = run.ensemble(stage="forecast", trial=None)
    assert dict(members.sizes) == {"trial": 2, "cycle": 4, "member": 5}
    assert set(members.data_vars) == {"x", "y", "z", "rho", "log_weight", "parent"}
    assert run.truth().sizes["cycle"] == 5
    assert run.reference().sizes["member"] == 10
    assert set(run.tables()) >= {"cycles", "innovations", "rank_histogram", "timings", "variables"}


def test_observations_from_a_file():
    run = opened("real/")
    assert rmse(run, "etkf", "held_out_rmse") == [162.63501132860415, 160.55586126816763]
    assert len(run.table("trials")) == 2
    assert run.table("trials")["ensemble.size"].tolist() == [10, 20]
    years = run.observations()
    assert years.level.notnull().sum() == 8  # a third of the twelve is held out
    with pytest.raises(FileNotFoundError, match="has no truth: its observations are from files"):
        run.truth()


def test_one_that_was_stopped():
    run = opened("stopped/")
    assert run.manifest["status"] == "interrupted"
    cycles = run.table("cycles")
    assert cycles.trial.unique().tolist() == [1]
    assert np.isfinite(cycles.rmse).all()
    assert run.observations().sizes["cycle"] == 40


def test_forecasts_dates_and_smoothed_states():
    run = opened("dated/")
    assert run.dates["unit_seconds"] == 3600
    assert str(run.observations().time.values[0]).startswith("2026-06-01T01:00")
    assert dict(run.ensemble(stage="smoothed").sizes) == {"cycle": 8, "member": 5}
    assert run.table("lags")["lag"].tolist() == [0, 1, 2, 3]
    assert run.forecast_scores("rmse")["value"].tolist()[0] == 0.06353199810288594
    assert dict(run.forecasts("xarray").sizes)["lead"] == 3
    assert "checkpoint" not in run.tables()
    assert set(run.tables()) >= {"exceedances", "forecasts", "reliability", "smoothed", "verification"}


def test_a_whole_record():
    run = opened("record/")
    assert rmse(run, "es-mda", "rmse") == [0.2683549598202177]
    assert run.table("passes")["misfit"].is_monotonic_decreasing
    assert {"start", "fit"} <= set(run.tables())
