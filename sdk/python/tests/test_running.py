"""plume.run and its relatives, on the real program."""

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import plume as kit
import pytest
from conftest import PLUME
from plume._progress import Progress

TWIN = {
    "experiment": {"name": "twin", "seed": 3},
    "time": {"cycles": 30, "interval": 0.15, "burn_in": 5},
    "model": {"plugin": "lorenz63"},
    "truth": {"init": [1.5, -1.5, 25.4], "spin_up": 2.0},
    "observations": {"plugin": "obs-nonlinear", "params": {"operator": "arctan", "scale": 0.1}, "error": {"sd": 0.1}},
    "ensemble": {"size": 20, "init": {"dist": "normal", "around": "truth", "sd": 2.0}},
    "filter": [
        {"label": "mine", "plugin": "mine", "params": {"inflation": 1.02}},
        {"label": "etkf", "plugin": "filter-enkf", "params": {"scheme": "etkf", "inflation": 1.02}},
    ],
}


class Mine(kit.Filter):
    """An EnKF of three lines."""

    needs = ("simulated",)
    inflation: float = kit.Param(1.0, ge=1, doc="factor on the anomalies")
    bad: int = kit.Param(0, ge=0, doc="cycle in which it fails")

    def analyse(self, problem):
        if problem.cycle == self.bad:
            raise ZeroDivisionError("ouch")
        anomalies = self.inflation * (problem.ensemble - problem.ensemble.mean(axis=0))
        forecast = problem.ensemble.mean(axis=0) + anomalies
        gain, *_ = np.linalg.lstsq(problem.simulated - problem.simulated.mean(axis=0), anomalies, rcond=1e-10)
        return forecast + (problem.observation - problem.simulated) @ gain


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    monkeypatch.chdir(tmp_path)


def run(**arguments):
    return kit.run(TWIN, plugins={"mine": Mine}, in_process=True, **arguments)


def without(label):
    return TWIN | {"filter": [f for f in TWIN["filter"] if f["label"] != label]}


def test_a_class_runs_as_its_script_does(tmp_path):
    """The same numbers as in a process of its own, and nothing is left."""
    before = set(Path("/tmp").glob("plume-*"))
    attached = run()
    source = Path(__file__).read_text().split("class Mine")[1].split("@pytest")[0]
    source = "import numpy as np\nimport plume as kit\n\nclass Mine" + source + "kit.serve(Mine)\n"
    (tmp_path / "mine.py").write_text(source)
    script = kit.run(TWIN | {"plugins": {"mine": {"python": "mine.py"}}}, in_process=True)
    done = subprocess.run([PLUME, "verify", attached.path, script.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [f.name for f in tmp_path.glob("*.toml")] == []
    assert {p for p in set(Path("/tmp").glob("plume-*")) - before if p.is_dir() and list(p.glob("*.plugin"))} == set()
    children = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False).stdout
    assert len(children.split()) <= 1  # pgrep itself


def test_set_sweep_and_profile_say_what_the_options_say(tmp_path):
    file = tmp_path / "twin.toml"
    file.write_text(kit.to_toml(without("mine")) + "\n[profile.short]\ntime.cycles = 10\n")
    opened = kit.run(
        file, set={"experiment.seed": np.int64(4)}, sweep={"replicate": range(1, 3), "ensemble.size": np.array([5, 9])},
        profile="short", run_dir="elsewhere", workers=1, in_process=True,
    )  # fmt: skip
    manifest = opened.manifest
    assert opened.path.parts[-3] == "elsewhere"
    assert manifest["set"] == ["experiment.seed=4"]
    assert manifest["sweep"] == ["replicate=[1, 2]", "ensemble.size=[5, 9]"]
    assert (manifest["profile"], manifest["trials"]) == ("short", {"ok": 4})
    with pytest.raises(TypeError, match=r"sweep: replicate: got '1\.\.3', want a list"):
        kit.run(file, sweep={"replicate": "1..3"})


def test_findings_are_objects(tmp_path):
    file = tmp_path / "twin.toml"
    file.write_text(kit.to_toml(without("mine")).replace("cycles", "cycels"))
    with pytest.raises(kit.WorkflowError) as caught:
        kit.run(file)
    first = caught.value.findings[0]
    assert (first.code, first.line, first.column, first.width) == ("E201", 8, 1, 6)
    assert (first.file, first.layer, first.source) == (str(file), "file", "cycels = 30")
    assert first.message == "unknown key `cycels` in [time]"
    assert first.help
    assert f"{file}:8:1: E201: unknown key `cycels` in [time]\n    cycels = 30\n    ^^^^^^ " in str(caught.value)
    assert kit.validate(file) == caught.value.findings
    assert kit.validate(file, offline=True)[0].code == "E201"
    assert kit.validate(TWIN, plugins={"mine": Mine}) == []
    assert [f.code for f in kit.validate(TWIN)] == ["E301"]
    assert [f.layer for f in kit.validate(without("mine"), set={"time.cyles": 3})] == ["--set time.cyles=3"]
    refused = kit.validate(TWIN, set={"filter.mine.params.inflation": 0.5}, plugins={"mine": Mine})
    assert "inflation" in refused[0].message
    assert not Path("runs").exists()


def test_plan():
    plan = kit.plan(TWIN, plugins={"mine": Mine}, sweep={"replicate": [1, 2]})
    assert (plan.experiment, plan.trials, plan.truths, plan.replicates) == ("twin", 4, 2, 2)
    assert [(r.trial, r.filter, r.members) for r in plan.rows] == [(0, "truth", 1), (1, "mine", 20), (2, "etkf", 20)]
    assert plan.seconds > 0
    assert plan.bytes > 0
    assert plan.memory > 1e7
    assert str(plan).startswith("twin: 4 trials on 2 truths, about ")


def test_a_comparison_has_the_numbers_of_plume():
    opened = run(sweep={"replicate": [1, 2], "filter.mine.params.inflation": [1.0, 1.1]})
    compared = kit.compare(opened, against="etkf", metric="crps_fair")
    argv = [PLUME, "compare", opened.path, "--against", "etkf", "--metric", "crps_fair", "--json"]
    said = [
        json.loads(line)
        for line in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    assert [(r.filter, r.value, r.se, r.trials) for r in compared] == [
        (o["filter"], o["value"], o["se"], o["trials"]) for o in said
    ]
    row = compared.of("mine", inflation=1.1)
    assert row.setting == {"filter.mine.params.inflation": 1.1}
    assert (row.difference.baseline, row.difference.of, row.difference.pairs) == ("etkf", "replicates", 2)
    assert (
        row.difference.value
        == next(o for o in said if o.get("setting") == {"filter.mine.params.inflation": "1.1"})["difference"]["value"]
    )
    with pytest.raises(KeyError, match="has 2 rows; the filters are climatology, etkf, mine, persistence"):
        compared.of("mine")
    table = compared.table()
    assert list(table["filter"]) == [r.filter for r in compared]
    assert list(table.columns[:3]) == ["filter", "members", "filter.mine.params.inflation"]
    assert compared.table("polars").height == len(compared)
    assert f"± {row.difference.se:.2g} from etkf" in repr(compared)
    assert "<td>etkf</td>" in compared._repr_html_()
    with pytest.raises(kit.RunError, match="has no score nothing"):
        kit.compare(opened, metric="nothing")


def test_an_error_of_a_class_is_the_cause():
    with pytest.raises(kit.RunError) as caught:
        run(set={"filter.mine.params.bad": 7})
    e = caught.value
    assert (e.code, e.run.manifest["status"]) == (5, "some failed")
    assert "cycle 7: analyse: test_running.py:" in str(e)
    assert isinstance(e.__cause__, ZeroDivisionError)
    frames = traceback.extract_tb(e.__cause__.__traceback__)
    assert [(f.name, f.line) for f in frames] == [("analyse", 'raise ZeroDivisionError("ouch")')]


def test_what_cannot_be_attached():
    class NoFilter:
        pass

    for plugins, want in (
        ({"Mine": Mine}, "'Mine', want a name"),
        ({"mine": NoFilter}, "want a class that is a plume"),
    ):
        with pytest.raises(kit.ConfigError, match=want):
            kit.run(TWIN, plugins=plugins)


def test_there_is_no_program(monkeypatch):
    monkeypatch.setenv("PLUME", "/nothing")
    with pytest.raises(kit.ConfigError, match=r"^plume: \$PLUME is /nothing, which is not a program; put the program"):
        kit.run(TWIN)


def other_program(tmp_path, said):
    """Returns a program that has made a run and says something."""
    program = tmp_path / "program"
    program.write_text(f"""#!/bin/sh\necho '{{"run": "one"}}'\necho '{said}' >&2\n""")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("called", [kit.run, kit.validate])
def test_warnings_point_at_the_caller(tmp_path, monkeypatch, called):
    monkeypatch.setenv("PLUME", other_program(tmp_path, "warning: slow"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called(TWIN)
        gc.collect()  # of a file that was left open there would be a warning, too
    assert [(str(w.message), w.filename) for w in caught] == [("slow", __file__)]


def test_a_later_plume_may_say_more_of_its_progress(tmp_path):
    said = dict.fromkeys(("trials", "ended", "failed", "interrupted", "cycles", "done", "seconds", "more"), 2)
    line = json.dumps({"progress": said | {"run": "one", "name": "two"}})
    code = f"import plume; print(plume.run({TWIN!r}, progress=True))"
    env = os.environ | {"PLUME": other_program(tmp_path, line)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Run('one')\n"
    assert "2/2 trials" in done.stderr


def test_progress_tells_of_the_truth():
    said = {name: 0 for name in ("trials", "ended", "failed", "interrupted", "cycles", "done")}
    shown = [str(Progress(run="one", name="two", seconds=3.0, simulated=7, **said | {"done": done})) for done in (0, 1)]
    assert shown[0].endswith("truth: 7 cycles, 3.0 s")
    assert "truth" not in shown[1]


def test_answers_are_utf8_in_every_locale():
    run(run_dir="läufe")
    code = r"import os, plume; plume.compare(plume.runs(os.fsdecode(b'l\xc3\xa4ufe'))[0], metric='fog')"
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", check=False)
    assert "RunError: --metric: läufe/twin/" in done.stderr


def test_calls_are_made_in_the_thread_that_waits():
    threads = set()

    class Here(Mine):
        """As Mine, and says where it is."""

        def analyse(self, problem):
            threads.add(threading.current_thread())
            return super().analyse(problem)

    kit.run(TWIN, plugins={"mine": Here}, in_process=True)
    assert threads == {threading.current_thread()}
    thread = threading.Thread(target=lambda: kit.run(TWIN, plugins={"mine": Here}, in_process=True))
    thread.start()
    thread.join()
    assert threads == {threading.current_thread(), thread}


SCRIPT = """
    import sys
    sys.path.insert(0, {tests!r})
    import plume, test_running as t

    class Slow(t.Mine):
        '''As Mine, and says where it is.'''

        def analyse(self, problem):
            {each}
            return super().analyse(problem)

    if __name__ == "__main__":
        try:
            plume.run(t.TWIN, set={{"time.cycles": {cycles}}}, plugins={{"mine": Slow}}, in_process=True)
        except plume.Interrupted as e:
            print("interrupted", e.run.manifest["status"], flush=True)
            plume.resume(e.run, plugins={{"mine": Slow}})
            print("resumed", e.run.manifest["status"], flush=True)
"""


def start(tmp_path, each, cycles=400):
    file = tmp_path / "slow.py"
    file.write_text(textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent), each=each, cycles=cycles)))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, "-u", file.name], cwd=tmp_path, text=True, **pipes)


def host_of(process):
    done = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[0])


def gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True  # nobody waits for it in this container
        time.sleep(0.1)
    return False


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"{text} was not said")


def test_an_interrupt_stops_cleanly_and_resume_goes_on(tmp_path):
    process = start(tmp_path, "print('cycle', problem.cycle)")
    wait_for(process, "cycle 20")
    process.send_signal(signal.SIGINT)
    wait_for(process, "finishing the current cycle")
    assert "interrupted interrupted" in wait_for(process, "interrupted i")
    assert "resumed ok" in wait_for(process, "resumed")
    process.stdout.close()
    assert process.wait(10) == 0
    whole = kit.run(TWIN, set={"time.cycles": 400}, plugins={"mine": Mine}, run_dir="whole", in_process=True)
    resumed = kit.open_run(runs="runs")
    done = subprocess.run([PLUME, "verify", whole.path, resumed.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_interrupt_does_not_wait_for_a_class(tmp_path):
    process = start(tmp_path, "print('cycle', problem.cycle); import time; time.sleep(600)")
    wait_for(process, "cycle 1")
    host = host_of(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said
    assert gone(host)


def test_a_breakpoint_works(tmp_path):
    process = start(tmp_path, "breakpoint() if problem.cycle == 3 else None", cycles=10)
    said, _ = process.communicate("p ('members', problem.ensemble.shape)\nc\n", timeout=60)
    assert "('members', (20, 3))" in said
    assert process.returncode == 0, said


def test_nothing_is_left_when_python_is_killed(tmp_path):
    process = start(tmp_path, "print('cycle', problem.cycle)", cycles=100_000)
    wait_for(process, "cycle 20")
    host = host_of(process)
    process.kill()
    process.communicate()
    assert gone(host)
