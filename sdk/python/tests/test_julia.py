"""plume.jl, which runs and reads from Julia, gives what Python gives."""

import json
import os
import shutil
import subprocess

import numpy as np
import plume as kit
import pytest
from conftest import PLUME, ROOT
from test_dates import TANK
from test_running import TWIN

pytestmark = pytest.mark.skipif(shutil.which("julia") is None, reason="NOT TESTED: there is no Julia")

KIT = ROOT / "examples" / "analysis" / "plume.jl"
SCRIPT = r"""
include(ARGS[1])
say(numbers) = println(join(collect(numbers), ' '))
made = plume_run("twin.toml"; set = ["time.cycles" => 20, "experiment.description" => "from Julia, with \"quotes\""],
                 sweep = ["replicate" => 1:2, "filter.etkf.params.inflation" => [1.0, 1.1]])
println(made)
compared = plume_compare(made, against = "particle")
etkf = compared["filter"] .== "etkf"
say(compared["value"][etkf])
say(compared["difference"][etkf])
scores = plume_scores(made)
say(scores["value"][isequal.(scores["filter.etkf.params.inflation"], 1.1)])
members = plume_table(made, "ensemble/trial=0001/part-00000")
say([sum(members["x"]), length(members["x"])])
failed = try
    plume_run("twin.toml"; set = ["time.cycels" => 20])
catch e
    e.msg
end
println(occursin("unknown key", failed))
println("[", join(map(plume_value, ["a\"b", true, 0.1, ["a", "b"], 1:2]), ", "), "]")
say(plume_columns("a,b\n\"\"\"x\"\" y\",\"1,\n2\"\n,z\n")["a"])
dated = plume_table(ARGS[2], "forecasts")
say(dated["date"])
say(dated["valid_date"])
"""


def test_julia_runs_and_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    filters = [
        {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}},
        {"label": "particle", "plugin": "filter-pf"},
    ]
    twin = TWIN | {"filter": filters, "output": {"ensemble": "analysis"}}
    (tmp_path / "twin.toml").write_text(kit.to_toml(twin))
    (tmp_path / "try.jl").write_text(SCRIPT)
    dated = kit.run(TANK, run_dir=tmp_path, in_process=True)
    done = subprocess.run(
        ["julia", "--startup-file=no", "try.jl", KIT, dated.path],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path, values, differences, scores, members, refused, texts, quoted, dates, valid = done.stdout.splitlines()
    run = kit.open_run(tmp_path / path)

    def numbers(line):
        return [float(x) for x in line.split()]

    rows = [r for r in kit.compare(run, against="particle") if r.filter == "etkf"]
    assert numbers(values) == [r.value for r in rows]
    assert numbers(differences) == [r.difference.value for r in rows]
    assert numbers(scores) == run.scores("rmse", filter="etkf", setting={"inflation": 1.1}).value.tolist()
    table = run.table("ensemble/trial=0001/part-00000")
    assert numbers(members) == pytest.approx([table.x.sum(), len(table)], rel=1e-13)
    assert refused == "true"
    assert json.loads(texts) == ['a"b', True, 0.1, ["a", "b"], [1, 2]]
    assert quoted == '"x" y missing'
    table = dated.table("forecasts")
    assert np.array(dates.split(), "datetime64[ms]").tolist() == table.date.tolist()
    assert np.array(valid.split(), "datetime64[ms]").tolist() == table.valid_date.tolist()
