"""Parameters as classes declare them."""

import re

import pytest
from plume import ConfigError, ContractError, Filter, Model, Param
from plume.params import declarations, explain, manifest, resolve


class Kernel(Model):
    """A kernel."""

    variables = {"x": "1"}
    width: float | None = Param("auto", auto=True, gt=0, doc="of the kernels")
    power: float = Param(2.0, doc="of the tails")

    def forecast(self, x, t0, t1, rng):
        return x


def test_a_number_may_be_left_to_the_plugin():
    declared = declarations(Kernel)
    assert declarations(Kernel) == declared, "a class may be asked again"
    assert 'default = "auto"\nabove = 0.0\nauto = true\n' in manifest(Kernel, declared)
    for given, want in (({}, None), ({"width": "auto"}, None), ({"width": 2}, 2.0)):
        assert resolve(declared, given)["width"] == want
    for bad in ("Auto", 0.0, "1"):
        with pytest.raises(ConfigError, match='must be "auto" or a number > 0, but is'):
            resolve(declared, {"width": bad})
    with pytest.raises(ConfigError, match="must be a number, but is"):
        resolve(declared, {"power": "auto"})


def test_only_a_number_may_be_auto():
    class Whole(Model):
        """An integer."""

        number: int = Param("auto", auto=True, doc="of something")

    with pytest.raises(ContractError, match="auto is for float"):
        declarations(Whole)


class Meshed(Model):
    """A model on a mesh."""

    variables = {"x": "1"}
    mesh: str = Param(path="input", doc="file of the mesh")
    command: list[str] = Param(["mesher"], path="program", doc="and its arguments")

    def forecast(self, x, t0, t1, rng):
        return x


def test_a_parameter_says_that_it_is_a_path():
    text = manifest(Meshed, declarations(Meshed))
    assert '\nrequired = true\npath = "input"\n' in text
    assert '\npath = "program"\n' in text
    for hint, path in ((float, "input"), (str, "program"), (str, "in")):

        class Bad(Model):
            """A model."""

            parameter: hint = Param(path=path, doc="of something")

        with pytest.raises(ContractError, match="param parameter: path is "):
            declarations(Bad)


class Transform(Filter):
    """A filter with two schemes."""

    scheme: str = Param("global", choices=["global", "local", "serial"], doc="of the analysis")
    cutoff: float = Param(0.0, ge=0, when={"scheme": ["local", "serial"]}, doc="of the taper")
    inflation: float = Param(1.0, gt=0, doc="of anomalies")

    def analyse(self, problem):
        return problem.ensemble


def test_a_parameter_says_when_it_applies():
    declared = declarations(Transform)
    assert '\nwhen = { scheme = ["local", "serial"] }\n' in manifest(Transform, declared)
    for given in ({"cutoff": 0}, {"scheme": "serial", "cutoff": 2}, {"scheme": "global", "cutoff": 0.0}):
        assert resolve(declared, given)["cutoff"] == given["cutoff"]
    want = 'applies only with scheme = "local" or "serial", but scheme is "global"'
    with pytest.raises(ConfigError, match=want) as refused:
        resolve(declared, {"cutoff": 2})
    assert refused.value.where == "cutoff"
    assert refused.value.hint == 'leave it at its default, 0.0, or set scheme = "local" or "serial"'
    headings = [line for line in explain(declared) if not line.startswith(" ")]
    assert headings == ["parameters:", "parameters with scheme = local or serial:"]


@pytest.mark.parametrize(
    ("when", "want"),
    [
        ({"schema": ["local"]}, "schema is not a parameter listed before it"),
        ({"cutoff": ["local"]}, "cutoff is not a parameter listed before it"),
        ({"length": ["local"]}, "length has no choices"),
        ({"scheme": []}, "want a list of choices for scheme"),
        ({"scheme": "local"}, "want a list of choices for scheme"),
        ({"scheme": ["lokal"]}, 'scheme has no choice "lokal", it has global, local'),
    ],
)
def test_a_condition_names_choices_of_a_parameter_before(when, want):
    class Broken(Filter):
        """A filter that cannot be configured."""

        scheme: str = Param("global", choices=["global", "local"], doc="of the analysis")
        length: float = Param(1.0, doc="of something")
        cutoff: float = Param(0.0, when=when, doc="of the taper")

    with pytest.raises(ContractError, match=re.escape(f"param cutoff: when: {want}")):
        declarations(Broken)


def test_a_required_parameter_always_applies():
    class Broken(Filter):
        """A filter that cannot be configured."""

        scheme: str = Param("global", choices=["global", "local"], doc="of the analysis")
        cutoff: float = Param(when={"scheme": ["local"]}, doc="of the taper")

    with pytest.raises(ContractError, match="param cutoff: when requires a default"):
        declarations(Broken)
