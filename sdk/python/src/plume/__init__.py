"""Plugins for plume in Python, and a reader of its results.

A plugin is a class and one call::

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

from . import _stdout as _stdout  # first: before anything else may print
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
from .roles import Analysis, ErrorModel, Filter, Forecast, Model, ObservationOperator, Observed, Problem
from .runs import Run, open_run
from .serving import serve
from .streams import Streams

__all__ = [
    "Analysis",
    "ConfigError",
    "ContractError",
    "Coordinates",
    "DivergedError",
    "ErrorModel",
    "ExternalProgramError",
    "Filter",
    "Forecast",
    "Layout",
    "Model",
    "ObservationOperator",
    "Observed",
    "Param",
    "PlumeError",
    "Problem",
    "ResourceError",
    "Run",
    "ShapeError",
    "Streams",
    "TransientError",
    "Variable",
    "open_run",
    "serve",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version("plume-da")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
