"""What the values of one state or one observation vector are."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError


@dataclass(frozen=True)
class Variable:
    """One named part of a state or of an observation vector. No shape: a scalar.

    diagnostic says that a model computes it with each forecast and does not need it to go on;
    see Model.diagnostics."""

    name: str
    unit: str = "1"
    shape: tuple[int, ...] = ()
    dims: tuple[str, ...] = ()
    diagnostic: bool = False

    @property
    def size(self) -> int:
        """How many values the variable holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Coordinates:
    """Places every value of a layout in space, for localization.

    points has one row per value and one column per axis; a period of 0 is none."""

    dims: tuple[str, ...]
    points: NDArray[np.float64]
    period: tuple[float, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The variables of one row of a matrix, side by side, each in row-major order."""

    variables: tuple[Variable, ...]
    coordinates: Coordinates | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(v.size for v in self.variables))

    def columns(self, name: str) -> slice:
        """Returns the columns of the variable called name; raises KeyError."""
        at = 0
        for v in self.variables:
            if v.name == name:
                return slice(at, at + v.size)
            at += v.size
        raise KeyError(name)

    def value_name(self, column: int) -> str:
        """Returns the name of one value, such as ``u[3]``."""
        for v in self.variables:
            if column < v.size:
                return f"{v.name}[{column}]" if v.shape else v.name
            column -= v.size
        raise IndexError(column)


Declared = Mapping[str, Any] | list[Variable] | tuple[Variable, ...]


def state_of(variables: Declared, diagnostics: Declared, coordinates: Coordinates | None) -> Layout:
    """Returns the layout of the states of a model, whose diagnostics follow its other variables."""
    own, others = _listed(variables), _listed(diagnostics)
    flagged = (replace(v, diagnostic=True) if isinstance(v, Variable) else v for v in others)
    layout = layout_of([*own, *flagged], coordinates)
    if not own or any(v.diagnostic for v in own):
        raise ContractError(
            f"are {variables!r}, want those that the model goes on from", where="variables",
            hint="what is computed with each forecast, and not needed for the next one, is in diagnostics",
        )  # fmt: skip
    return layout


def _listed(declared: Declared) -> tuple[Any, ...]:
    """Returns what is declared as a list of Variable, as far as it is one."""
    if isinstance(declared, Mapping):
        return tuple(Variable(name, unit) for name, unit in declared.items())
    return tuple(declared)


def layout_of(declared: Declared, coordinates: Coordinates | None) -> Layout:
    """Returns the layout of ``{"level": "m"}`` or ``[Variable(...), ...]``."""
    variables = _listed(declared)
    if not variables or not all(isinstance(v, Variable) for v in variables):
        raise ContractError(
            f"are {declared!r}", where="variables", hint='want {"name": "unit"} or a list of plume.Variable'
        )
    for v in variables:
        if not _are(v.shape, numbers.Integral) or any(k < 1 for k in v.shape):
            raise ContractError(
                f"has shape {v.shape!r}", where=f"variable {v.name}", hint="want a tuple of lengths, such as (3,)"
            )
        if not isinstance(v.unit, str) or not _are(v.dims, str) or len(v.dims) not in (0, len(v.shape)):
            raise ContractError(
                f"is {v}", where=f"variable {v.name}", hint="want a unit, and a dimension name per length"
            )
    layout = Layout(variables, coordinates)
    if coordinates is not None:
        _check_coordinates(coordinates, layout.size)
    return layout


def _check_coordinates(c: Any, size: int) -> None:
    """Raises ContractError where c does not place so many values."""
    if not isinstance(c, Coordinates):
        raise ContractError(f"are {type(c).__name__}, want plume.Coordinates", where="coordinates")
    if not _are(c.dims, str):
        raise ContractError(f'are {c.dims!r}, want names such as ("y", "x")', where="coordinates: dims")
    axes, points = len(c.dims), np.asarray(c.points)
    if points.dtype.kind not in "fiu" or points.shape != (size, axes):
        what = f"have shape {points.shape} and dtype {points.dtype}, want {(size, axes)} and float64"
        raise ContractError(what, where="coordinates: points", hint="one row per value, one column per axis")
    if not _are(c.period, numbers.Real) or len(c.period) not in (0, axes):
        raise ContractError(f"is {c.period!r}, want {axes} numbers", where="coordinates: period")


def _are(values: Any, kind: type) -> bool:
    """Says whether values is a sequence of that kind; a text is none."""
    return isinstance(values, (tuple, list, np.ndarray)) and all(isinstance(v, kind) for v in values)
