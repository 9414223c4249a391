"""The suite that judges Go plugins judges Python plugins: good ones pass, and each
broken one gets a finding of its own."""

import subprocess
import sys

import pytest
from conftest import EXAMPLES, PLUME, PROTO, plume


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.py")))
def test_examples_pass(name):
    code, text = plume("plugins", "test", EXAMPLES / name)
    assert code == 0, text


MODEL = '''
class Broken(Model):
    """Broken on purpose."""

    variables = {{"u": "1", "v": "1"}}
    {attributes}

    def forecast(self, x, t0, t1, rng):
        {body}

serve(Broken)
'''


def model(body, attributes=""):
    return MODEL.format(body=body, attributes=attributes)


BROKEN = {
    "wrong shape": (model("return x[:, :1]"), "got shape (12, 1), want (members, values) = (12, 2)"),
    "too few members": (model("return x[1:]"), "got shape (11, 2), want (members, values) = (12, 2)"),
    "ragged rows": (model("return [[1.0], [1.0, 2.0]]"), "rows of different lengths"),
    "nothing returned": (model("x + 1"), "returned nothing; want an array, (members, values) = (12, 2)"),
    "wrong dtype": (model("return x + 1j"), "got dtype complex128, want float64"),
    "mutated input": (model("x += 1; return x"), "the call modifies its input"),
    "unseeded randomness": (
        model("return x + np.random.default_rng().normal(size=x.shape)"),
        "every random draw must come from the seed of the request",
    ),
    "one stream for all members": (
        model("return x + rng.member(0).normal(size=x.shape)"),
        "members 5 to 11 by themselves give a different answer",
    ),
    "wrong member order": (model("return x[::-1]"), "order: row 0 of the answer is the answer for member 11 by itself"),
    "state kept between calls": (
        model("self.calls = getattr(self, 'calls', 0) + 1; return x + self.calls"),
        "and nothing may be kept between calls",
    ),
    "state kept between calls, next to what is carried": (
        """
        class Broken(Model):
            \"\"\"Broken on purpose.\"\"\"

            variables = {"u": "1"}
            carries = True
            last = 0.0

            def forecast(self, x, t0, t1, rng, carry=()):
                if any(carry):
                    x = x + self.last
                self.last = float(x[0, 0])
                return Forecast(x, carry=[b"x"] * len(x))

        serve(Broken)
        """,
        "carry: a forecast that goes on from what was carried is another one after other calls",
    ),
    "carried without saying so": (model("return Forecast(x, carry=[b'x'] * len(x))"), "does not say carries = True"),
    "carried by too few": (
        model("return Forecast(x, carry=[b'x'])", "carries = True").replace("t1, rng)", "t1, rng, carry)"),
        "want a list with bytes for each of 12 members",
    ),
    "NaN": (model("y = x.copy(); y[3, 1] = np.nan; return y"), "member 3, v is nan; want a finite number"),
    "every member fails": (
        model("return Forecast(x, {i: 'no convergence' for i in range(len(x))})"),
        "every member failed: no convergence",
    ),
    "failed member out of range": (model("return Forecast(x, {99: 'lost'})"), "rows [99] are listed as failed"),
    "exception": (model("return x / self.rate"), "plugin.py:11, in forecast: AttributeError: 'Broken' object has no"),
    "exception on one member": (
        '''
        class Broken(Model):
            """Broken on purpose."""

            variables = {"u": "1"}
            example = {"state": [2.0]}

            def forecast_member(self, x, t0, t1, rng):
                if x[0] == self.last(x):
                    raise RuntimeError("the solver did not converge")
                return x

            def last(self, x):
                self.calls = getattr(self, "calls", 0) + 1
                return x[0] if self.calls == 4 else 0.0

        serve(Broken)
        ''',
        "member 3: plugin.py:12, in forecast_member: RuntimeError: the solver did not converge",
    ),
    "memory hog": (model("return np.ones((len(x), 1 << 50))"), "Unable to allocate"),
    "memory hog, killed": (  # as Linux does when memory runs out
        model("import os; os.kill(os.getpid(), 9)"),
        "the process was ended by signal 9 (killed) during the call; if nobody killed it, the machine may have run out",
    ),
    "infinite loop": (model("while True: pass"), "no answer within 2s"),
    "sys.exit in a call": (
        model("import sys; sys.exit(3)"),
        "plugin.py:11, in forecast: SystemExit: 3; plume ends the process; raise an error in place of sys.exit",
    ),
    "sys.exit in setup": (
        model("return x", "def setup(self): import sys; sys.exit('no licence')"),
        "plugin.py:8, in setup: SystemExit: no licence; plume ends the process",
    ),
    "an exception that is no Exception": (
        model("raise type('Panic', (BaseException,), {})('index out of bounds')"),
        "plugin.py:11, in forecast: Panic: index out of bounds",
    ),
    "a message of several lines": (
        model("raise ValueError('no convergence\\n  in 20 steps')"),
        "ValueError: no convergence in 20 steps\n",
    ),
    "masked values": (
        model("return np.ma.masked_less(x, 1e9)"),
        "forecast: got masked values, want all of them; fill them in with filled",
    ),
    "masked values of one member": (
        model("raise").replace("def forecast(self", "def forecast_member(self").replace(
            "raise", "return np.ma.masked_less(x, 1e9) if rng.bit_generator.state['state']['counter'][2] == 4 else x"
        ),
        "member 3: forecast_member: got masked values",
    ),
    "one member of another length": (
        model("return x[:1]").replace("def forecast(self", "def forecast_member(self"),
        "forecast: member 0: forecast_member: got shape (1,), want (values,) = (2,)",
    ),
    "failures without reasons": (
        model("return Forecast(x, [3])"), "failures: are [3]; want a dict, {row: reason}",
    ),
    "a metric that is no number": (
        model("return Forecast(x, metrics={'courant': np.ones(2)})"),
        "metrics: 'courant' is str: ndarray, want str: float",
    ),
    "a shape that is a number": (
        model("return x", "variables = [Variable('u', '1', (3))]"),
        "variable u: has shape 3; want a tuple of lengths, such as (3,)",
    ),
    "coordinates of another length": (
        model("return x", "coordinates = Coordinates(('x',), np.arange(2))"),
        "coordinates: points: have shape (2,) and dtype int64, want (2, 1) and float64; one row per value",
    ),
    "coordinates that are not finite": (
        model("return x", "coordinates = Coordinates(('x',), np.array([[0.0], [np.nan]]))"),
        "layout: coordinates: point 1 is at x = NaN; want a finite number",
    ),
    "one period for all": (
        model("return x", "coordinates = Coordinates(('x',), np.zeros((2, 1)), 3.0)"),
        "coordinates: period: is 3.0, want 1 numbers",
    ),
    "exit in a call": (model("import os; os._exit(7)"), "the process exited with code 7 during the call"),
    "exit at import": ("import sys\nsys.exit(5)\n", "the process exited with code 5 before it was ready"),
    "exception at import": (
        "import no_such_module\n",
        "the last line of its standard error: ModuleNotFoundError: No module named 'no_such_module'; install it for /",
    ),
    "not served": ("", "before it was ready; a plugin runs until it is asked to end"),
    "undocumented parameter": (
        model("return x", "rate: float = Param(1.0)"),
        "param rate: doc is missing; say what it means",
    ),
    "parameter without a type": (
        model("return x", "rate: object = Param(1.0, doc='a rate')"),
        "want float, int, bool, str or a list of them",
    ),
    "default out of range": (
        model("return x", "rate: float = Param(-1.0, gt=0, doc='a rate')"),
        "param rate: default: must be a number > 0, but is -1.0",
    ),
    "no summary": ("class Broken(Model):\n    variables = {'x': '1'}\n\nserve(Broken)\n", "has no docstring"),
    "no forecast": (
        'class Broken(Model):\n    """B."""\n    variables = {"x": "1"}\n\nserve(Broken)\n',
        "class Broken: has no method forecast or forecast_member",
    ),
    "no variables": (model("return x").replace('variables = {"u": "1", "v": "1"}', ""), "variables: are []; want"),
    "weights that do not sum to 1": (
        '''
        class Broken(Filter):
            """Broken on purpose."""

            def analyse(self, p):
                return Analysis(p.ensemble, log_weights=np.zeros(len(p.ensemble)))

        serve(Broken)
        ''',
        "answer: the weights sum to 12, want 1; normalise the log-weights",
    ),
    "weights of another number": (
        """
        class Broken(Filter):
            \"Broken on purpose.\"

            def analyse(self, p):
                return Analysis(p.ensemble, log_weights=np.zeros((2, 6)))

        serve(Broken)
        """,
        "log_weights: got shape (2, 6), want (values,) = (12,)",
    ),
    "needs that are a text": (
        """
        class Broken(Filter):
            \"Broken on purpose.\"

            needs = "predicted"

            def analyse(self, p):
                return p.ensemble

        serve(Broken)
        """,
        'needs: is "predicted"; want a list, ("predicted",)',
    ),
    "weights that are not finite": (
        """
        class Broken(Filter):
            \"Broken on purpose.\"

            def analyse(self, p):
                return Analysis(p.ensemble, log_weights=np.full(len(p.ensemble), np.nan))

        serve(Broken)
        """,
        "answer: the weights sum to NaN, want 1; normalise the log-weights",
    ),
    "an error variance of 0": (
        """
        class Broken(ObservationOperator):
            \"Broken on purpose.\"

            variables = {"a": "1"}

            def observe(self, x, t):
                return x[:, :1]

            def error_variance(self):
                return 0.0

        serve(Broken)
        """,
        "answer: error variance 0 is 0; want a finite number above 0",
    ),
    "one observation of another length": (
        """
        class Broken(ObservationOperator):
            \"Broken on purpose.\"

            variables = {"a": "1", "b": "1"}

            def observe_member(self, x, t):
                return x[0]

        serve(Broken)
        """,
        "observe: member 0: observe_member: got shape (), want (values,) = (2,)",
    ),
    "missing observations ignored": (
        '''
        class Broken(Filter):
            """Broken on purpose."""

            def analyse(self, p):
                return p.ensemble + np.mean(p.observation - p.predicted)

        serve(Broken)
        ''',
        "analyse: member 0, x[0] is nan; want a finite number",
    ),
    "predictions of another length": (
        '''
        class Broken(ObservationOperator):
            """Broken on purpose."""

            variables = {"a": "1", "b": "1"}

            def observe(self, x, t):
                return x[:, :3]

        serve(Broken)
        ''',
        "observe: got shape (12, 3), want (members, values) = (12, 2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_broken_plugins_are_found_out(fault, script):
    text, finding = BROKEN[fault]
    limit = ["--timeout", "2s"] if fault == "infinite loop" else []
    code, said = plume("plugins", "test", *limit, script(text))
    assert code == 1
    assert finding in said


@pytest.mark.parametrize("kit", [True, False])
def test_print_at_import_is_found_out(kit, script):
    """Once the kit is imported printing is safe; before, and without, it is not."""
    path = script(model("return x.copy()") if kit else "")
    text = path.read_text(encoding="utf-8") if kit else "import time\ntime.sleep(9)\n"
    path.write_text('print("loading", flush=True)\n' + text, encoding="utf-8")
    code, said = plume("plugins", "test", path)
    assert code == 1
    assert 'wrote "loading\\n" to standard output before the handshake' in said


def test_prints_are_safe_with_the_kit(script):
    body = "print('forecast', flush=True); return x.copy()"
    path = script("import os\nprint('import')\nos.system('echo child')\n" + model(body))
    path.write_text('print("before the kit")\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    code, said = plume("plugins", "test", path)
    assert code == 0, said


def by_hand(*args):
    env = {"PATH": "/usr/bin:/bin", "PLUME": PLUME, "PYTHONPATH": str(PROTO)}
    return subprocess.run([sys.executable, *args], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_parameters_that_do_not_apply_are_refused(script):
    """The suite tries them; a plugin that takes them has to undo what the kit does."""
    attributes = """
    scheme: str = Param("euler", choices=["euler", "rk4", "multigrid"], doc="of the integration")
    rtol: float = Param(1e-6, gt=0, when={"scheme": ["rk4", "multigrid"]}, doc="of a step")
"""
    path = script(model("return x", attributes))
    code, text = plume("plugins", "test", path)
    assert code == 0, text
    code, text = plume("plugins", "describe", path)
    assert "\n\nparameters with scheme = rk4 or multigrid\n  rtol\n" in text
    undone = "import plume.params\nplume.params._check_when = lambda *_: None\n"
    path.write_text(undone + path.read_text(encoding="utf-8"), encoding="utf-8")
    code, text = plume("plugins", "test", path)
    assert code != 0
    assert 'a parameter that does not apply with scheme = "euler" is accepted: rtol = 0.5' in text


def test_commands_by_hand(tmp_path):
    """What pip installs as a command belongs to its own Python."""
    command = tmp_path / "plume-bmi"
    command.write_text("from plume.bmi import main\n\nmain()\n", encoding="utf-8")
    said = by_hand(str(command), "--help").stdout
    assert f'bmi = {{ command = ["{command}"] }}' in said
    assert f"usage: {command}" in said


def test_by_hand():
    path = str(EXAMPLES / "lorenz63.py")
    described = by_hand(path, "--describe")
    assert 'name = "lorenz63-python"' in described.stdout
    assert 'doc = "Prandtl number"' in described.stdout
    assert "--check" in by_hand(path, "--help").stdout
    assert f'lorenz63-python = {{ python = "{path}" }}' in by_hand(path, "--help").stdout
    assert by_hand(path).returncode == 2
    checked = by_hand(path, "--check")
    assert (checked.returncode, checked.stdout.split()[0]) == (0, "ok"), checked.stderr


def test_no_call_has_more_members_than_a_plugin_takes(script):
    """The suite has 12 members; plume splits them."""
    path = script("""
        class Few(Model):
            "At most four members a call."
            variables = {"x": "1"}
            max_members_per_call = 4

            def forecast(self, x, t0, t1, rng):
                if len(x) > 4:
                    raise RuntimeError("too many")
                return x + rng.normal(1)

        serve(Few)
        """)
    code, said = plume("plugins", "test", path)
    assert code == 0, said
