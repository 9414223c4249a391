"""Runs that are killed at any moment and resumed, of models that keep something of each member besides its state."""

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys

import plume as kit
import pytest
from conftest import PLUME, plume
from test_bmi import PLATE

KILLS = int(os.environ.get("PLUME_STOPS", "2"))

WALKER = '''
import struct
import time

from plume import DivergedError, Model, serve


class Walker(Model):
    """Walks with a velocity that is no part of the state."""

    variables = {"x": "1", "y": "1"}
    carries = True

    def forecast_member(self, x, t0, t1, rng, carry=b""):
        time.sleep(0.001)
        v = struct.unpack("<2d", carry) if carry else (0.0, 0.0)
        v = tuple(0.8 * a + 0.3 * rng.normal() for a in v)
        if abs(v[0]) > 1.5:
            raise DivergedError("ran away")
        return [x[0] + v[0], 0.9 * x[1] + v[1]], struct.pack("<2d", *v)


serve(Walker)
'''

WORKFLOW = """
format = 1
[experiment]
name = "killed"
seed = 11
[time]
cycles   = {cycles}
interval = 1.0
burn_in  = 5
[plugins]
{plugin}
[model]
{model}
on_failure = "drop_member"
max_failed = 9
{estimate}
[truth]
init = {truth}
[observations]
plugin = "obs-nonlinear"
error  = {{ sd = 0.5 }}
[ensemble]
size = 12
init = {{ dist = "normal", around = "truth", sd = 0.2 }}
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
[[filter]]
label  = "particles"
plugin = "filter-pf"
"""
CASES = {
    "python": {"plugin": 'walker = { python = "walker.py" }', "model": 'plugin = "walker"', "truth": "[0.0, 0.0]"},
    "bmi": {
        "plugin": f"bmi = {{ command = [{json.dumps(sys.executable)}, '-m', 'plume.bmi'] }}",
        "model": "plugin = 'bmi'\nparams = { model = 'plates:Small', parameters = ['tau = 5'] }\nnoise = { sd = 0.1 }",
        "estimate": "[model.estimate.tau]\ninit = { dist = 'lognormal', median = 8.0, sd = 0.2 }",
        "truth": "[0.0, 0.5]",
    },
}
SMALL = """

class Small(Plate):
    def initialize(self, config):
        super().initialize(config)
        self.warmth, self.temperature = self.warmth[0, :2].copy(), self.temperature[0, :2].copy()
        self.values["plate__temperature"] = self.temperature

    def get_grid_rank(self, grid):
        return 1

    def get_grid_shape(self, grid, shape):
        shape[:] = 2
        return shape

    def get_grid_spacing(self, grid, spacing):
        spacing[:] = 1.0
        return spacing

    def get_grid_origin(self, grid, origin):
        origin[:] = 0.0
        return origin
"""


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_as_one_that_was_not(case, tmp_path):
    """Members also leave the ensemble, are resampled, and are computed by two processes."""
    (tmp_path / "walker.py").write_text(WALKER)
    (tmp_path / "plates.py").write_text(PLATE + SMALL)
    about = {"estimate": "", "cycles": 20 if KILLS < 10 else 120} | CASES[case]
    (tmp_path / "killed.toml").write_text(WORKFLOW.format(**about))
    code, text = plume("run", "--run-dir", tmp_path / "whole", tmp_path / "killed.toml")
    assert code == 0, text
    whole = next((tmp_path / "whole").glob("*/*"))

    chance, killed, runs = random.Random(KILLS), 0, tmp_path / "parts"
    begin = ["run", "--run-dir", runs, tmp_path / "killed.toml", "--set", "model.replicas=2"]
    command = begin
    while True:
        env = os.environ | {"PLUME_PYTHON": sys.executable}
        process = subprocess.Popen(
            [PLUME, *map(str, command), "--checkpoint", "100ms"], env=env, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            _, said = process.communicate(timeout=chance.uniform(0.5, 3.0) if killed < KILLS else 300)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
        else:
            assert process.returncode == 0, said
            break
        found = next(runs.glob("*/*"), None)
        if found is None or not (found / "run.json").exists():
            shutil.rmtree(runs, ignore_errors=True)  # nothing was begun
            command = begin
        else:
            command = ["resume", found]
    print(f"killed {killed} times")
    code, text = plume("verify", whole, next(runs.glob("*/*")))
    assert code == 0, text


def test_a_run_whose_process_is_gone_is_stopped(tmp_path):
    folder = tmp_path / "gone" / "20260101T000000Z-0000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"format": 1, "name": "gone", "status": "running"}))
    run = kit.open_run(folder)

    def said():
        line = subprocess.run([PLUME, "runs", "--json", "--run-dir", tmp_path], capture_output=True, check=True)
        return json.loads(line.stdout)["status"]

    assert run.status == said() == "stopped"
    assert "stopped, its process is gone" in run._repr_html_()
    assert run._yet() == ": the run is stopped, its process is gone"
    directory = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # as the process that writes a run does
        assert run.status == said() == "running"
    finally:
        os.close(directory)
