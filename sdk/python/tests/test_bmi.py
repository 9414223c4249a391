"""BMI models as models: HBV from PyPI, with forcing and a memory, and one with a grid."""

import json
import os
import sys

import numpy as np
import plume as kit
import pytest
from conftest import PLUME, plume

pytest.importorskip("bmipy", reason="NOT TESTED: there is no bmipy")
pytest.importorskip("HBV", reason="NOT TESTED: there is no HBV")
xr = pytest.importorskip("xarray")

from plume.bmi import Bmi  # noqa: E402

PLATE = '''
"""A plate that cools, whose warmth comes from a second array, which is not an output."""
import numpy as np


class Plate:
    def initialize(self, config):
        self.warmth, self.tau, self.table = np.full((20, 30), 1.0), np.array([5.0]), np.arange(5000.0)
        self.temperature, self.time = np.zeros((20, 30)), 0.0
        self.count = np.array([1], np.int32)
        self.values = {"plate__temperature": self.temperature, "tau": self.tau, "count": self.count}  # the same arrays

    def update(self):
        self.temperature += 0.5 * self.warmth
        self.warmth -= 0.5 * self.temperature / self.tau[0]
        self.time += 0.5

    get_output_var_names = lambda self: ("plate__temperature", "flux")
    get_input_var_names = lambda self: ("plate__temperature", "tau", "count")
    get_var_units = lambda self, name: "K"
    get_var_type = lambda self, name: str(self.values[name].dtype)
    get_var_itemsize = lambda self, name: self.values[name].itemsize
    get_var_nbytes = lambda self, name: self.values[name].nbytes
    get_var_grid = lambda self, name: 0
    get_grid_rank = lambda self, grid: 2
    get_grid_type = lambda self, grid: "uniform_rectilinear"
    get_start_time = lambda self: 0.0
    get_current_time = lambda self: self.time
    get_time_step = lambda self: 0.5

    def get_grid_shape(self, grid, shape):
        shape[:] = 20, 30
        return shape

    def get_grid_spacing(self, grid, spacing):
        spacing[:] = 2.0, 1.0
        return spacing

    def get_grid_origin(self, grid, origin):
        origin[:] = 0.0, 10.0
        return origin

    def get_value(self, name, dest):
        dest[:] = self.values[name].ravel()
        return dest

    def set_value(self, name, src):
        self.values[name][:] = src.reshape(self.values[name].shape)
'''

WORKFLOW = """
format = 1
[experiment]
name = "hbv"
seed = 1
[time]
cycles   = 120
interval = 1.0
burn_in  = 60
[plugins]
bmi = {{ command = [{python}, "-m", "plume.bmi"] }}
[model]
plugin = "bmi"
noise  = {{ sd = {{ Su = 0.5, Sf = 0.1, Ss = 0.1 }} }}
bounds = {{ Su = {{ lower = 0.0, upper = 300.0 }}, Sf = {{ lower = 0.0 }}, Ss = {{ lower = 0.0 }} }}
[model.params]
model      = "HBV:HBV"
config     = "hbv.json"
scale      = 86400.0
state      = ["Su", "Sf", "Ss"]
outputs    = ["Q"]
parameters = ["kf = 0.2"]
[model.estimate.kf]
init    = {{ dist = "lognormal", median = 0.5, sd = 0.3 }}
walk_sd = 0.004
[truth]
init = [120.0, 2.0, 30.0]
[observations]
plugin = "obs-nonlinear"
params = {{ variables = ["Q"] }}
error  = {{ sd = 0.1 }}
[ensemble]
size = 40
[ensemble.init]
dist = "normal"
mean = {{ Su = 120.0, Sf = 3.0, Ss = 30.0 }}
sd   = {{ Su = 10.0, Sf = 0.3, Ss = 3.0 }}
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
[[filter]]
label  = "particles"
plugin = "filter-pf"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a class, and with forcing and a configuration for HBV."""
    made = tmp_path_factory.mktemp("bmi")
    (made / "plate.py").write_text(PLATE)
    random, days = np.random.default_rng(1), 1000
    time = np.datetime64("2001-01-01") + np.arange(days).astype("timedelta64[D]")
    rain = np.where(random.random(days) < 0.4, random.gamma(0.8, 12.0, days), 0.0)
    for name, values in {"pr": rain, "evspsblpot": np.full(days, 1.5), "tas": np.full(days, 10.0)}.items():
        xr.Dataset({name: ("time", values)}, {"time": time.astype("datetime64[ns]")}).to_netcdf(
            made / f"{name}.nc", engine="scipy"
        )
    (made / "hbv.json").write_text(
        json.dumps(
            {
                "precipitation_file": "pr.nc", "potential_evaporation_file": "evspsblpot.nc",
                "mean_temperature_file": "tas.nc",
                "parameters": "2.0,0.9,250.0,1.5,1.0,4.0,0.2,0.02,1.0", "initial_storage": "0.0,120.0,2.0,30.0,0.0",
            }
        )
    )  # fmt: skip
    return made


def test_conformance(folder, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)

    class Tested(Bmi):
        """A model with an example."""

        example = {
            "params": {
                "model": "HBV:HBV", "config": str(folder / "hbv.json"), "scale": 86400.0, "state": ["Su"],
                "outputs": ["Q"],
                "parameters": ["kf = 0.2"],
            },
            "state": [120.0], "interval": 1.0,
        }  # fmt: skip

    before = os.getcwd()
    os.chdir(folder)  # of the files that the configuration names
    try:
        kit.testing.check(Tested)
    finally:
        os.chdir(before)


def test_a_grid_is_found_and_the_model_goes_on(folder):
    """Shape, units and coordinates are those of the model, and each member is a model of its own."""
    sys.path.insert(0, str(folder))
    from plate import Plate

    made = Bmi(model="plate:Plate", parameters=["tau = 5"])
    made.dir = str(folder)
    alone, x, carry = Plate(), np.zeros((2, 600)), None
    alone.initialize(None)
    for k in range(6):
        got = kit.testing.forecast(made, x, float(k), k + 1.0, carry=carry)
        alone.update()
        alone.update()
        x, carry = got.ensemble, got.carry
        assert np.array_equal(x[0], alone.temperature.ravel())
        if k == 3:
            x[1] += 1.0  # as a filter does
        assert np.array_equal(x[0], x[1]) == (k < 3)
    assert len(carry[0]) < 2 * 8 * 600 + 2000  # without the table
    made.declared = {"tau": 5.0}
    made.setup()
    (temperature,) = made.variables
    assert (temperature.name, temperature.unit, temperature.shape) == ("plate__temperature", "K", (20, 30))
    assert made.coordinates.points[31].tolist() == [2.0, 11.0]


def test_whole_numbers_are_rounded(folder):
    made = Bmi(model="plate:Plate", state=["count"])
    made.dir = str(folder)
    got = kit.testing.forecast(made, [[2.9999], [3.4], [-1.6]])
    assert got.ensemble.ravel().tolist() == [3.0, 3.0, -2.0]


def test_what_is_refused(folder):
    for params, want in (
        ({"model": "plate:Disc"}, "model: there is no class plate:Disc"),
        ({"model": "no_such_module:Disc"}, "model: there is no class"),
        ({"state": ["warp"]}, "state: the model has no variable warp; it has plate__temperature, flux, tau"),
        ({"parameters": ["flux = 1.0"]}, "parameters: the model gives flux, but does not take it; it takes plate"),
        ({"outputs": ["warp"]}, "outputs: the model has no variable warp; it has plate__temperature, flux"),
        ({"outputs": ["plate__temperature"]}, "outputs: plate__temperature is part of the state"),
        ({"scale": 0.7}, "an interval of 1 is 1.4 time steps of the model"),
    ):
        made = Bmi(**{"model": "plate:Plate"} | params)
        made.dir = str(folder)
        with pytest.raises(kit.ConfigError, match=want):
            kit.testing.forecast(made, np.zeros((1, 600)))
    made = Bmi(model="plate:Plate")
    made.dir = str(folder)
    with pytest.raises(kit.ConfigError, match="begins at time 0 and cannot go back"):
        kit.testing.forecast(made, np.zeros((1, 600)), -1.0, 0.0)


def test_the_truth_is_recovered(folder, tmp_path):
    (folder / "hbv.toml").write_text(WORKFLOW.format(python=json.dumps(sys.executable)))
    runs = []
    for replicas in (1, 3):
        code, text = plume(
            "run", "--run-dir", tmp_path / str(replicas), folder / "hbv.toml", "--set", f"model.replicas={replicas}"
        )
        assert code == 0, text
        runs.append(next((tmp_path / str(replicas)).glob("*/*")))
    estimate = kit.open_run(runs[0]).ensemble(filter="etkf")["kf"].isel(cycle=-1).to_numpy()
    print(estimate.mean(), estimate.std(ddof=1))
    assert abs(estimate.mean() - 0.2) < 4 * estimate.std(ddof=1)
    assert abs(estimate.mean() - 0.5) > 5 * estimate.std(ddof=1)
    code, text = plume("verify", *runs)
    assert code == 0, text
