"""States in single precision: columns of float32 on the way, float64 for who writes a model."""

import io
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from conftest import EXAMPLES, plume
from plume import ContractError, Layout, Variable
from plume._wire import Space

LAYOUTS = {
    "scalar": Layout((Variable("x"),)),
    "scalars": Layout((Variable("x"), Variable("y"), Variable("z"))),
    "one": Layout((Variable("u", "1", (7,)),)),
    "mixed": Layout((Variable("level"), Variable("u", "1", (3, 4)), Variable("t", "1", (5,)))),
    "wide": Layout((Variable("u", "1", (50_001,)),)),
}


class Source(io.BytesIO):
    """A stream as the file that a space reads."""


def stream(space, matrix):
    return b"".join(memoryview(piece).cast("B").tobytes() for piece in space.encode(matrix))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("rows", [1, 2, 13])
def test_values_arrive_as_the_nearest_float32(layout, rows):
    sent = np.random.default_rng(rows).normal(size=(rows, layout.size))
    space = Space(layout, np.float32)
    got = space.decode(Source(stream(space, sent)), rows, "ensemble")
    assert got.dtype == np.float64
    assert np.array_equal(got, sent.astype(np.float32))


def test_they_take_half_the_bytes():
    sent = np.ones((40, 50_001))
    double, single = (len(stream(Space(LAYOUTS["wide"], t), sent)) for t in (np.float64, np.float32))
    assert single < 0.501 * double


def test_what_is_beyond_the_range_is_infinite_without_a_warning():
    space = Space(LAYOUTS["scalars"], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent = stream(space, np.array([[1e39, -1e308, 3.4e38]]))
    assert space.decode(Source(sent), 1, "ensemble").tolist() == [[np.inf, -np.inf, float(np.float32(3.4e38))]]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_another_precision_is_refused(layout):
    single, double = Space(layout, np.float32), Space(layout)
    for of, by in ((single, double), (double, single)):
        sent = Source(stream(of, np.zeros((3, layout.size))))
        with pytest.raises(ContractError, match="channel ensemble: has the columns"):
            by.decode(sent, 3, "ensemble")


def test_damaged_streams_are_refused_or_read():
    space, random = Space(LAYOUTS["mixed"], np.float32), np.random.default_rng(1)
    sound, refused = stream(space, np.ones((4, 18))), 0
    for cut in range(0, len(sound), 37):
        with pytest.raises(ContractError):
            space.decode(Source(sound[:cut]), 4, "ensemble")
    for _ in range(500):
        damaged = bytearray(sound)
        damaged[random.integers(len(damaged))] ^= random.integers(1, 256)
        try:
            assert space.decode(Source(bytes(damaged)), 4, "ensemble").shape == (4, 18)
        except ContractError:
            refused += 1
    assert refused


KIT = '''
class RawPython(Model):
    """Exponential decay."""

    name = "raw-python"
    variables = {{"u": "1", "v": "1"}}

    def forecast(self, x, t0, t1, rng):
        assert x.dtype == np.float64
        assert len(x) == 1 or np.array_equal(x, x.astype(np.float32))  # the truth has one
        x = x * math.exp(t0 - t1)
        return np.where(np.array(rng.numbers)[:, None] == 3, 1e39, x) if {bursts} and t1 > 0.25 else x

{before}
serve(RawPython)
'''
WITHOUT = """
import plume._server as s
describe = s.Server.describe

def without(self, request, context):
    response = describe(self, request, context)
    response.features[:] = [f for f in response.features if f != "float32.v1"]
    return response

s.Server.describe = without
"""
WORKFLOW = """format = 1
experiment = {{ name = "single", seed = 1 }}
time = {{ cycles = 8, interval = 0.1 }}
model = {{ plugin = "raw-python", precision = "float32", on_failure = "drop_member", max_failed = 2 }}
truth = {{ init = [1.0, 2.0] }}
ensemble = {{ size = 10, init = {{ dist = "normal", around = "truth", sd = 1.0 }} }}
filter = [{{ label = "etkf", plugin = "filter-enkf", params = {{ scheme = "etkf" }} }}]
output = {{ ensemble = "both" }}
plugins.raw-python.command = [{python!r}, {script!r}]
[observations]
plugin = "obs-nonlinear"
error = {{ sd = 1.0 }}
"""


def run(folder, script, *how):
    """Runs a workflow with a plugin, and returns the folder of its results."""
    folder.mkdir()
    file = folder / "w.toml"
    file.write_text(WORKFLOW.format(python=sys.executable, script=str(script)), encoding="utf-8")
    code, said = plume("run", file, "--run-dir", folder / "runs", "-q", *how)
    assert code == 0, said
    return said.splitlines()[0]


def kit(folder, name, bursts=False, before=""):
    """Writes a model with the kit."""
    path = folder / f"{name}.py"
    text = KIT.format(before=before, bursts=bursts)
    path.write_text("import math\nimport numpy as np\nfrom plume import *\n" + text, encoding="utf-8")
    return path


def test_runs_are_the_same_with_and_without_the_feature_and_the_kit(tmp_path):
    ways = {
        "raw": (EXAMPLES / "raw.py",),
        "kit": (kit(tmp_path, "with"),),
        "without": (kit(tmp_path, "without", before=WITHOUT),),
        "replicas": (kit(tmp_path, "replicas"), "--set", "model.replicas=3"),
    }
    runs = [run(tmp_path / name, *how) for name, how in ways.items()]
    for other in runs[1:]:
        code, said = plume("verify", runs[0], other)
        assert code == 0, said


def test_a_member_beyond_the_range_has_failed_in_the_same_way(tmp_path):
    ways = {"with": "", "without": WITHOUT}
    runs = [run(tmp_path / k, kit(tmp_path, k + "-it", bursts=True, before=v)) for k, v in ways.items()]
    code, said = plume("verify", *runs)
    assert code == 0, said
    lost = [pa.ipc.open_file(f"{run}/failures.arrow").read_all().to_pydict() for run in runs]
    assert lost[0] == lost[1]
    assert lost[0]["reason"] == ["u is beyond the range of float32"]
    assert lost[0]["member"] == [3]
