"""The progress of a run, on a terminal or in a notebook."""

from __future__ import annotations

import html
import importlib
import shutil
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Progress:
    """How far a run is, as plume says it: of trials and of cycles; left in seconds, None if not
    known; simulated cycles of truths; model_runs over a cycle each, of which a window takes several."""

    run: str
    name: str
    trials: int
    ended: int
    failed: int
    interrupted: int
    cycles: int
    done: int
    seconds: float
    left: float | None = None
    model_runs: int = 0
    simulated: int = 0

    def __repr__(self) -> str:
        full = 20 * self.done // max(1, self.cycles)
        return f"{self._count()} [{'=' * full}{'-' * (20 - full)}] {self._time()}"

    def _repr_html_(self) -> str:
        bar = f'<progress max="{self.cycles}" value="{self.done}"></progress>'
        return f"<div>{html.escape(self.name)} {bar} {self._count()}, {self._time()}</div>"

    def _count(self) -> str:
        failed = f" ({self.failed} failed)" if self.failed else ""
        return f"{self.ended}/{self.trials} trials{failed}, {self.done}/{self.cycles} cycles"

    def _time(self) -> str:
        truth = "" if self.done or not self.simulated else f"truth: {self.simulated} cycles, "
        return f"{truth}{self.seconds:.1f} s" if self.left is None else f"{self.left:.0f} s left"


def shell() -> Any:
    """Returns the shell of the notebook in which this program runs; None in any other."""
    ipython = sys.modules.get("IPython")
    found = ipython.get_ipython() if ipython else None
    return found if hasattr(found, "kernel") else None


class Display:
    """Shows the progress of one run in the cell, or as a line on the terminal."""

    def __init__(self, wanted: bool | None) -> None:
        self._notebook = shell() is not None
        self._wanted = wanted if wanted is not None else self._notebook or sys.stderr.isatty()
        self._handle: Any = None
        self._open = False  # there is a line to end

    def show(self, progress: Progress) -> None:
        """Shows progress in the place of what was shown before."""
        if not self._wanted:
            return
        if not self._notebook:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r{str(progress)[:width]}\x1b[K")
            sys.stderr.flush()
            self._open = True
        elif self._handle is None:
            self._handle = importlib.import_module("IPython.display").display(progress, display_id=True)
        else:
            self._handle.update(progress)

    def end(self) -> None:
        """Ends the line on the terminal."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False
