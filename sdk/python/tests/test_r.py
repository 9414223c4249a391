"""plume.R, which runs and reads from R, gives what Python gives."""

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

pytestmark = pytest.mark.skipif(shutil.which("Rscript") is None, reason="NOT TESTED: there is no R")

SCRIPT = """
source("{kit}")
say <- function(...) cat(sprintf("%.17g", c(...)), "\\n")
run <- plume_run("twin.toml", set = list(time.cycles = 20, experiment.description = "from R, with \\"quotes\\""),
                 sweep = list(replicate = 1:2, filter.etkf.params.inflation = c(1, 1.1)))
cat(run, "\\n")
compared <- plume_compare(run, against = "particle")
say(compared$value[compared$filter == "etkf"])
say(compared$difference[compared$filter == "etkf"])
scores <- plume_scores(run)
say(scores$value[!is.na(scores$trial) & scores$filter.etkf.params.inflation %in% 1.1])
members <- plume_table(run, "ensemble/trial=0001/part-00000")
say(mean(members$x), nrow(members))
failed <- tryCatch(plume_run("twin.toml", set = list(time.cycels = 20)), error = conditionMessage)
cat(grepl("unknown key", failed), "\\n")
values <- c(plume_value("a\\"b"), plume_value(TRUE), plume_value(0.1), plume_value(c("a", "b")))
cat(paste0("[", paste(values, collapse = ", "), "]"), "\\n")
"""


def test_r_runs_and_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    filters = [
        {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}},
        {"label": "particle", "plugin": "filter-pf"},
    ]
    twin = TWIN | {"filter": filters, "output": {"ensemble": "analysis"}}
    (tmp_path / "twin.toml").write_text(kit.to_toml(twin))
    (tmp_path / "try.R").write_text(SCRIPT.format(kit=ROOT / "examples" / "analysis" / "plume.R"))
    done = subprocess.run(
        ["Rscript", "--vanilla", "try.R"], cwd=tmp_path, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path, values, differences, scores, members, refused, texts = done.stdout.splitlines()
    run = kit.open_run(tmp_path / path.strip())

    def numbers(line):
        return [float(x) for x in line.split()]

    rows = [r for r in kit.compare(run, against="particle") if r.filter == "etkf"]
    assert numbers(values) == [r.value for r in rows]
    assert numbers(differences) == [r.difference.value for r in rows]
    assert numbers(scores) == run.scores("rmse", filter="etkf", setting={"inflation": 1.1}).value.tolist()
    table = run.table("ensemble/trial=0001/part-00000")
    assert numbers(members) == pytest.approx([table.x.mean(), len(table)], rel=1e-14)
    assert refused.strip() == "TRUE"
    assert json.loads(texts) == ['a"b', True, 0.1, ["a", "b"]]


DATES = """
source("{kit}")
table <- plume_table("{run}", "forecasts")
cat(format(table$date, "%Y-%m-%dT%H:%M:%OS3", tz = "UTC"), "\\n")
cat(format(table$valid_date, "%Y-%m-%dT%H:%M:%OS3", tz = "UTC"), "\\n")
cat(class(table$date), is.null(plume_table("{undated}", "cycles")$date), "\\n")
"""


def test_r_knows_dates(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    run = kit.run(TANK, run_dir=tmp_path, in_process=True)
    etkf = {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf"}}
    undated = kit.run(TWIN | {"filter": [etkf]}, run_dir=tmp_path, in_process=True)
    path = ROOT / "examples" / "analysis" / "plume.R"
    (tmp_path / "dates.R").write_text(DATES.format(kit=path, run=run.path, undated=undated.path))
    done = subprocess.run(["Rscript", "--vanilla", "dates.R"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    date, valid, about = done.stdout.splitlines()
    table = run.table("forecasts")
    assert date.split() == np.datetime_as_string(table.date.to_numpy(), "ms").tolist()
    assert valid.split() == np.datetime_as_string(table.valid_date.to_numpy(), "ms").tolist()
    assert about.split() == ["POSIXct", "POSIXt", "TRUE"]
