"""Plugins for plume in Python, and a reader of its results.

A plugin is a class and one call:

    from plume import Model, Param, serve

    class Decay(Model):
        \"\"\"Linear decay.\"\"\"

        variables = {"x": "1"}
        rate: float = Param(1.0, gt=0, doc="decay rate")

        def forecast(self, x, t0, t1, rng):  # x: (members, variables)
            return x * np.exp(-self.rate * (t1 - t0))

    serve(Decay)

A run is opened with :func:`open_run`.
"""

from typing import TYPE_CHECKING, Any

from . import _stdout as _stdout  # first: before anything else may print
from ._runs import Manifest, Run, open_run, runs
from ._tables import Dates
from ._workflow import to_toml
from .comparing import Compared, Comparison, Difference, compare
from .diagnostics import Finding, WorkflowError
from .errors import (
    ConfigError,
    ContractError,
    DivergedError,
    ExternalProgramError,
    PlumeError,
    ResourceError,
    ShapeError,
    TransientError,
)
from .layout import Coordinates, Layout, Variable
from .params import Param
from .roles import Analysis, Array, ErrorModel, Filter, Forecast, Model, ObservationOperator, Observed, Problem
from .running import Interrupted, Plan, PlannedTrial, RunError, bench, plan, resume, run, validate
from .serving import serve
from .streams import Streams

if TYPE_CHECKING:
    from . import testing
    from ._workflow_types import Workflow

__all__ = [
    "Analysis",
    "Array",
    "Compared",
    "Comparison",
    "ConfigError",
    "ContractError",
    "Coordinates",
    "Dates",
    "Difference",
    "DivergedError",
    "ErrorModel",
    "ExternalProgramError",
    "Filter",
    "Finding",
    "Forecast",
    "Interrupted",
    "Layout",
    "Manifest",
    "Model",
    "ObservationOperator",
    "Observed",
    "Param",
    "Plan",
    "PlannedTrial",
    "PlumeError",
    "Problem",
    "ResourceError",
    "Run",
    "RunError",
    "ShapeError",
    "Streams",
    "TransientError",
    "Variable",
    "Workflow",
    "WorkflowError",
    "bench",
    "compare",
    "open_run",
    "plan",
    "resume",
    "run",
    "runs",
    "serve",
    "testing",
    "to_toml",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in ("testing", "Workflow"):  # these take time to load
        import importlib

        module = importlib.import_module({"testing": ".testing", "Workflow": "._workflow_types"}[name], __name__)
        return module if name == "testing" else module.Workflow
    if name == "__version__":
        from importlib.metadata import version

        return version("plume-da")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
