"""Parameters as classes declare them."""

import pytest
from plume import ConfigError, ContractError, Model, Param
from plume.params import declarations, manifest, resolve


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
        with pytest.raises(ConfigError, match='must be "auto" or a number above 0, but is'):
            resolve(declared, {"width": bad})
    with pytest.raises(ConfigError, match="must be a number, but is"):
        resolve(declared, {"power": "auto"})


def test_only_a_number_may_be_auto():
    class Whole(Model):
        """An integer."""

        number: int = Param("auto", auto=True, doc="of something")

    with pytest.raises(ContractError, match="auto is for float"):
        declarations(Whole)
