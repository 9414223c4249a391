"""A run as a tree of xarray: the backend that xarray.open_datatree finds by its entry point,
and what ArviZ draws."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendEntrypoint

from ._arrays import clock, stacked
from ._runs import LayoutsDifferError, NotStoredError, Run, Stage, differing, open_run, said


class RunBackend(BackendEntrypoint):  # type: ignore[misc]  # this package does without types of xarray
    """Opens a run directory: xarray.open_datatree("runs/twin/20260102T030405Z-1a2b")."""

    description = "Run directories of plume"
    supports_groups = True
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "group")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Says whether it is a run directory."""
        if not isinstance(filename_or_obj, (str, os.PathLike)):
            return False
        return os.path.isfile(os.path.join(filename_or_obj, "run.json"))

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, group: str = "analysis"
    ) -> xr.Dataset:
        """Returns one of the groups: the analyses, unless group says another."""
        groups = self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables)
        if f"/{group.strip('/')}" not in groups:
            there = ", ".join(name.strip("/") for name in groups if name != "/")
            raise ValueError(f"group: {filename_or_obj} has no {group}; it has {there}")
        return groups[f"/{group.strip('/')}"]

    def open_groups_as_dict(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **_: Any
    ) -> dict[str, xr.Dataset]:
        """Returns all groups by their names."""
        drop = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        found = groups(open_run(filename_or_obj))
        return {name: data.drop_vars(drop, errors="ignore") for name, data in found.items()}

    def open_datatree(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, **_: Any
    ) -> xr.DataTree:
        """Returns the tree of all groups."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, drop_variables=drop_variables))


def groups(run: Run) -> dict[str, xr.Dataset]:
    """Returns what a run has: forecast, analysis and smoothed, (trial, cycle, member, ...), truth,
    reference and observations, (replicate, cycle, ...), and scores, (trial, stage, cycle). Where
    states differ in size over a sweep, and where a replicate has several truths, there is a group
    for each as in a Zarr store, such as analysis/trial=0001 or truth/replicate=001-0."""
    manifest = run.manifest
    about = {name: str(manifest.get(name, "")) for name in ("name", "status", "started", "plume")}
    about["status"] = run.status
    found = {"/": xr.Dataset(attrs={"Conventions": "CF-1.11", "source": str(run.path)} | about)}
    stages: tuple[Stage, ...] = ("forecast", "analysis", "smoothed")
    for stage in stages:
        try:
            found[f"/{stage}"] = run.ensemble(stage, None)
        except LayoutsDifferError:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it has been said
                found |= {f"/{stage}/trial={n:04d}": data for n, data in run.stored(stage).items()}
        except NotStoredError:
            continue
    for name, each in scenarios(run).items():
        first, *others = each.values()
        if any(number for _, number in each) or any(differing(first, data) for data in others):
            found |= {f"/{name}/replicate={r:03d}-{n}": data for (r, n), data in each.items()}
            continue
        replicates = xr.DataArray([r for r, _ in each], dims="replicate", name="replicate")
        found[f"/{name}"] = stacked(list(each.values()), replicates)
    if "cycles" in run.tables():
        found["/scores"] = scores(run)
    if len(found) == 1:
        raise ValueError(f"{run.path} has no states, observations or scores: the run is {said(run.status)}")
    return found


def scenarios(run: Run) -> dict[str, dict[tuple[int, int], xr.Dataset]]:
    """Returns the truths, references and observations there are, by replicate and number."""
    there = run.tables()
    found = {}
    for name, read in (("truth", run.truth), ("reference", run.reference)):
        found[name] = {(r, n): read(r, n) for r, n in numbers(run, name, r"replicate=(\d+)/part-(\d+)")}
    if "observations" in there:
        found["observations"] = {(r, n): run.observations(r, n) for r, n in run.observed()}
    return {name: each for name, each in found.items() if each}


def numbers(run: Run, folder: str, name: str) -> list[Any]:
    """Returns the numbers in the names of files below a folder: one of each, or several."""
    files = ((run.path / folder).rglob("*.arrow*")) if (run.path / folder).is_dir() else ()
    found = (re.search(name, f.relative_to(run.path / folder).as_posix()) for f in files)
    numbers = sorted({tuple(map(int, m.groups())) for m in found if m})
    return [n[0] if len(n) == 1 else n for n in numbers]


def scores(run: Run) -> xr.Dataset:
    """Returns the scores of cycles, (trial, stage, cycle)."""
    table = run.table("cycles", "numpy")
    trials, first, trial = np.unique(table["trial"], return_index=True, return_inverse=True)
    stages, stage = np.unique(table["stage"], return_inverse=True)  # objects: texts that Zarr and netCDF know
    cycles, cycle = np.unique(table["cycle"], return_inverse=True)
    about = ("trial", "replicate", "filter", "cycle", "time", "date", "stage")
    found = {}
    for name, values in table.items():
        if name not in about:
            whole = np.full((len(trials), len(stages), len(cycles)), np.nan)
            whole[trial, stage, cycle] = values.astype(float)
            found[name] = (("trial", "stage", "cycle"), whole, {"long_name": name})
    coords: dict[str, Any] = {name: ("trial", table[name][first]) for name in ("filter", "replicate")}
    model_times = np.full((len(trials), len(cycles)), np.nan)
    model_times[trial, cycle] = table["time"]
    if (np.isnan(model_times) | (model_times == np.nanmax(model_times, axis=0))).all():  # trials have the same times
        coords |= clock(np.nanmax(model_times, axis=0), run.dates)
    return xr.Dataset(found, {"trial": trials, "stage": stages, "cycle": cycles} | coords)


def inference(run: Run, **trial: Any) -> xr.DataTree:
    """Returns what Run.inference_data says."""
    analysis = run.ensemble("analysis", **trial)
    if "trial" in analysis.dims:
        raise ValueError(f"want one trial, got {analysis.sizes['trial']}; filter, replicate and setting select")
    number = int(analysis.attrs["trial"])
    row = run.table("trials", "numpy")
    at = row["trial"].tolist().index(number)
    replicate, truth = int(row["replicate"][at]), int(row["truth"][at])
    found = {"posterior": _draws(analysis)}
    cycles = analysis["cycle"].values  # so that isel(cycle=-1) is the same cycle in every group
    others: dict[str, Callable[[], xr.Dataset]] = {
        "prior": lambda: _draws(run.ensemble("forecast", number)),
        "observed_data": lambda: run.observations(replicate, truth).sel(cycle=cycles),
        "constant_data": lambda: run.truth(replicate, truth).sel(cycle=cycles),
    }
    for name, read in others.items():
        try:
            found[name] = read()
        except (NotStoredError, FileNotFoundError):
            continue  # not stored, or there is none
    return xr.DataTree.from_dict({f"/{name}": data for name, data in found.items()})


def _draws(members: xr.Dataset) -> xr.Dataset:
    """Returns members as the draws of one chain: as many, of equal weight, with those of a
    larger weight repeated."""
    weights = np.nan_to_num(np.exp(members["log_weight"].values))
    if (none := weights.sum(axis=1) == 0).any():
        first = int(members["cycle"].values[none][0])
        raise ValueError(
            f"cycle {first}: the members that are stored have no weight; store more: output.ensemble_members"
        )
    rows = np.stack([_repeated(w) for w in weights])
    picked = members.drop_vars(["log_weight", "parent"], errors="ignore").isel(
        member=xr.DataArray(rows, dims=("cycle", "draw"))
    )
    picked = picked.drop_vars("member").expand_dims(chain=[0]).assign_coords(draw=np.arange(rows.shape[1]))
    return picked.transpose("chain", "draw", "cycle", ...)


def _repeated(weights: NDArray[np.float64]) -> NDArray[np.int_]:
    """Returns the rows of systematic resampling; all of them, once, where weights are equal."""
    ends = np.cumsum(weights / weights.sum())
    middles = (np.arange(len(weights)) + 0.5) / len(weights)
    return np.minimum(np.searchsorted(ends, middles), len(weights) - 1)
