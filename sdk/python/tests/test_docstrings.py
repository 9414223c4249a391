"""The site's page of the kit: it has every public name, and the examples of its docstrings run."""

import functools
import inspect
import re
import types

import numpy as np
import plume as kit
import pytest
from conftest import PLUME, ROOT

PAGE = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^::: plume\.(\w+)", PAGE, re.MULTILINE)

WORKFLOW = """format = 1
experiment = { name = "twin", seed = 1 }
time = { cycles = 5, interval = 0.1 }
model = { plugin = "lorenz63" }
truth = { init = [1.5, -1.5, 25.5] }
observations = { plugin = "obs-nonlinear", error = { sd = 1.0 } }
ensemble = { size = 5, init = { dist = "normal", around = "truth", sd = 1.0 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf", inflation = 1.0 } }]
"""


class Mine(kit.Filter):
    """Returns the forecast."""

    inflation: float = kit.Param(1.0, ge=1, doc="does nothing")

    def analyse(self, problem):
        return problem.ensemble


class Decay(kit.Model):
    """Linear decay."""

    variables = {"x": "1"}
    rate: float = kit.Param(1.0, gt=0, doc="decay rate")

    def forecast(self, x, t0, t1, rng):
        return x * np.exp(-self.rate * (t1 - t0))


def docstrings():
    """Yields all that the page shows, by name."""
    for name in SHOWN:
        thing = getattr(kit, name)
        yield name, inspect.getdoc(thing)
        if inspect.isclass(thing) or inspect.ismodule(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                    yield f"{name}.{member}", inspect.getdoc(value)


TEXTS = [(name, text) for name, text in docstrings() if text]
EXAMPLES = [
    pytest.param(inspect.cleandoc(code[1]), id=f"{name}-{i}")
    for name, text in TEXTS
    for i, code in enumerate(re.finditer(r":\n\n((?:    .*(?:\n|$))+)", text))
]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the examples take as given."""
    at = tmp_path_factory.mktemp("examples")
    (at / "twin.toml").write_text(WORKFLOW, encoding="utf-8")
    with pytest.MonkeyPatch.context() as m:
        m.chdir(at)
        m.setenv("PLUME", PLUME)
        run = kit.run("twin.toml", sweep={"filter.etkf.params.inflation": [1.0, 1.05]}, in_process=True)
        short = types.SimpleNamespace(**{n: getattr(kit, n) for n in kit.__all__})
        short.bench = functools.partial(kit.bench, cycles=200)  # not thousands
        given = {"plume": short, "np": np, "Param": kit.Param, "Mine": Mine, "Decay": Decay, "x": np.ones((3, 1))}
        yield given | {"run": run, "comparison": kit.compare(run)}


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code, names):
    if re.match(r"\w+: ", code):  # a parameter of a plugin
        code = "class Plugin(plume.Model):\n    " + code
    exec(code, dict(names))


def test_every_example_is_found():
    assert len(EXAMPLES) >= 9, EXAMPLES


@pytest.mark.parametrize("name", kit.__all__)
def test_the_page_has_every_name(name):
    assert re.search(rf"plume\.{name}\b", PAGE)


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_the_page_is_markdown(name, text):
    assert "::\n" not in text
