"""Runs plume from Python: one function for each of its commands, with its own numbers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ._attach import Desk, attached
from ._program import Answer, objects, program
from ._progress import Display, Progress
from ._runs import Run, open_run
from ._workflow import file_of, inline, options
from .diagnostics import Finding, WorkflowError, findings
from .errors import from_first_own_line
from .roles import Plugin

if TYPE_CHECKING:
    from ._workflow import Tables

_STOPPED = (129, 130, 143)  # exit codes after a signal


class RunError(RuntimeError):
    """plume did not do what it was asked for. run is the run directory, if there is one: of a
    run in which some trials failed it has the results of the others. The cause is the error
    of a class of this program, if one failed."""

    def __init__(self, text: str, code: int, run: Run | None = None) -> None:
        super().__init__(text)
        self.code, self.run = code, run


class Interrupted(KeyboardInterrupt):
    """A run was interrupted. It has closed its files: run can be read, and resume goes on."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.path}: stopped after a cycle; plume.resume goes on")
        self.run = run


def run(
    workflow: str | os.PathLike[str] | Tables,
    *,
    set: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Any] | None = None,
    profile: str = "",
    plugins: Mapping[str, type[Plugin]] | None = None,
    run_dir: str | os.PathLike[str] = "runs",
    workers: int = 0,
    in_process: bool = False,
    progress: bool | None = None,
) -> Run:
    """Runs a workflow and returns its run directory:

        run = plume.run("twin.toml", set={"time.cycles": 500}, sweep={"replicate": range(1, 6)})

    workflow is the path of a file, or a dict with the tables of one. set overrides values and
    sweep runs several, by their keys, as --set and --sweep do. plugins are classes of this
    program by the names that the workflow gives them; plume calls them here, in the thread
    that waits for it. The other arguments are options of plume run; progress says whether to
    show it, by default in a notebook and on a terminal.

    An interrupt lets the cycle end and raises Interrupted; a second one does not wait. Raises
    WorkflowError when the workflow is not valid, and RunError when it fails or trials do."""
    with file_of(workflow) as file:
        how = ["--run-dir", os.fspath(run_dir), *(["--in-process"] if in_process else [])]
        arguments = ["run", file, *options(profile, set, sweep), *how, "--workers", str(workers)]
        return _run(arguments, plugins, progress)


def bench(
    experiment: str,
    filters: Mapping[str, Mapping[str, float | int | bool | str]],
    *,
    plugins: Mapping[str, type[Plugin]] | None = None,
    size: int = 0,
    seeds: int = 1,
    cycles: int = 0,
    run_dir: str | os.PathLike[str] = "runs",
    workers: int = 0,
    in_process: bool = False,
    progress: bool | None = None,
) -> Run:
    """Runs an experiment that others have published numbers for, see plume bench --list, with its
    filters as they were tuned there and those of yours: plugins by name, with their parameters:

        run = plume.bench("grid-lorenz63-x", {"mine": {"inflation": 1.05}}, plugins={"mine": Mine}, size=10)
        plume.compare(run)

    size runs the filters with so many members, seeds runs the seeds 1 to this, and cycles shortens
    the experiment. The rest is as in run."""
    arguments = ["bench", experiment, "--seeds", str(seeds), "--cycles", str(cycles), "--size", str(size)]
    for name, params in filters.items():
        given = ",".join(f"{key}={value if isinstance(value, str) else inline(value)}" for key, value in params.items())
        arguments += ["--filter", f"{name}:{given}" if given else name]
    arguments += ["--run-dir", os.fspath(run_dir), "--workers", str(workers)]
    return _run(arguments + (["--in-process"] if in_process else []), plugins, progress)


def resume(
    run: Run | str | os.PathLike[str] = "@last",
    *,
    plugins: Mapping[str, type[Plugin]] | None = None,
    retry_failed: bool = False,
    run_dir: str | os.PathLike[str] = "runs",
    workers: int = 0,
    progress: bool | None = None,
) -> Run:
    """Continues a run that was stopped, and returns it; its tables become those of a run that
    was not. Classes must be as they were."""
    opened = run if isinstance(run, Run) else open_run(run, run_dir)
    with _source(opened) as moved:
        arguments = ["resume", str(opened.path), *moved, "--workers", str(workers)]
        return _run(arguments + (["--retry-failed"] if retry_failed else []), plugins, progress)


def validate(
    workflow: str | os.PathLike[str] | Tables,
    *,
    set: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Any] | None = None,
    profile: str = "",
    plugins: Mapping[str, type[Plugin]] | None = None,
    offline: bool = False,
) -> list[Finding]:
    """Returns what is wrong with a workflow: nothing, if it is valid. With offline no plugins
    are started, which is for a workflow that you do not trust."""
    with file_of(workflow) as file:
        arguments = ["validate", file, *options(profile, set, sweep), *(["--offline"] if offline else [])]
        try:
            _answer(arguments, plugins)
        except WorkflowError as e:
            return e.findings
        return []


def plan(
    workflow: str | os.PathLike[str] | Tables,
    *,
    set: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Any] | None = None,
    profile: str = "",
    plugins: Mapping[str, type[Plugin]] | None = None,
) -> Plan:
    """Returns what a run of a workflow would do, and the time, memory and disk that it would
    take. Raises WorkflowError when the workflow is not valid."""
    with file_of(workflow) as file:
        o = _answer(["plan", file, *options(profile, set, sweep)], plugins).objects[-1]
    rows = tuple(
        PlannedTrial(
            r.get("trial", 0), r["filter"], r["plugin"], r["members"], r.get("axes", {}), r["seconds"], r["bytes"]
        )
        for r in o["rows"]
    )
    memory = o["memory"]["host"] + sum(p["processes"] * p["bytes"] for p in o["memory"]["plugins"])
    return Plan(
        o["experiment"], o["trials"], o["truths"], o["replicates"], o["seconds"], o["bytes"], memory,
        o["memory"]["workers"], rows,
    )  # fmt: skip


@dataclass(frozen=True)
class PlannedTrial:
    """A trial of a plan, in the first replicate; trial 0 is a truth or a reference."""

    trial: int
    filter: str
    plugin: str
    members: int
    axes: Mapping[str, Any]
    seconds: float
    bytes: float


@dataclass(frozen=True)
class Plan:
    """What a run would do: how many trials on how many truths, how long that takes with one
    worker, how many bytes it stores, and how many it holds with so many workers."""

    experiment: str
    trials: int
    truths: int
    replicates: int
    seconds: float
    bytes: float
    memory: float
    workers: int
    rows: tuple[PlannedTrial, ...]

    def __str__(self) -> str:
        return (
            f"{self.experiment}: {self.trials} trials on {self.truths} truths, about {self.seconds:.3g} s with one "
            f"worker, {self.bytes / 1e6:.3g} MB on disk, {self.memory / 1e6:.3g} MB of memory"
        )


def _run(arguments: list[str], plugins: Mapping[str, type[Plugin]] | None, progress: bool | None) -> Run:
    made = _run_of(_checked(*call([*arguments, "--progress", "json"], plugins or {}, Display(progress))))
    assert made is not None
    return made


def _run_of(answer: Answer) -> Run | None:
    """Returns the run that plume says it made; a line about a filter has a run as well."""
    return next((Run(Path(o["run"])) for o in answer.objects if "run" in o and "filter" not in o), None)


def _answer(arguments: list[str], plugins: Mapping[str, type[Plugin]] | None) -> Answer:
    """Runs plume, and classes for it, and returns its answer; raises what run says."""
    return _checked(*call(arguments, plugins or {}))


def call(
    arguments: list[str], plugins: Mapping[str, type[Plugin]], display: Display | None = None
) -> tuple[Answer, BaseException | None]:
    """Runs plume, and classes for it; returns its answer, and the last error of a class."""
    desk = Desk()
    with attached(plugins, desk) as env:
        answer = _served([program(), *arguments, "--json", "--quiet"], env, desk, display)
    return answer, desk.failure and from_first_own_line(desk.failure)


def _served(argv: list[str], env: dict[str, str], desk: Desk, display: Display | None) -> Answer:
    """Runs a program and does what is left at desk until it has ended. It is not in the group
    of this process: of an interrupt it hears from here."""
    whole = os.environ | {"PLUME_PYTHON": sys.executable, "NO_COLOR": "1"} | env
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(argv, env=whole, text=True, encoding="utf-8", start_new_session=True, **pipes)
    out: list[str] = []
    text: list[str] = []

    def heard(line: str) -> None:
        if not line.startswith('{"progress":'):
            text.append(line)
        elif display:
            said = json.loads(line)["progress"]
            shown = Progress(**{name: said[name] for name in Progress.__dataclass_fields__ if name in said})
            desk.post(lambda: display.show(shown))

    def listen() -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with process.stdout as answers, process.stderr as messages:
                other = threading.Thread(target=lambda: out.extend(answers))
                other.start()
                for line in messages:
                    heard(line)
                other.join()
        finally:
            desk.close()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        with _interrupts(process, desk):
            desk.serve()
    finally:
        if display:
            display.end()
        code = process.wait()
        listener.join()
    return Answer(code, objects("".join(out)), "".join(text).strip())


def _checked(answer: Answer, failure: BaseException | None) -> Answer:
    """Returns the answer of a command that did what it was asked for; raises what run says."""
    made = _run_of(answer)
    if found := findings(answer.objects):
        raise WorkflowError(found) from failure
    if answer.code in _STOPPED:
        raise Interrupted(made) if made else KeyboardInterrupt
    text = answer.text.removeprefix("error: ")
    if answer.code:
        if failure:
            text = text.split("\n  trace:\n")[0]  # it is that of failure
        raise RunError(text, answer.code, made) from failure
    if text:
        warnings.warn(text.removeprefix("warning: "), stacklevel=4)  # the caller of run, or of validate
    return answer


@contextlib.contextmanager
def _source(run: Run) -> Iterator[list[str]]:
    """Yields what resume needs to know of the workflow of a run. One that was a dict has a file
    again, in the same directory."""
    source = Path(run.manifest["source"])
    if source.exists():
        yield []
        return
    with tempfile.NamedTemporaryFile(dir=source.parent, prefix="workflow-", suffix=".toml") as file:
        file.write((run.path / "workflow.toml").read_bytes())
        file.flush()
        yield ["--workflow", file.name]


@contextlib.contextmanager
def _interrupts(process: subprocess.Popen[str], desk: Desk) -> Iterator[None]:
    """Passes interrupts on to process. The second one ends the work in this thread as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        process.send_signal(signal.SIGINT)
        if count > 1:
            raise KeyboardInterrupt
        desk.post(lambda: print("finishing the current cycle; interrupt again to stop at once", file=sys.stderr))

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
