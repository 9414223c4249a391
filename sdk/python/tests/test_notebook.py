"""plume.run in a notebook: a kernel of Jupyter, and what its cells show."""

import re
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import PLUME, ROOT

jupyter = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

SETUP = """
    import os, sys
    os.environ["PLUME"] = {plume!r}
    os.chdir({folder!r})
    sys.path.insert(0, {tests!r})
    import plume
    from test_running import Mine as Base, TWIN
"""
CLASS = """
    class Mine(Base):
        '''As in the script, with a mistake.'''
        wait = False

        def analyse(self, problem):
            if problem.cycle == self.bad:
                return self.gain @ problem.ensemble
            if problem.cycle == 4 and stops:
                __import__("pdb").set_trace()
            if problem.cycle == 4 and waits:
                print("waiting", flush=True)
            return super().analyse(problem)

    stops = waits = False
    def run(**settings):
        return plume.run(TWIN, set=settings, plugins={"mine": Mine}, in_process=True)
"""


def test_the_example_runs(tmp_path, monkeypatch):
    """From the idea to the comparison with the tuned rivals, and the numbers that its text leads to expect."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PLUME", PLUME)
    book = nbformat.read(ROOT / "examples" / "notebook" / "filter.ipynb", 4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    cells = [c for c in book.cells if c.cell_type == "code"]
    assert len(cells) == 10
    shown = [[o.get("data", {}).get("text/plain", "") for o in c.outputs if o.output_type != "stream"] for c in cells]
    mean, variance = (float(x) for x in re.findall(r"float64\(([0-9.]+)\)", shown[2][0]))
    assert abs(mean - 0.5) < 4 * np.sqrt(0.5625 / 10_000)
    assert abs(variance - 0.5625) < 4 * 0.5625 * np.sqrt(2 / 10_000)
    assert shown[4] == ["[]"]
    rows = {line.split()[0]: line.split() for line in shown[9][-1].splitlines()}
    assert set(rows) >= {"stochastic", "denkf", "local-pf", "joint", "mine"}
    assert float(rows["mine"][2]) < float(rows["stochastic"][2])
    assert "from mine" in shown[9][-1]


class Notebook:
    """A kernel, and what a cell of it gives."""

    def __init__(self, client):
        self.client = client

    def cell(self, code, answer=lambda prompt: "", heard=lambda message: None):
        """Returns all that a cell shows: text, what it displays, and its traceback."""
        shown = []

        def output(message):
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown.append(content["text"])
            elif kind in ("display_data", "execute_result", "update_display_data"):
                shown.append(content["data"].get("text/html", content["data"]["text/plain"]))
            elif kind == "error":
                shown.append("\n".join(content["traceback"]))
            heard(message)

        def asked(message):
            self.client.input(answer(message["content"]["prompt"]))

        self.client.execute_interactive(
            textwrap.dedent(code), timeout=120, output_hook=output, stdin_hook=asked, allow_stdin=True
        )
        return "".join(shown)


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    manager = jupyter.KernelManager(transport="ipc", ip=str(tmp_path_factory.mktemp("k") / "k"))
    manager.start_kernel(cwd=tmp_path_factory.mktemp("kernel"))
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook(manager, tmp_path_factory):
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    notebook = Notebook(client)
    folder = str(tmp_path_factory.mktemp("notebook"))
    said = notebook.cell(SETUP.format(plume=PLUME, folder=folder, tests=str(Path(__file__).parent)))
    assert said + notebook.cell(CLASS) == ""
    yield notebook
    client.stop_channels()


def test_a_cell_shows_the_progress_and_the_run(notebook):
    shown = notebook.cell("run()")
    assert '<progress max="60" value="60"></progress> 2/2 trials, 60/60 cycles' in shown
    assert "<td>etkf</td>" in shown.split("2/2 trials")[1]  # the card of the run


def test_a_traceback_points_into_the_cell(notebook):
    shown = notebook.cell("run(**{'filter.mine.params.bad': 7})")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "return self.gain @ problem.ensemble" in plain
    assert "AttributeError: 'Mine' object has no attribute 'gain'" in plain
    assert "cycle 7: analyse: In[2]:7, in analyse: AttributeError" in plain


def test_serve_says_what_a_notebook_has_instead(notebook):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", notebook.cell("plume.serve(Mine)"))
    assert "RuntimeError: serve ends a script that plume starts." in plain
    assert "plume.testing.check(Mine) checks it" in plain
    assert notebook.cell("1 + 1") == "2"  # the kernel lives


def test_a_breakpoint_stops_in_the_cell(notebook):  # breakpoint() is for the debugger of JupyterLab
    answers = iter(["p ('members', problem.ensemble.shape)", "c"])
    shown = notebook.cell("stops = True\nr = run(**{'time.cycles': 10})\nstops = False", lambda prompt: next(answers))
    assert "('members', (20, 3))" in shown
    assert next(answers, None) is None


def test_the_button_interrupts(notebook, manager):
    def heard(message):
        if message["msg_type"] == "stream" and "waiting" in message["content"]["text"]:
            time.sleep(0.1)
            manager.interrupt_kernel()

    shown = notebook.cell("waits = True\nr = run(**{'time.cycles': 5000})", heard=heard)
    assert "finishing the current cycle" in shown
    assert "stopped after a cycle; plume.resume goes on" in shown
    assert notebook.cell("waits = False\nplume.open_run().manifest['status']") == "'interrupted'"
