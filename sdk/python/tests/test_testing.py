"""Plugins constructed and tried without a run."""

import subprocess
import sys

import numpy as np
import plume as kit
import pytest
from conftest import PLUME
from plume._calls import CALL, CONFIGURE, ENSEMBLE, PARAMETERS
from plume._proto import plugin_pb2 as pb
from test_running import Mine

X = np.random.default_rng(1).normal(size=(20, 2))


class Decay(kit.Model):
    """Linear decay with noise."""

    variables = {"level": "m", "sediment": "kg m-3"}
    rate: float = kit.Param(1.0, gt=0, doc="decay rate")
    scheme: str = kit.Param("exact", choices=["exact", "euler"], doc="of the time step")

    def setup(self):
        self.factor = np.exp if self.scheme == "exact" else (lambda a: 1 + a)

    def forecast(self, x, t0, t1, rng):
        return x * self.factor(-self.rate * (t1 - t0)) + 0.1 * rng.normal(2)


class Gauge(kit.ObservationOperator):
    """Sum of the state."""

    variables = {"sum": "1"}

    def observe(self, x, t):
        return x.sum(axis=1, keepdims=True)


def test_parameters_are_checked_keywords():
    assert (Decay().rate, Decay(rate=2).rate, Decay(scheme="euler").scheme) == (1.0, 2.0, "euler")
    for given, want in (
        ({"rate": -1}, "^rate: must be a number > 0, but is -1$"),
        ({"scheme": "heun"}, "^scheme: must be one of exact, euler"),
        ({"speed": 1}, "^speed: is no parameter; there are: rate, scheme$"),
    ):
        with pytest.raises(kit.ConfigError, match=want):
            Decay(**given)


class Counter(kit.Model):
    """Adds how often each member was forecast before."""

    variables = {"x": "1"}
    carries = True
    gain: float = kit.Param(1.0, per_member=True, doc="of what is added")

    def forecast_member(self, x, t0, t1, rng, carry=b""):
        if x[0] < 0:
            raise kit.DivergedError("is below 0")
        return x + self.gain * len(carry), carry + b"x"


def test_what_members_carry():
    first = kit.testing.forecast(Counter(gain=2.0), [[1.0], [2.0], [3.0]])
    assert (first.ensemble.ravel().tolist(), first.carry) == ([1.0, 2.0, 3.0], [b"x"] * 3)
    second = kit.testing.forecast(Counter(gain=2.0), [[1.0], [-2.0], [3.0]], carry=[b"x", b"xx", b""])
    assert np.array_equal(second.ensemble.ravel(), [3.0, np.nan, 3.0], equal_nan=True)
    assert second.carry == [b"xx", b"", b"x"]
    assert kit.testing.forecast(Decay(), X).carry is None

    class Forgets(Counter):
        """Returns the state alone."""

        def forecast_member(self, x, t0, t1, rng, carry=b""):
            return x

    with pytest.raises(kit.ContractError, match=r"forecast_member: got ndarray, want \(state, bytes\)"):
        kit.testing.forecast(Forgets(), [[1.0]])


def estimated(cls, x, parameters):
    """Returns a forecast with parameters that differ by member."""
    request = pb.ConfigureRequest(per_member=list(parameters))
    c, _ = CONFIGURE["model"](cls(), request)
    values = np.column_stack(list(parameters.values()))
    answer, _ = CALL["model"](c, pb.CallHeader(members=len(x), time_to=0.5), {ENSEMBLE: x, PARAMETERS: values})
    return answer[ENSEMBLE]


def test_parameters_of_all_members_in_one_call():
    """With batched = True a model gets arrays, and is set up once; without, it is called for each."""
    calls = []

    class Moves(kit.Model):
        """Moves a pair."""

        variables = {"x": "1", "y": "1"}
        speed: float = kit.Param(1.0, per_member=True, doc="how fast")
        turn: float = kit.Param(0.5, per_member=True, doc="how far")

        def setup(self):
            calls.append("setup")

        def forecast(self, x, t0, t1, rng):
            calls.append(len(x))
            return (x + self.turn) * self.speed

    class Batched(Moves):
        """Moves all pairs."""

        batched = True

    x, given = np.arange(6.0).reshape(3, 2), {"turn": [1.0, 2.0, 3.0], "speed": [1.0, 10.0, 100.0]}
    one = estimated(Moves, x, given)
    assert calls == ["setup"] + ["setup", 1] * 3
    calls.clear()
    assert np.array_equal(estimated(Batched, x, given), one)
    assert one.tolist() == [[1.0, 2.0], [40.0, 50.0], [700.0, 800.0]]
    assert calls == ["setup", 3]
    calls.clear()
    assert np.array_equal(estimated(Batched, x, {"turn": [1.0, 2.0, 3.0]}), x + np.array([[1.0], [2.0], [3.0]]))

    class Lost(Counter):
        """Has no method for several members."""

        batched = True

    with pytest.raises(kit.ContractError, match=r"batched = True, but has no method forecast$"):
        Lost._face()


def test_a_model_is_called_with_arrays():
    first = kit.testing.forecast(Decay(rate=2.0), X, 0.0, 0.5, seed=3)
    again = kit.testing.forecast(Decay(rate=2.0), X, 0.0, 0.5, seed=3)
    assert np.array_equal(first.ensemble, again.ensemble)
    noise = first.ensemble - X * np.exp(-1.0)
    assert 0.06 < noise.std() < 0.14  # 40 draws of 0.1: within 4 / sqrt(80) of it
    euler = kit.testing.forecast(Decay(rate=2.0, scheme="euler"), X, 0.0, 0.5, seed=3)
    assert np.allclose(euler.ensemble, noise)  # 1 - 2 * 0.5 = 0

    class Fails(Decay):
        """Gives up its first member."""

        def forecast_member(self, x, t0, t1, rng):
            if x[0] == X[0, 0]:
                raise kit.DivergedError("too far")
            return x

        forecast = kit.Model.forecast

    result = kit.testing.forecast(Fails(), X)
    assert list(result.failures) == [0]
    assert np.isnan(result.ensemble[0]).all()
    assert np.array_equal(result.ensemble[1:], X[1:])


def test_an_operator_is_called_with_arrays():
    assert np.array_equal(kit.testing.observe(Gauge(), X, sd=0.5).predicted[:, 0], X.sum(axis=1))

    class BlackBox(kit.ObservationOperator):
        """Reads the sum."""

        variables = {"sum": "1"}

        def read(self, x, t, rng):
            return x.sum(axis=1, keepdims=True) + rng.normal(1)

    reading = kit.testing.observe(BlackBox(), X).predicted
    assert 0.3 < (reading[:, 0] - X.sum(axis=1)).std() < 1.7


def test_a_filter_is_called_with_arrays():
    """Of a linear normal problem with many members: the mean and variance of Kalman."""
    x = np.random.default_rng(2).normal(size=(4000, 1))
    analysis = kit.testing.analyse(Mine(), x, [1.0], sd=1.0)
    assert abs(analysis.ensemble.mean() - 0.5) < 4 * 0.7 / np.sqrt(4000)
    assert abs(analysis.ensemble.var() - 0.5) < 4 * 0.5 * np.sqrt(2 / 4000) * 2
    with pytest.raises(ValueError, match="read-only"):
        kit.testing.analyse(Changes(), x, [1.0])
    with pytest.raises(kit.ConfigError, match="h predicts 2 values, but the observation has 1"):
        kit.testing.analyse(Mine(), X, [1.0])
    with pytest.raises(kit.ContractError, match="got shape"):
        kit.testing.analyse(Short(), X, [1.0, 1.0])


class Changes(kit.Filter):
    """Changes its input."""

    def analyse(self, problem):
        problem.ensemble[0] = 0
        return problem.ensemble


class Short(kit.Filter):
    """Returns too few members."""

    def analyse(self, problem):
        return problem.ensemble[:-1]


class Remembers(Mine):
    """Is not a function of its request."""

    count = 0

    def analyse(self, problem):
        Remembers.count += 1
        return super().analyse(problem) + Remembers.count


def test_the_suite_runs_on_a_class(monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    kit.testing.check(Decay)
    kit.testing.check(Gauge)
    with pytest.raises(kit.ContractError, match=r"^class Remembers: analyse: the same call gives a different answer"):
        kit.testing.check(Remembers)


def test_the_kit_loads_without_what_only_serving_needs():
    code = "import sys, plume; print([m for m in ('grpc', 'google.protobuf', 'xarray', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
