"""FMUs as models: one of FMI 2 that pythonfmu builds, and one of FMI 3 in C."""

import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import plume as kit
import pytest
from conftest import PLUME, plume

fmpy = pytest.importorskip("fmpy", reason="NOT TESTED: there is no fmpy")
pytest.importorskip("pythonfmu", reason="NOT TESTED: there is no pythonfmu")

from plume.fmi import Fmi, _extracted, _Units  # noqa: E402

WORKFLOW = """
format = 1
[experiment]
name = "hares"
seed = 1
[time]
cycles   = 80
interval = 0.5
burn_in  = 40
[plugins]
fmi = {{ command = [{python}, "-m", "plume.fmi"] }}
[model]
plugin = "fmi"
params = {{ fmu = "{fmu}", parameters = ["{parameter} = {truth}"] }}
noise  = {{ sd = 0.02 }}
[model.estimate.{parameter}]
init    = {{ dist = "normal", mean = {mean}, sd = {sd} }}
walk_sd = {walk}
[truth]
init = [{init}]
[observations]
plugin = "obs-nonlinear"
error  = {{ sd = 0.1 }}
[ensemble]
size = 40
init = {{ dist = "normal", around = "truth", sd = 0.3 }}
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
[[filter]]
label  = "particles"
plugin = "filter-pf"
"""
CASES = {
    "Hares.fmu": {"parameter": "growth", "truth": 0.6, "mean": 1.0, "sd": 0.15, "walk": 0.005, "init": "2.0, 1.0"},
    "swing.fmu": {"parameter": "friction", "truth": 0.5, "mean": 1.5, "sd": 0.4, "walk": 0.01, "init": "1.0, 0.0"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two FMUs."""
    made = tmp_path_factory.mktemp("fmus")
    shutil.copy(Path(__file__).with_name("hares.py"), made)
    for name, options in {"Bare": [], "Hares": ["--handle-state", "--serialize-state"]}.items():
        built = [sys.executable, "-m", "pythonfmu", "build", "-f", "hares.py", *options]
        subprocess.run(built, cwd=made, check=True, capture_output=True)
        (made / "Hares.fmu").rename(made / f"{name}.fmu")
    if (compiler := shutil.which("gcc")) and sys.platform == "linux" and platform.machine() == "x86_64":
        own, headers = Path(__file__).parent, Path(fmpy.__file__).parent / "c-code"
        flags = ["-O2", "-fPIC", "-shared", "-ffp-contract=off", f"-I{headers}", "-o", "swing.so"]
        subprocess.run([compiler, *flags, str(own / "swing.c"), "-lm"], cwd=made, check=True)
        with zipfile.ZipFile(made / "swing.fmu", "w") as archive:
            archive.write(made / "swing.so", "binaries/x86_64-linux/swing.so")
            archive.write(own / "swing.xml", "modelDescription.xml")
    return made


@pytest.fixture(params=CASES)
def fmu(request, folder):
    """The name of an FMU, in a folder."""
    if not (folder / request.param).exists():
        pytest.skip("NOT TESTED: FMI 3 needs gcc on Linux")
    return request.param


def model(folder, fmu, **params):
    made = Fmi(fmu=fmu, **params)
    made.dir = str(folder)
    return made


def test_conformance(folder, fmu, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)

    class Tested(Fmi):
        """An FMU with an example."""

        example = {
            "params": {"fmu": str(folder / fmu), "parameters": [f"{CASES[fmu]['parameter']} = 0.5"]},
            "state": [2.0, 1.0], "interval": 0.5,
        }  # fmt: skip

    kit.testing.check(Tested)


def test_an_fmu_goes_on_where_it_was(folder, fmu):
    """Through plume an FMU computes what it computes by itself, whichever instance is asked."""
    about = fmpy.read_model_description(str(folder / fmu))
    alone = fmpy.simulate_fmu(
        str(folder / fmu), fmi_type="CoSimulation", start_time=0.0, stop_time=5.0, step_size=0.5, output_interval=0.5
    )
    names = [u.variable.name for u in about.outputs]
    x = [[float(next(v.start for v in about.modelVariables if v.name == name)) for name in names]] * 3
    carry, first = None, model(folder, fmu)
    for k in range(10):
        if k == 5:
            carry = [carry[0], carry[0], b""]  # the second becomes the first; the third begins again
        if k == 7:  # what another process would do
            _Units._all.clear()
            first = model(folder, fmu)
        got = kit.testing.forecast(first, x, 0.5 * k, 0.5 * (k + 1), carry=carry)
        x, carry = got.ensemble, got.carry
        want = [alone[name][k + 1] for name in names]
        assert np.array_equal(x[0], want)
        assert np.array_equal(x[1], want)
        assert np.array_equal(x[2], want) == (k < 5)


def test_outputs_are_no_part_of_the_state(folder, fmu):
    """An output is read after each forecast, and is not set; the FMU goes on as where it is in the state."""
    about = fmpy.read_model_description(str(folder / fmu))
    first, second = (u.variable.name for u in about.outputs[:2])
    begun = float(next(v.start for v in about.modelVariables if v.name == second))
    plain, made = model(folder, fmu, state=[first, second]), model(folder, fmu, state=[first], outputs=[second])
    want = kit.testing.forecast(plain, [[2.0, begun], [1.5, begun]], 0.0, 0.5)
    got = kit.testing.forecast(made, [[2.0], [1.5]], 0.0, 0.5)
    for k in (1, 2):
        assert np.array_equal(got.ensemble, want.ensemble)
        moved, x = want.ensemble.copy(), got.ensemble.copy()
        moved[0, 0], x[0, 0], x[:, 1] = 1.8, 1.8, 77.0  # a filter moves the state
        want = kit.testing.forecast(plain, moved, 0.5 * k, 0.5 * (k + 1), carry=want.carry)
        got = kit.testing.forecast(made, x, 0.5 * k, 0.5 * (k + 1), carry=got.carry)
    for wrong, why in ((first, "is part of the state"), ("no_such", "has no real variable no_such")):
        with pytest.raises(kit.ConfigError, match=why):
            kit.testing.forecast(model(folder, fmu, state=[first], outputs=[wrong]), [[2.0]], 0.0, 0.5)


def run(folder, fmu, tmp_path, **keys):
    """Runs a twin and returns its directory."""
    (folder / "twin.toml").write_text(WORKFLOW.format(python=json.dumps(sys.executable), fmu=fmu, **CASES[fmu]))
    sets = [part for key, value in keys.items() for part in ("--set", f"model.{key}={value}")]
    code, text = plume("run", "--run-dir", tmp_path, folder / "twin.toml", *sets)
    assert code == 0, text
    return next(tmp_path.glob("*/*"))


def test_the_truth_is_recovered(folder, fmu, tmp_path):
    case = CASES[fmu]
    made = run(folder, fmu, tmp_path / "one")
    estimate = kit.open_run(made).ensemble(filter="etkf")[case["parameter"]].isel(cycle=-1).to_numpy()
    mean, sd = estimate.mean(), estimate.std(ddof=1)
    assert abs(mean - case["truth"]) < 4 * sd
    assert abs(mean - case["mean"]) > 5 * sd
    # Members that other processes compute, because there are three, have the same bytes.
    code, text = plume("verify", made, run(folder, fmu, tmp_path / "three", replicas=3))
    assert code == 0, text


def test_an_fmu_without_a_state(folder):
    """It is refused, unless its variables are all that it remembers."""
    with pytest.raises(kit.ConfigError, match="cannot serialise its state"):
        kit.testing.forecast(model(folder, "Bare.fmu"), [[2.0, 1.0]])
    again = model(folder, "Bare.fmu", memory="none")
    first = kit.testing.forecast(again, [[2.0, 1.0], [1.0, 1.0]])
    assert first.carry is None
    assert np.array_equal(first.ensemble, kit.testing.forecast(again, [[2.0, 1.0], [1.0, 1.0]], 3.0, 4.0).ensemble)


def test_what_is_refused(folder, fmu):
    for params, want in (
        ({"fmu": "none.fmu"}, "fmu: cannot be read"),
        ({"state": ["warp"]}, "state: the FMU has no real variable warp; it has"),
        ({"parameters": ["warp = 1"]}, "parameters: the FMU has no real variable warp"),
        ({"parameters": ["warp"]}, 'parameters: got .warp., want "NAME = NUMBER"'),
    ):
        with pytest.raises(kit.ConfigError, match=want):
            kit.testing.forecast(model(folder, **{"fmu": fmu} | params), [[2.0, 1.0]])
    if fmu == "swing.fmu":
        with pytest.raises(kit.ConfigError, match="length is fixed in the FMU once it runs"):
            kit.testing.forecast(model(folder, fmu, parameters=["length = 2"]), [[2.0, 1.0]])
        far = kit.testing.forecast(
            model(folder, fmu, memory="none", parameters=["length = 2"]), [[2.0, 1.0], [200.0, 1.0], [-70.0, 1.0]]
        )
        assert sorted(far.failures) == [1, 2]  # the FMU answers with an error, or wants to end
        assert "the FMU failed" in far.failures[1]
        assert "asks to end the simulation" in far.failures[2]
        assert [v.name for v in _layout(folder, fmu)] == ["angle", "joint_speed"]


def test_an_fmu_is_unpacked_once_and_nothing_else_is_left(folder, fmu, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    broken = tmp_path / "broken.fmu"
    broken.write_text("no archive")
    there = Path(_extracted(str(folder / fmu)))
    assert (there / "modelDescription.xml").exists()
    assert _extracted(str(folder / fmu)) == str(there)
    with pytest.raises(zipfile.BadZipFile):
        _extracted(str(broken))
    assert list((tmp_path / "home/.cache/plume/fmu").iterdir()) == [there]
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(kit.ConfigError, match=r"fmu: cannot be started here: .*home directory"):
        kit.testing.forecast(model(folder, fmu, tolerance=1e-5), [[2.0, 1.0]])  # by an instance that is not there yet
    assert sorted(os.listdir(tmp_path)) == ["broken.fmu", "home"]


def _layout(folder, fmu):
    made = model(folder, fmu)
    made.setup()
    return made.variables
