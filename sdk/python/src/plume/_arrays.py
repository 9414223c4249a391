"""Tables of states as xarray has them: with dimensions, units, positions and dates. Names and
attributes are those of plume export, which follow the CF conventions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ._tables import STANDARD, Column, Dates, Table, dates_of

_NANOSECONDS = (np.datetime64("1678-01-01"), np.datetime64("2262-01-01"))
# Names that mean something else here or in other tables of a run; those of package names of the program.
_TAKEN = (
    "chain", "cycle", "date", "draw", "filter", "lag", "lead", "letter",
    "log_weight", "member", "model_time", "nis", "parent", "part", "replicate",
    "rms_expected", "stage", "statistic", "time", "trial", "truth", "valid",
)  # fmt: skip
_LETTERS = {
    "X": ("x", "lon", "longitude", "easting"),
    "Y": ("y", "lat", "latitude", "northing"),
    "Z": ("z", "height", "altitude", "depth"),
}


class Axis(NamedTuple):
    """The positions of the values of a variable on an axis; a period of 0 is none."""

    name: str
    period: float
    positions: NDArray[np.float64]


def places(table: Table, of: str) -> dict[str, list[Axis]]:
    """Returns the axes of variables of a table of coordinates: those of the state or the observed ones."""
    columns = {name: column.values for name, column in table.columns.items()}
    mine = columns["of"] == of
    variable, name = columns["variable"][mine], columns["axis"][mine]
    position, period = columns["position"][mine], columns["period"][mine]
    found: dict[str, list[Axis]] = {}
    for v in dict.fromkeys(variable.tolist()):
        rows = variable == v
        for a in dict.fromkeys(name[rows].tolist()):
            at = rows & (name == a)
            found.setdefault(v, []).append(Axis(a, float(period[at][0]), position[at]))
    return found


def array_name(name: str) -> str:
    """Returns the name that an array has whose variable, dimension or axis has a name: a slash would be a folder."""
    return name.replace("/", "_")


def times(values: NDArray[np.float64], dims: tuple[str, ...], dates: Dates | None, **about: str) -> xr.Variable:
    """Returns model times as a variable: dates, where they are dates. Those of a calendar with
    other months need the package cftime; without it they are numbers with units and calendar."""
    if dates is None:
        return xr.Variable(dims, values, {"long_name": "model time"} | about)
    about = {"standard_name": "time", "long_name": "time", "units_metadata": "leap_seconds: none"} | about
    since = f"seconds since {dates['start'].removesuffix('Z')}"
    if dates["calendar"] in STANDARD:
        encoding = {"units": since, "calendar": dates["calendar"], "dtype": "float64"}  # netCDF 3 has no int64
        found = dates_of(values, dates)
        if found.size and found.min() > _NANOSECONDS[0] and found.max() < _NANOSECONDS[1]:
            found = found.astype("datetime64[ns]")  # as xarray has dates that it reads from files
        return xr.Variable(dims, found, about, encoding)
    about |= {"units": since, "calendar": dates["calendar"]}
    numbers = xr.Variable(dims, values * dates["unit_seconds"], about)
    try:
        return xr.decode_cf(xr.Dataset({"time": numbers}))["time"].variable
    except (ImportError, ValueError):  # there is no cftime
        return numbers


def clock(model_times: NDArray[np.float64], dates: Dates | None) -> dict[str, xr.Variable]:
    """Returns the coordinates of the times of cycles: as dates, where they are dates, and as they are."""
    plain = times(model_times, ("cycle",), None)
    return {"time": times(model_times, ("cycle",), dates, axis="T"), "model_time": plain} if dates else {"time": plain}


@dataclass
class Names:
    """The dimensions and coordinates of a dataset, as far as they are known."""

    taken: Iterable[str]  # names of variables
    sizes: dict[str, int]
    coords: dict[str, xr.Variable]

    def dimension(self, variable: str, i: int, length: int, given: str) -> str:
        """Returns the name of dimension i of a variable, after cycle and member. One without a name
        has that of its variable and its number. One with a name that means something else, with
        that of a variable, or with that of another but not its length, has the name of its
        variable before its own."""
        name = array_name(given) or f"{variable}_{i}"
        while name in _TAKEN or (self.sizes.get(name) != length and (name in self.sizes or self._is_taken(name))):
            name = f"{variable}_{name}"
        self.sizes[name] = length
        return name

    def _is_taken(self, name: str) -> bool:
        return name in self.taken or name in self.coords

    def position(self, variable: str, axis: Axis, shape: tuple[int, ...], dims: tuple[str, ...]) -> None:
        """Adds the positions of a variable, along one of its dimensions if they depend on no other."""
        values: NDArray[np.float64] = axis.positions.reshape(shape)
        for d in reversed(range(len(shape))):
            line = values[tuple(slice(None) if k == d else slice(0, 1) for k in range(len(shape)))]
            if (values == line).all():
                values, dims = line.reshape(-1), (dims[d],)
                break
        steps = np.diff(values) if values.ndim == 1 else np.zeros(1)
        name = array_name(axis.name)
        while True:
            own = dims == (name,) and bool((steps > 0).all() or (steps < 0).all())
            there = self.coords.get(name)
            if there is not None and there.dims == dims and np.array_equal(there.values, values):
                return
            if not self._is_taken(name) and name not in _TAKEN and (own or name not in self.sizes):
                break
            name = f"{variable}_{name}"
        about: dict[str, Any] = {"long_name": f"position on axis {axis.name}"}
        letter = [letter for letter, names in _LETTERS.items() if axis.name.lower() in names]
        about |= {"axis": letter[0]} if own and letter else {}
        about |= {"period": axis.period} if axis.period > 0 else {}
        self.coords[name] = xr.Variable(dims, values, about)


def dataset(
    table: Table, dates: Dates | None, at: Mapping[str, list[Axis]], members: NDArray[np.int32] | None = None
) -> xr.Dataset:
    """Returns a table of states: a variable for each of the model, (cycle, member, ...), with at
    least the members of these numbers. Names have underscores in place of slashes."""
    columns = table.columns
    cycles, row = np.unique(columns["cycle"].values, return_inverse=True)
    lead, where_to = {"cycle": len(cycles)}, [row]
    if "member" in columns:
        numbers = columns["member"].values
        members = np.unique(numbers) if members is None else np.union1d(members, numbers)
        where_to.append(np.searchsorted(members, numbers))
        lead["member"] = len(members)

    def by_cycle(name: str) -> NDArray[Any]:
        values = columns[name].values
        found = np.empty(len(cycles), values.dtype)
        found[row] = values
        return found

    about: dict[str, str] = {"long_name": "assimilation cycle", "units": "1"}
    coords = {"cycle": xr.Variable("cycle", cycles, about)} | clock(by_cycle("time"), dates)
    if "lag" in columns and "shape" not in columns["lag"].meta:
        about = {"long_name": "cycles of later observations that have changed the members", "units": "1"}
        coords["lag"] = xr.Variable("cycle", by_cycle("lag"), about)
    if "member" in lead:
        about = {"standard_name": "realization", "long_name": "number of the member", "units": "1"}
        coords["member"] = xr.Variable("member", members, about)
    states = {name: c for name, c in columns.items() if "shape" in c.meta}
    names = Names({array_name(name) for name in states}, dict(lead), coords)
    variables = {name: _lead(columns[name], lead, where_to, about) for name, about in _WEIGHTS if name in columns}
    for stored, column in states.items():
        name = array_name(stored)
        shape = tuple(int(k) for k in column.meta["shape"].split(",") if k)
        given = column.meta["dims"].split(",") if column.meta.get("dims") else [""] * len(shape)
        dims = tuple(names.dimension(name, i, length, given[i]) for i, length in enumerate(shape))
        for axis in at.get(stored, ()):
            names.position(name, axis, shape, dims)
        about = {"long_name": stored} | ({"units": column.meta["unit"]} if column.meta.get("unit") else {})
        variables[name] = _lead(column, lead, where_to, about, shape, dims)
    return xr.Dataset(variables, coords, {"Conventions": "CF-1.11"})


def stacked(each: list[xr.Dataset], along: xr.DataArray) -> xr.Dataset:
    """Returns datasets along a new dimension. What a shorter or a smaller one lacks is NaN; times and lags are by
    cycle alone where all have the same."""
    joined: xr.Dataset = xr.concat(each, along, join="outer", combine_attrs="drop_conflicts")
    for name in ("time", "model_time", "lag"):
        values = joined.get(name)
        if values is None or along.name not in values.dims:
            continue
        first = values.isel({along.name: values.notnull().argmax(along.name)}).drop_vars(along.name)
        if ((values == first) | values.isnull()).all():
            joined = joined.drop_vars(name).assign_coords({name: first.astype(each[0][name].dtype)})
    return joined


_WEIGHTS = [
    ("log_weight", {"long_name": "logarithm of the member's weight", "units": "1"}),
    ("parent", {"long_name": "forecast member it descends from"}),
]


def _lead(
    column: Column,
    lead: dict[str, int],
    where_to: list[NDArray[Any]],
    about: dict[str, str],
    shape: tuple[int, ...] = (),
    dims: tuple[str, ...] = (),
) -> xr.Variable:
    """Returns the values of a column, (cycle, member, ...); NaN of members that have been dropped."""
    values = column.plain().reshape(-1, *shape)
    if len(values) < math.prod(lead.values()):
        ragged = np.full((*lead.values(), *shape), np.nan, values.dtype if values.dtype.kind == "f" else None)
        ragged[tuple(where_to)] = values
        values = ragged
    return xr.Variable((*lead, *dims), values.reshape(*lead.values(), *shape), about)
