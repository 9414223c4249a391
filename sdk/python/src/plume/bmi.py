"""The plugin bmi: any model with a Basic Model Interface (BMI 2) in Python.

A workflow names it by its command; bmipy and the model must be installed for the same Python:

    [plugins]
    bmi = { command = ["plume-bmi"] }

    [model]
    plugin = "bmi"
    params = { model = "heat:BmiHeat", config = "heat.yaml" }
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import os
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import Array, ConfigError, Coordinates, Forecast, Model, Param, Streams, Variable, serve

_LARGE = 4096  # bytes of arrays that are looked up among those of the model at the start


class Bmi(Model):
    """A model with the Basic Model Interface (BMI 2) in Python."""

    name = "bmi"
    carries = True
    citations = (
        {"text": "Hutton, Piper and Tucker (2020), The Basic Model Interface 2.0", "doi": "10.21105/joss.02317"},
    )

    model: str = Param(doc='the class, such as "heat:BmiHeat": its module and its name')
    config: str = Param("", path="input", doc="file that the model is initialised with; empty: none")
    state: list[str] = Param(
        [], doc="variables that are the state, by their names in the model; empty: those that it takes and gives"
    )
    parameters: list[str] = Param(
        [], declares=True, doc='parameters of the model and their values, such as "kf = 0.1", which can be estimated'
    )
    outputs: list[str] = Param(
        [], doc="variables that can be observed and are not part of the state that filters move, by their names"
    )
    scale: float = Param(1.0, gt=0, doc="units of the model's time in a unit of time of the workflow")

    def setup(self) -> None:
        """Initialises the model, and finds out about its variables."""
        made = self._initialised()
        given, taken = _names(made, "get_output_var_names"), _names(made, "get_input_var_names")
        known = list(dict.fromkeys((*given, *taken)))
        names = [_known(known, name, "state") for name in self.state] or [n for n in given if n in taken]
        if not names:
            raise ConfigError(
                "the model has no variables that it both takes and gives",
                where="state", hint=f"name some of {', '.join(known)}",
            )  # fmt: skip
        outputs = [_known(given, name, "outputs") for name in self.outputs]
        if both := [n for n in outputs if n in names]:
            raise ConfigError(f"{both[0]} is part of the state", where="outputs", hint="name it in one of them")
        grids = {name: _Grid(made, name) for name in (*names, *outputs)}
        self.variables, self.diagnostics = (
            [Variable(re.sub(r"\W+", "_", n), made.get_var_units(n) or "1", grids[n].shape, grids[n].dims) for n in of]
            for of in (names, outputs)
        )
        self.coordinates = _coordinates(list(grids.values()))
        self._state, self._outputs = names, outputs
        self._sizes = [v.size for v in self.variables]
        self._parameters = {name: _known(known, name, "parameters") for name in self.declared}
        for name in self._parameters.values():
            if taken and name not in taken:
                raise ConfigError(
                    f"the model gives {name}, but does not take it",
                    where="parameters", hint=f"it takes {', '.join(taken)}",
                )  # fmt: skip
        self._step = float(made.get_time_step())
        self._saved = _Saved(made)
        self._at, self._there = 0.0, b""

    def _initialised(self) -> Any:
        module, _, name = self.model.partition(":")
        folder = os.path.abspath(self.dir or ".")
        if folder not in sys.path:
            sys.path.append(folder)  # for a class in a file next to the workflow
        try:
            made = getattr(importlib.import_module(module), name)()
        except (ImportError, AttributeError, TypeError, ValueError) as e:
            raise ConfigError(f"there is no class {self.model}: {e}", where="model", hint="write MODULE:CLASS") from e
        here = os.getcwd()
        os.chdir(folder)  # where files that the configuration names are
        try:
            made.initialize(os.path.join(folder, self.config) if self.config else None)
        finally:
            os.chdir(here)
        return made

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams, carry: Sequence[bytes] = ()) -> Forecast:
        """Updates the model of each member from t0 to t1."""
        rows, kept = [], []
        updates = self._updates(t1 - t0, "an interval")
        for i in range(len(x)):
            made = self._saved.load((carry[i] if carry else b"") or self._begun(t0))
            for name, bmi_name in self._parameters.items():
                _change(made, bmi_name, np.array([self.declared[name]]))
            for name, values in zip(self._state, np.split(x[i], np.cumsum(self._sizes)[:-1]), strict=True):
                _change(made, name, values)
            for _ in range(updates):
                made.update()
            rows.append(np.concatenate([_value(made, n) for n in (*self._state, *self._outputs)]))
            kept.append(self._saved.dump(made))
        return Forecast(np.array(rows), carry=kept)

    def _updates(self, length: float, what: str) -> int:
        """Returns how many time steps of the model a length of time is."""
        steps = length * self.scale / self._step
        if steps < 0 or abs(steps - round(steps)) > 1e-6:
            raise ConfigError(
                f"{what} of {length:g} is {steps:g} time steps of the model, which begins at time 0 and cannot go back",
                where="scale", hint="want a whole number: choose another scale, time.interval or no spin-up",
            )  # fmt: skip
        return round(steps)

    def _begun(self, t0: float) -> bytes:
        """Returns a model for a member that has none yet, at the right place in its forcing."""
        if self._at != t0:
            made = self._saved.load(b"")
            for _ in range(self._updates(t0, "a start at a time")):
                made.update()
            self._at, self._there = t0, self._saved.dump(made)
        return self._there


# The digest of an array and, since two arrays may have the same content, which of them it is.
_Constant = tuple[str, int]


class _Saved:
    """Turns models into bytes and back. Large arrays that are as they were after the start, such as forcing, are not
    among the bytes."""

    def __init__(self, made: Any) -> None:
        self._constants: dict[str, Array] = {}
        self._fresh = _pickled(made, self._keep)

    def dump(self, made: Any) -> bytes:
        """Returns the bytes of a model."""
        return _pickled(made, self._known if self._constants else None)

    def load(self, carry: bytes) -> Any:
        """Returns the model of bytes; one that has just been initialised if there are none."""
        unpickler = _Unpickler(io.BytesIO(carry or self._fresh))
        unpickler.constants, unpickler.copies = self._constants, {}
        return unpickler.load()

    def _keep(self, values: Array) -> _Constant:
        digest = _digest(values)
        self._constants[digest] = values.copy()
        return digest, id(values)

    def _known(self, values: Array) -> _Constant | None:
        digest = _digest(values)
        return (digest, id(values)) if digest in self._constants else None


class _Pickler(pickle.Pickler):
    stand_in: Callable[[Array], _Constant | None] | None  # for large arrays; none if they are pickled as they are

    def persistent_id(self, obj: Any) -> Any:
        """Returns what stands for a large array."""
        if self.stand_in and type(obj) is np.ndarray and obj.nbytes >= _LARGE and obj.dtype.kind in "biufM":
            return self.stand_in(obj)
        return None


def _pickled(made: Any, stand_in: Callable[[Array], _Constant | None] | None) -> bytes:
    out = io.BytesIO()
    pickler = _Pickler(out, protocol=5)
    pickler.stand_in = stand_in
    try:
        pickler.dump(made)
    except Exception as e:
        raise ConfigError(f"the model cannot be pickled, so it cannot be kept by member: {e}", where="model") from e
    return out.getvalue()


class _Unpickler(pickle.Unpickler):
    constants: dict[str, Array]
    copies: dict[Any, Array]

    def persistent_load(self, pid: Any) -> Array:
        """Returns a copy of a constant, which the model may change."""
        return self.copies.setdefault(pid, self.constants[pid[0]].copy())


def _digest(values: Array) -> str:
    about = f"{values.dtype.str} {values.shape} {values.flags.f_contiguous} ".encode()
    return hashlib.sha256(about + values.tobytes()).hexdigest()


class _Grid:
    """The shape of a variable, and where its values are."""

    def __init__(self, made: Any, name: str) -> None:
        size = _size(made, name)
        self.shape: tuple[int, ...] = (size,) if size > 1 else ()
        self.dims: tuple[str, ...] = ()
        self.points: Array | None = None
        if size == 1:
            return
        grid = made.get_var_grid(name)
        rank, kind = int(made.get_grid_rank(grid)), made.get_grid_type(grid)
        if kind not in ("uniform_rectilinear", "rectilinear", "structured_quadrilateral"):
            return
        shape = tuple(map(int, made.get_grid_shape(grid, np.empty(rank, int))))
        if int(np.prod(shape)) != size:  # on edges or faces
            return
        self.shape, self.dims = shape, ("z", "y", "x")[-rank:]
        if kind == "uniform_rectilinear":
            spacing = made.get_grid_spacing(grid, np.empty(rank))
            origin = made.get_grid_origin(grid, np.empty(rank))
            axes = [o + h * np.arange(n) for o, h, n in zip(origin, spacing, shape, strict=True)]
            self.points = np.array(list(itertools.product(*axes)))


def _coordinates(grids: list[_Grid]) -> Coordinates | None:
    """Returns the coordinates of all values, if all have some in the same dimensions."""
    points = [g.points for g in grids if g.points is not None]
    if len(points) < len(grids) or len({g.dims for g in grids}) > 1:
        return None
    return Coordinates(grids[0].dims, np.concatenate(points))


def _names(made: Any, method: str) -> list[str]:
    try:
        return list(getattr(made, method)())
    except NotImplementedError:  # as many models do
        return []


def _known(known: list[str], name: str, where: str) -> str:
    """Returns the name of a variable: the same or, without regard to capitals, the only one."""
    found = [n for n in known if n == name] or [n for n in known if n.lower() == name.lower()]
    if len(found) != 1:
        raise ConfigError(f"the model has no variable {name}", where=where, hint=f"it has {', '.join(known)}")
    return found[0]


def _size(made: Any, name: str) -> int:
    """Returns the number of values of a variable."""
    return int(made.get_var_nbytes(name)) // int(made.get_var_itemsize(name))


def _value(made: Any, name: str) -> Array:
    values = np.empty(_size(made, name), made.get_var_type(name))
    made.get_value(name, values)
    return values.astype(float)


def _change(made: Any, name: str, values: Array) -> None:
    """Sets a variable unless it has these values, which are rounded where the variable has whole numbers."""
    kind = np.dtype(made.get_var_type(name))
    values = np.rint(values) if kind.kind in "iu" else values
    if not np.array_equal(_value(made, name), values):
        made.set_value(name, values.astype(kind))


def main() -> None:
    """Serves the plugin: the program plume-bmi."""
    serve(Bmi)


if __name__ == "__main__":
    main()
