"""The ways to read a run that examples/analysis shows, with what plume computed."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import plume as kit
import pyarrow as pa
import pyarrow.ipc
import pytest
from conftest import PLUME, ROOT, plume

ANALYSIS = ROOT / "examples" / "analysis"

WORKFLOW = """
format = 1
[experiment]
name = "analysis"
seed = 3
[time]
cycles   = {cycles}
interval = 0.1
burn_in  = 5
[model]
plugin = "lorenz63"
[truth]
init    = [1.509, -1.531, 25.461]
spin_up = 5.0
[observations]
plugin = "obs-nonlinear"
params = {{ operator = "identity" }}
error  = {{ sd = 1.0 }}
[ensemble]
size = 12
init = {{ dist = "normal", around = "truth", sd = 1.0 }}
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
params = {{ scheme = "etkf" }}
[[filter]]
label  = "particle"
plugin = "filter-pf"
params = {{ jitter = 0.3 }}
[output]
ensemble = "both"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, RUN, and one that was killed, KILLED."""
    path = tmp_path_factory.mktemp("analysis")
    for name, cycles in (("done", 30), ("killed", 4000)):
        (path / f"{name}.toml").write_text(WORKFLOW.format(cycles=cycles), encoding="utf-8")
    code, said = plume("run", path / "done.toml", "--run-dir", path / "whole-runs")
    assert code == 0, said
    (path / "RUN").symlink_to(kit.open_run(runs=path / "whole-runs").path)

    process = subprocess.Popen(
        [PLUME, "run", str(path / "killed.toml"), "--run-dir", str(path / "killed-runs"), "--workers", "2", "-q"]
    )
    parts = []
    for _ in range(600):
        parts = list((path / "killed-runs").glob("*/*/ensemble/trial=000[12]/part-00000.arrow.part"))
        if len(parts) == 2 and all(p.stat().st_size > 50_000 for p in parts):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(parts) == 2
    (path / "KILLED").symlink_to(parts[0].parents[2])
    return path


@pytest.fixture(scope="module")
def scores(folder):
    """The scores as plume itself says them, by filter."""
    code, said = plume("compare", folder / "RUN", "--format", "json")
    assert code == 0, said
    return {row["filter"]: row["value"] for row in json.loads(said)}


def blocks():
    """The blocks of the README that are run, in their order, with the section they are in."""
    text = (ANALYSIS / "README.md").read_text(encoding="utf-8")
    section = ""
    for heading, language, block in re.findall(r"^## (.*)$|^```(python|sh)\n([\s\S]*?)^```", text, re.MULTILINE):
        section = heading or section
        if block:
            yield section, language, block


def test_the_readme(folder, scores, monkeypatch):
    """Every block finds the numbers that plume computed, to the last bit. Means over members
    are sums in another order: 12 roundings of numbers below 50 are 7e-14."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{os.path.dirname(PLUME)}{os.pathsep}{os.environ['PATH']}")
    described = kit.open_run("RUN").table("variables").query("trial == 1 and stage == 'analysis' and variable == 'x'")
    seen = []
    for section, language, block in blocks():
        if language == "sh":
            subprocess.run(["sh", "-e", "-c", block], check=True, capture_output=True)
            continue
        found = {}
        exec(compile(block, section, "exec"), found)
        seen.append(section)
        if "rmse" in found:
            assert dict(found["rmse"]) == scores, section
        if "mean" in found:
            np.testing.assert_allclose(found["mean"].values, described["mean"], rtol=0, atol=1e-13, err_msg=section)
        if "cycles" in found:
            assert list(found["cycles"]) == list(range(1, len(found["cycles"]) + 1))
            assert len(found["cycles"]) > 5
        assert {"rmse", "mean", "cycles"} & set(found), section
    assert set(seen) == {"pyarrow", "pandas", "polars", "DuckDB", "xarray", "CSV", "plume", *seen[-1:]}
    assert seen[-1].startswith("A run that is running")


@pytest.mark.parametrize("script", ["pyarrow", "pandas", "polars", "duckdb", "plume", "xarray"])
def test_scripts(script, folder, scores):
    done = subprocess.run(
        [sys.executable, ANALYSIS / f"read_run_{script}.py", folder / "RUN"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if script != "xarray":  # which reads members
        for name, value in scores.items():
            assert f"{name}: rmse {value:.6f}\n" in done.stdout
    if script in ("plume", "xarray"):
        table = kit.open_run(folder / "RUN").table("variables").query("trial == 1 and stage == 'analysis'")
        for name, rows in table.groupby("variable"):
            error = np.sqrt(((rows["mean"] - rows.truth) ** 2).mean())
            assert f"{name}: rms error of the mean {error:.6f} 1\n" in done.stdout


def test_figures(folder, tmp_path):
    done = subprocess.run(
        [sys.executable, ANALYSIS / "plot_run.py", folder / "RUN", tmp_path / "figures"],
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    import matplotlib.image

    for name in ("rmse", "trajectories", "ranks"):
        pixels = matplotlib.image.imread(tmp_path / "figures" / f"{name}.png")[..., :3]
        colours = np.unique((pixels * 255).astype(np.uint8).reshape(-1, 3), axis=0)
        coloured = colours[np.ptp(colours.astype(int), axis=1) > 60]  # lines of two filters; not grey
        assert len(coloured) >= 2, name


def test_the_reader_on_a_killed_run(folder):
    """All complete cycles are there, of every table and every trial."""
    run = kit.open_run(folder / "KILLED")
    assert run.manifest["status"] == "running"
    scores = run.table("cycles")
    for trial in (1, 2):
        members = run.ensemble("analysis", trial)
        last = members.sizes["cycle"]
        assert list(members.cycle) == list(range(1, last + 1))
        assert last > 5
        of_trial = scores[(scores.trial == trial) & (scores.stage == "analysis")]
        assert list(of_trial.cycle) == list(range(1, len(of_trial) + 1))
        assert abs(len(of_trial) - last) <= 1  # tables are written one after the other
        error = members.drop_vars(["log_weight", "parent"]).mean("member") if trial == 1 else None
        if error is not None:
            truth = run.truth()
            squares = sum((error[name] - truth[name]) ** 2 for name in "xyz") / 3
            both = min(last, len(of_trial))
            np.testing.assert_allclose(np.sqrt(squares)[:both], of_trial.rmse[:both], atol=1e-13)
    empty = run.path / "cycles" / "trial=0003.arrow.part"  # of a trial that has not come to its first batch
    empty.touch()
    assert len(run.table("cycles")) == len(scores)
    empty.unlink()
    assert set(run.tables()) >= {"cycles", "ensemble", "innovations", "observations", "truth", "variables"}


def test_the_reader_on_whole_runs(folder):
    run = kit.open_run(folder / "RUN")
    both = run.ensemble("analysis", trial=None)
    assert dict(both.sizes) == {"trial": 2, "cycle": 30, "member": 12}
    assert both["filter"].values.tolist() == ["etkf", "particle"]
    assert both.x.sel(trial=2).equals(run.ensemble("analysis", trial=2).x.assign_coords(both.sel(trial=2).coords))
    assert run.ensemble("analysis", trial=2).parent.notnull().any()  # where it has resampled
    assert run.ensemble("analysis", trial=1).parent.isnull().all()
    assert run.ensemble("analysis", trial=np.int64(2)).equals(run.ensemble("analysis", trial=2))
    assert run.ensemble("analysis", filter="particle").equals(run.ensemble("analysis", trial=2))
    assert run.ensemble("analysis", replicate=1).sizes["trial"] == 2
    with pytest.raises(TypeError, match="trial: got 'particle', want a number; filter='particle' selects by the label"):
        run.ensemble("analysis", trial="particle")
    with pytest.raises(ValueError, match=r"filter: .* has no trial with 'enkf'; it has etkf, particle"):
        run.ensemble("analysis", filter="enkf")
    observed = run.observations()
    assert observed.sizes["cycle"] == 30
    errors = observed.x - run.truth().x.sel(cycle=observed.cycle)
    assert 0.5 < float(errors.std()) < 1.5  # of 30 with standard deviation 1: 1 within 4 times 0.13
    members = run.table("ensemble", "pyarrow")
    assert len(members) == 2 * 2 * 30 * 12
    assert sorted(set(members["trial"].to_pylist())) == [1, 2]
    with pytest.raises(FileNotFoundError, match="has no reference; see"):
        run.reference()
    with pytest.raises(ValueError, match="library: got 'excel'"):
        run.table("metrics", "excel")


def test_damaged_files_are_not_read(folder, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(folder / "RUN", path)
    run = kit.open_run(path)
    run.table("metrics")
    run.ensemble(trial=None)
    file = path / "metrics.arrow"
    whole = file.read_bytes()
    for byte in (len(whole) // 3, len(whole) // 2):
        file.write_bytes(whole[:byte] + bytes([whole[byte] ^ 4]) + whole[byte + 1 :])
        with pytest.raises(
            ValueError, match=r"metrics.arrow: is damaged: its sha256 is \w{12}, and \w{12} in run.json"
        ):
            run.table("metrics")
    file.write_bytes(whole)
    run.table("metrics")
    members = path / "ensemble" / "trial=0001" / "part-00000.arrow"
    members.write_bytes(members.read_bytes()[:-1] + b"?")
    for read in (run.ensemble, lambda: run.table("ensemble")):
        with pytest.raises(ValueError, match=r"part-00000.arrow: is damaged"):
            read()
    shutil.copy(members, path / "ensemble" / "trial=0001" / "part-00001.arrow")
    members.unlink()
    with pytest.raises(ValueError, match=r"part-00001.arrow: is not a file of the run"):
        run.table("ensemble")


def test_a_manifest_without_a_seal_is_read(tmp_path):
    (tmp_path / "run.json").write_text('{"name": "old", "status": "ok"}')
    assert kit.open_run(tmp_path).manifest["status"] == "ok"


def test_damaged_seals_are_seen(folder, tmp_path):
    """Whatever bit of the last line of run.json is wrong, of the seal or of the name of it."""
    run_json = tmp_path / "run.json"
    text = (folder / "RUN" / "run.json").read_bytes()
    run_json.write_bytes(text)
    assert kit.open_run(tmp_path).manifest["seal"]
    for at in range(text.rindex(b'"seal"'), len(text)):
        for bit in range(8):
            run_json.write_bytes(text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :])
            with pytest.raises(ValueError, match=r"is damaged|column|codec"):
                print(kit.open_run(tmp_path).manifest, at, bit)


def test_flipped_bits_change_no_number(folder, tmp_path):
    """The reader returns what the run wrote, or raises: with one bit flipped in any of the files of a run.
    PLUME_FLIPS says how many in a long form."""
    path = tmp_path / "copy"
    shutil.copytree(folder / "RUN", path)
    run = kit.open_run(path)

    def everything():
        tables = {name: run.table(name, "numpy") for name in run.tables()}
        return pickle.dumps((tables, run.manifest))

    whole, random, refused = everything(), np.random.default_rng(15), 0
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.stat().st_size > 0)
    number = int(os.environ.get("PLUME_FLIPS", "30"))
    for _ in range(number):
        file = files[random.integers(len(files))]
        was = file.read_bytes()
        at = int(random.integers(len(was)))
        file.write_bytes(was[:at] + bytes([was[at] ^ 1 << int(random.integers(8))]) + was[at + 1 :])
        try:
            assert everything() == whole, (file, at)
        except (ValueError, FileNotFoundError):
            refused += 1
        file.write_bytes(was)
    assert everything() == whole
    print(f"{number} flips: {refused} refused, {number - refused} the same")


def test_dropped_members_are_nan(tmp_path):
    """Cycle 1 has three members, cycle 2 two of them."""
    shape = {"shape": "2", "dims": "site", "unit": "m"}
    field = pa.field("u", pa.list_(pa.float64(), 2), metadata=shape)
    columns = {
        "cycle": pa.array([1, 1, 1, 2, 2], pa.int32()),
        "time": pa.array([0.5, 0.5, 0.5, 1.0, 1.0]),
        "stage": ["analysis"] * 5,
        "member": pa.array([0, 1, 2, 0, 1], pa.int32()),
        "log_weight": pa.array([0.0] * 5),
        "parent": pa.array([2, 1, 0, None, None], pa.int32()),
        "u": pa.array([[k, k + 0.5] for k in range(5)], field.type),
    }
    schema = pa.schema([field if n == "u" else pa.field(n, pa.array(c).type) for n, c in columns.items()])
    folder = tmp_path / "ensemble" / "trial=0001"
    folder.mkdir(parents=True)
    with pa.ipc.new_file(folder / "part-00000.arrow", schema) as file:
        file.write_table(pa.table(list(columns.values()), schema=schema))
    members = kit.Run(tmp_path).ensemble()
    assert members.u.dims == ("cycle", "member", "site")
    assert members.u.units == "m"
    np.testing.assert_array_equal(members.u.sel(cycle=1), [[0, 0.5], [1, 1.5], [2, 2.5]])
    np.testing.assert_array_equal(members.u.sel(cycle=2), [[3, 3.5], [4, 4.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(members.parent, [[2, 1, 0], [np.nan] * 3])
    first, second = kit.Run(tmp_path).blocks("analysis", 1, 1)
    assert first.equals(members.isel(cycle=[0]))
    assert second.equals(members.isel(cycle=[1]))


def test_names_of_runs(folder, tmp_path, monkeypatch):
    for name in ("a/20260101T000000Z-0001", "a/20260102T000000Z-0002", "b/20260101T120000Z-0003"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}", encoding="utf-8")

    def opened(name):
        return str(kit.open_run(name, runs=tmp_path).path.relative_to(tmp_path))

    assert opened("@last") == "a/20260102T000000Z-0002"
    assert opened("b/") == "b/20260101T120000Z-0003"
    assert opened("20260101T12") == "b/20260101T120000Z-0003"
    assert opened(str(tmp_path / "a/20260101T000000Z-0001")) == "a/20260101T000000Z-0001"
    with pytest.raises(ValueError, match=r"could be .* or .*; write more"):
        opened("20260101")
    with pytest.raises(FileNotFoundError, match="there is no run c"):
        opened("c")
    with pytest.raises(FileNotFoundError, match="there is no run @last"):
        kit.open_run(runs=tmp_path / "a")
