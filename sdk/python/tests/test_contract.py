"""What Go's contract offers, plugins in Python can do."""

import pytest
from conftest import EXAMPLES, plume
from plume._calls import layout_from
from plume._proto import plugin_pb2 as pb

OPERATOR = '''
class Square(ObservationOperator):
    """x squared."""

    {declared}
    variables = [Variable("x", "1", (6,))]

    def observe(self, x, t):
        return Observed(x**2, metrics={{"largest": float(np.max(x))}})

    {offered}

serve(Square)
'''
ADJOINT = "def adjoint(self, d, x, t): return 2 * x * d"


@pytest.mark.parametrize(
    ("declared", "offered", "want"),
    [
        ("", ADJOINT, None),
        ("", "def adjoint(self, d, x, t): return x * d", "the gradient is"),
        ("", "def adjoint(self, d, x, t): return d[:, :2]", "gradient: got shape (12, 2), want (members, values) ="),
        ("", "def gradient(self, predicted, x, y, t): return 2 * x * (y - predicted) / self.error.sd**2",
         "gradient: member 0, x[0] is nan; want a finite number"),
        ('errors = ["laplace"]', """
    def log_likelihood(self, predicted, x, y, t):
        return -np.abs(y - predicted)

    def gradient(self, predicted, x, y, t):
        return 2 * x * np.where(np.isnan(y), 0.0, np.sign(y - predicted))
""", None),
    ],
)  # fmt: skip
def test_gradients(script, declared, offered, want):
    code, said = plume("plugins", "test", script(OPERATOR.format(declared=declared, offered=offered)))
    assert code == (0 if want is None else 1), said
    assert want is None or want in said


def test_the_example_offers_a_gradient():
    text = (EXAMPLES / "obs_arctan.py").read_text(encoding="utf-8")
    assert "def adjoint" in text  # which test_conformance then puts through the suite


FILTER = '''
class Choosy(Filter):
    """Takes what it is offered."""

    def setup(self):
        assert set(self.offers) >= {"predicted", "error_variance", "gradient"}
        self.needs = [n for n in ("gradient", "log_likelihood") if n in self.offers]

    def analyse(self, p):
        assert p.predicted is None and p.gradient.shape == p.ensemble.shape
        return Analysis(p.ensemble + 0.01 * p.gradient, carry=p.carry + b"!", metrics={"cycle": float(p.cycle)})

serve(Choosy)
'''


def test_filters_see_what_is_offered(script):
    code, said = plume("plugins", "test", script(FILTER))
    assert code == 0, said


FRACTIONS = '''
class Inflating(Filter):
    """Widens, and counts, what is observed for the first time."""

    fractions = True
    needs = ("predicted", "error_variance")

    def analyse(self, p):
        assert p.seen in (0, p.observation.size) and p.fraction.shape == p.observation.shape
        mean = p.ensemble.mean(axis=0)
        if not p.fresh().any():
            return Analysis(p.ensemble, carry={later})
        return Analysis(mean + 1.1 * (p.ensemble - mean), carry=p.carry + b"!")

serve(Inflating)
'''


@pytest.mark.parametrize(
    ("later", "want"),
    [("p.carry", None), ('p.carry + b"!"', "a later call of the same cycle changes what is carried over")],
)
def test_filters_take_fractions(script, later, want):
    code, said = plume("plugins", "test", script(FRACTIONS.format(later=later)))
    assert code == (0 if want is None else 1), said
    assert want is None or want in said


CUTOFFS = '''
class Near(Filter):
    """Knows how far each observation reaches."""

    cutoffs = True
    needs = ("predicted", "coordinates")

    def setup(self):
        assert self.observation_cutoffs.shape == (self.observations.size,) and not self.observation_cutoffs.any()

    def analyse(self, p):
        return p.ensemble

serve(Near)
'''


def test_filters_take_cutoffs(script):
    code, said = plume("plugins", "test", script(CUTOFFS))
    assert code == 0, said


SMOOTHS = '''
class Shifting(Filter):
    """Moves all times by the mean innovation."""

    smooths = True
    needs = ("predicted", "error_variance")

    def analyse(self, p):
        n = p.ensemble.shape[1]
        assert n == (1 + self.past) * self.state.size
        y, h, _ = p.observed()
        return p.ensemble + (y - h.mean(axis=0)).mean(){more} if len(y) else p.ensemble

serve(Shifting)
'''


@pytest.mark.parametrize(
    ("more", "want"), [("", None), (" + self.past", "states of earlier times change the analysis")]
)
def test_filters_smooth(script, more, want):
    code, said = plume("plugins", "test", script(SMOOTHS.format(more=more)))
    assert code == (0 if want is None else 1), said
    assert want is None or want in said


CONSTRUCTOR = '''
class Inflates(Filter):
    """Has a constructor of its own."""

    inflation: float = Param(1.1, ge=1, doc="factor on the anomalies")

    def __init__({takes}):
        {first}
        self.factors = [1.0]

    def analyse(self, p):
        mean = p.ensemble.mean(axis=0)
        return mean + self.factors[0] * self.inflation * (p.ensemble - mean)

serve(Inflates)
'''


@pytest.mark.parametrize(("takes", "first"), [("self", "pass"), ("self, **own", "super().__init__(**own)")])
def test_plugins_may_have_a_constructor(script, takes, first):
    code, said = plume("plugins", "test", script(CONSTRUCTOR.format(takes=takes, first=first)))
    assert code == 0, said


RETRYABLE = '''
class Flaky(Model):
    """One member may succeed when repeated, one cannot."""

    variables = {"x": "1"}
    example = {"state": [2.0]}

    def forecast(self, x, t0, t1, rng):
        assert rng.cycle == 1 and rng.numbers[0] in (0, 5)
        return super().forecast(x, t0, t1, rng)

    def forecast_member(self, x, t0, t1, rng):
        if x[0] < 1.9:
            raise TransientError("no licence free")
        if x[0] > 2.1:
            raise DivergedError("overflow")
        return x

serve(Flaky)
'''


def test_members_may_fail(script):
    code, said = plume("plugins", "test", script(RETRYABLE))
    assert code == 0, said


BLACK_BOX = '''
class Gauge(ObservationOperator):
    """Reads x, and says nothing of its error."""

    def setup(self):
        self.variables = [Variable("x", "1", (self.state.size,))]

    def read(self, x, t, rng):
        return {reading}

serve(Gauge)
'''


@pytest.mark.parametrize(
    ("reading", "want"),
    [
        ("x + rng.normal(x.shape[1])", None),
        ("x + np.random.normal(size=x.shape)", "every random draw must come from the seed of the request"),
        ("x[:, :2]", "read: got shape (12, 2), want (members, values) ="),
    ],
)
def test_black_boxes(script, reading, want):
    code, said = plume("plugins", "test", script(BLACK_BOX.format(reading=reading)))
    assert code == (0 if want is None else 1), said
    assert want is None or want in said


def test_positions_by_rule():
    def axes(every, x=0.0):
        return [pb.GridAxis(spacing=10, every=every, length=2), pb.GridAxis(spacing=0.5, every=1, length=3, origin=x)]

    h, one = pb.GridPart(count=3, first=1, stride=2, axes=axes(3)), pb.GridPart(count=1, stride=1, axes=axes(3, -0.25))
    message = pb.Layout(variables=[pb.Variable(name="h", shape=[3]), pb.Variable(name="s")])
    message.coordinates.dims.extend(["y", "x"])
    message.coordinates.period.extend([0, 1.5])
    message.coordinates.grid.extend([h, one])
    coordinates = layout_from(message).coordinates
    assert coordinates is not None
    assert coordinates.points.tolist() == [[0, 0.5], [10, 0], [10, 1], [0, -0.25]]


DATED = '''
class Dated(Model):
    """Stays as it is, where times have the dates that are wanted."""

    variables = {"x": "1"}

    def setup(self):
        if self.dates != WANT:
            raise ConfigError(f"got {self.dates}")

    def forecast(self, x, t0, t1, rng):
        return x

serve(Dated)
'''

WORKFLOW = """
format = 1
experiment = { name = "dated", seed = 1 }
plugins.dated.python = "plugin.py"
model = { plugin = "dated", noise = { sd = 0.1 } }
truth = { init = [0.0] }
observations = { plugin = "obs-nonlinear", error = { sd = 0.5 } }
ensemble = { size = 4, init = { dist = "normal", mean = 0.0, sd = 1.0 } }
filter = [{ label = "etkf", plugin = "filter-enkf" }]
"""


@pytest.mark.parametrize(
    ("start", "want"),
    [
        ('start = 2026-03-01T06:00:00+02:00, unit = "1h"',
         {"start": "2026-03-01T04:00:00Z", "unit_seconds": 3600.0, "calendar": "proleptic_gregorian"}),
        ("start = 3.0", None),
    ],
)  # fmt: skip
def test_models_see_the_dates_of_times(script, tmp_path, start, want):
    script(DATED.replace("WANT", repr(want)))
    workflow = tmp_path / "dated.toml"
    workflow.write_text(WORKFLOW + f"time = {{ cycles = 2, interval = 1.0, {start} }}\n", encoding="utf-8")
    code, said = plume("validate", workflow)
    assert code == 0, said


GAUGED = '''
class Gauged(Model):
    """A tank whose outflow is a diagnostic, and whose fields are two."""

    variables = {{"level": "m", "depth": "m"}}
    diagnostics = {diagnostics}
    rate: float = Param(0.2, per_member=True, doc="of the outflow")
    {more}
    {forecast}

serve(Gauged)
'''
BY_MEMBER = """
    def forecast_member(self, x, t0, t1, rng{more}):
        assert x.shape == (2,)
        return {answer}
"""
TANK = "np.array([x[0] * (1 - self.rate), x[1] + rng.normal(), self.rate * x[0]])"


PROGNOSTIC = "want those that the model goes on from"


@pytest.mark.parametrize(
    ("diagnostics", "more", "forecast", "want"),
    [
        ('{"outflow": "m3"}', "", BY_MEMBER.format(more="", answer=TANK), None),
        ('{"outflow": "m3"}', "carries = True",
         BY_MEMBER.format(more=", carry=b''", answer=f"{TANK}, carry + b'!'"), None),
        ('{"outflow": "m3"}', "batched = True", """
    def forecast(self, x, t0, t1, rng):
        assert x.shape[1] == 2 and not x.flags.writeable
        out = self.rate * x[:, :1]
        return np.hstack([x[:, :1] - out, x[:, 1:], out])
""", None),
        ('[Variable("flow", "m3", (2,))]', "", BY_MEMBER.format(more="", answer="np.zeros(4)"), None),
        ('{"outflow": "m3"}', "", BY_MEMBER.format(more="", answer="x"), "got shape (2,), want (values,) = (3,)"),
        ('[Variable("flow", "m3", (2))]', "", BY_MEMBER.format(more="", answer="x"), "variable flow: has shape 2"),
        ('{"outflow": "m3"}', "variables = {}", BY_MEMBER.format(more="", answer="x"), PROGNOSTIC),
        ("{}", 'variables = [Variable("a", diagnostic=True), Variable("b")]', BY_MEMBER.format(more="", answer="x"),
         PROGNOSTIC),
    ],
)  # fmt: skip
def test_diagnostics(script, diagnostics, more, forecast, want):
    text = GAUGED.format(diagnostics=diagnostics, more=more, forecast=forecast)
    code, said = plume("plugins", "test", script(text))
    assert code == (0 if want is None else 1), said
    assert want is None or want in said
