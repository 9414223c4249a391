"""Members keep their numbers in calls when others have been dropped."""

import pytest
from conftest import plume

MODEL = """
from plume import *


class Numbered(Model):
    "x is the number of the member, which must be the one that calls say."

    variables = {"x": "1", "y": "1"}
    {more}

    def forecast(self, x, t0, t1, rng):
        if len(x) > 1:  # else it may be the truth
            assert [round(v) for v in x[:, 0]] == list(rng.numbers), (x[:, 0], rng.numbers)
        failures = {i: DivergedError("burst") for i, n in enumerate(rng.numbers) if (rng.cycle, n) in {(2, 1), (3, 4)}}
        return Forecast(x, failures)


serve(Numbered)
"""

WORKFLOW = """
format = 1
[experiment]
name = "numbers"
seed = 2
[time]
cycles   = 5
interval = 1.0
[plugins]
numbered = { python = "numbered.py" }
[model]
plugin     = "numbered"
on_failure = "drop_member"
max_failed = 2
[truth]
init = [0.0, 0.0]
[observations]
plugin = "obs-nonlinear"
error  = { sd = 1e6 }
[ensemble]
size = 9
init = { dist = "samples", file = "members.csv" }
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
"""


@pytest.mark.parametrize(
    ("class_line", "settings"),
    [
        ("", []),
        ("", ["--set", "model.replicas=2"]),
        ("max_members_per_call = 3", []),
        ("", ["--set", "filter.etkf.window={ length = 2 }"]),
    ],
)
def test_members_keep_their_numbers(tmp_path, class_line, settings):
    code, said = _run(tmp_path, MODEL.replace("{more}", class_line), *settings)
    assert code == 0, said
    assert "2 members" in said, said


def test_the_number_of_the_first_member_does_not_stand_for_the_others(tmp_path):
    numbers = "range(rng.first, rng.first + len(x))"
    code, said = _run(tmp_path, MODEL.replace("{more}", "").replace("enumerate(rng.numbers)", f"enumerate({numbers})"))
    assert code == 1, said
    assert "'Streams' object has no attribute 'first'" in said, said


def _run(tmp_path, model, *settings):
    """Runs the workflow with a model."""
    (tmp_path / "numbered.py").write_text(model, encoding="utf-8")
    (tmp_path / "numbers.toml").write_text(WORKFLOW, encoding="utf-8")
    rows = [f"{i},{i * i}" for i in range(9)]
    (tmp_path / "members.csv").write_text("\n".join(["x,y", *rows, ""]), encoding="utf-8")
    return plume("run", tmp_path / "numbers.toml", "--run-dir", tmp_path / "runs", *settings)
