"""A run directory, read while it is written, when it is done, or after a crash."""

from __future__ import annotations

import errno
import hashlib
import html
import importlib
import itertools
import json
import numbers
import operator
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np
from numpy.typing import NDArray

from . import _tables
from ._tables import Column, Dates, Table
from .errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    import xarray

    from ._arrays import Axis

Library = Literal["pandas", "polars", "pyarrow", "numpy"]
Stage = Literal["forecast", "analysis", "smoothed"]
Of = Literal["state", "observed"]

_DATED = {"time": "date", "valid": "valid_date"}  # names of columns of dates, by those of times
_SEAL = re.compile(rb'(?:"seal": ?"|": ?"(?=[0-9a-f]{64}"))([^"]*)"\s*}\s*\Z')  # its key or its form may be damaged
_checked: set[tuple[str, int, int, str]] = set()  # path, size, time and sum of files that are as their run left them


class NotStoredError(ValueError):
    """A trial has no states of a stage."""


class LayoutsDifferError(ValueError):
    """States differ in size, or in where their values are, and are not one array."""


class Manifest(TypedDict, total=False):
    """What run.json says, see the page on the run directory."""

    format: int
    name: str
    seed: int
    profile: str
    set: list[str]
    sweep: list[str]
    source: str
    resumed: int
    plume: str
    go: str
    workers: int
    in_process: bool
    notes: list[str]
    dates: Dates
    status: str
    trials: dict[str, int]
    error: str
    resumable: bool
    retryable: bool
    started: str
    finished: str
    plugins: list[dict[str, str]]
    inputs: list[dict[str, object]]
    accepted: list[dict[str, object]]
    files: dict[str, str]
    seal: str


class Run:
    """A run directory. Tables are read at every call, so that a run that goes on can be
    followed. Those of a run that has ended are compared with their checksums when they are
    first read; one that differs raises ValueError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def manifest(self) -> Manifest:
        """What run.json says: versions, plugins, status, files. Raises ValueError when it is
        damaged: it ends with a checksum of itself."""
        text = (self.path / "run.json").read_bytes()
        if seal := _SEAL.search(text):
            unsealed = text[: seal.start(1)] + b"0" * 64 + text[seal.end(1) :]
            if hashlib.sha256(unsealed).hexdigest().encode() != seal[1]:
                raise ValueError(f"{self.path / 'run.json'}: is damaged: its seal does not fit; restore it")
        content: Manifest = json.loads(text)
        return content

    @property
    def status(self) -> str:
        """How the run has ended, as plume runs says it: ok, some failed, failed or interrupted; or
        running; or stopped, when its process is gone before it had ended."""
        status = self.manifest["status"]
        if status != "running" or _claimed(self.path):
            return status
        status = self.manifest["status"]  # it may have ended in the meantime
        return "stopped" if status == "running" else status

    def _repr_html_(self) -> str:
        """Shows the run as a card: how it ended, and the scores as plume compare has them."""
        m = self.manifest
        trials = ", ".join(f"{n} {status}" for status, n in m.get("trials", {}).items())
        lines = [f"<b>{html.escape(m['name'])}</b>: {said(self.status)}" + (f" ({trials} trials)" if trials else "")]
        if "error" in m:
            lines.append(html.escape(m["error"]))
        lines.append(f"<code>{html.escape(str(self.path))}</code>")
        try:
            from .comparing import compare

            lines.append(compare(self)._repr_html_() if "finished" in m else "")
        except (RuntimeError, ConfigError):  # no trial has scores, or there is no program
            pass
        return "<div>" + "<br>".join(lines) + "</div>"

    def tables(self) -> list[str]:
        """Returns the names of the tables there are so far, such as "metrics" or "ensemble"."""
        names = {f.relative_to(self.path).parts[0].split(".")[0] for f in self.path.rglob("*.arrow*")}
        return sorted(names - {"checkpoint"})  # what plume continue begins with

    @overload
    def table(self, name: str, library: Literal["pandas"] = "pandas") -> pandas.DataFrame: ...
    @overload
    def table(self, name: str, library: Literal["polars"]) -> polars.DataFrame: ...
    @overload
    def table(self, name: str, library: Literal["pyarrow"]) -> pyarrow.Table: ...
    @overload
    def table(self, name: str, library: Literal["numpy"]) -> dict[str, NDArray[Any]]: ...
    def table(self, name: str, library: Library = "pandas") -> Any:
        """Returns a table, such as "metrics" or "cycles", for a library: "pandas", "polars",
        "pyarrow", or "numpy", a dict of arrays by column, with NaN and None for null.

        Of a table with one file per trial or truth, such as "ensemble", it is the rows of all
        of them, with the columns their folders name, trial or replicate, and part. One file is
        "ensemble/trial=0001/part-00000". Raises FileNotFoundError with the names there are.

        If model times are dates, the column date after time has them, in UTC, and valid_date
        after valid."""
        return _for_library(self._dated(self._read(name)), library)

    @overload
    def scores(
        self,
        metric: str | Iterable[str] | None = None,
        library: Literal["pandas"] = "pandas",
        *,
        stage: Stage | None = "analysis",
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> pandas.DataFrame: ...
    @overload
    def scores(
        self,
        metric: str | Iterable[str] | None,
        library: Literal["polars"],
        *,
        stage: Stage | None = "analysis",
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> polars.DataFrame: ...
    @overload
    def scores(
        self,
        metric: str | Iterable[str] | None,
        library: Literal["numpy"],
        *,
        stage: Stage | None = "analysis",
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> dict[str, NDArray[Any]]: ...
    def scores(
        self,
        metric: str | Iterable[str] | None = None,
        library: Library = "pandas",
        *,
        stage: Stage | None = "analysis",
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> Any:
        """Returns the scores of trials and baselines as a tidy table: a row for each of them and
        metric, with trial, replicate, filter, members, every axis of the sweep, metric, stage,
        value, se, cycles and status. Without a metric it has all of them, with None as the stage
        both. It is metrics.arrow with what trials.arrow says; compare has means and differences.

        filter, replicate and setting select trials, see [trials]."""
        scored = self._read("metrics")
        wanted = [metric] if isinstance(metric, str) else None if metric is None else list(metric)
        columns = {k: c.values for k, c in scored.columns.items()}
        rows = np.ones(len(scored), bool)
        if wanted is not None:
            if unknown := sorted(set(wanted) - set(columns["metric"].tolist())):
                there = ", ".join(sorted(set(columns["metric"].tolist())))
                raise ValueError(f"metric: {self.path} has no {', '.join(unknown)}; it has {there}")
            rows &= np.isin(columns["metric"].astype(str), wanted)
        if stage is not None:
            rows &= columns["stage"] == stage
        if filter is not None or replicate is not None or setting:
            chosen = self.trials(filter=filter, replicate=replicate, setting=setting)
            rows &= np.isin(columns["trial"], chosen) & ~scored.columns["trial"].nulls()
        return _for_library(self._tidy(scored.pick(rows)), library)

    def _tidy(self, rows: Table) -> Table:
        """Returns rows of trials with the number of members and every axis of the sweep after the
        filter. While a run is running nothing says what they are, and they are not there."""
        first = {k: rows.columns[k] for k in ("trial", "replicate", "filter")}
        last = {k: column for k, column in rows.columns.items() if k not in first and k != "truth"}
        try:
            trials = self._read("trials")
        except FileNotFoundError:
            return Table(first | last)
        number = {int(n): i for i, n in enumerate(trials.columns["trial"].values)}
        trial = rows.columns["trial"]
        has = ~trial.nulls()
        at = np.array([number[int(n)] if ok else 0 for n, ok in zip(trial.values, has, strict=True)], int)
        named = {"members": trials.columns["size"].taken(at, ~has)}
        named |= {axis: trials.columns[axis].taken(at, ~has) for axis in _axes(trials)}
        return Table(first | named | last)

    def trials(
        self,
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> list[int]:
        """Returns the numbers of the trials of a filter, by its label, of a replicate, and with a
        setting: values of axes of the sweep, by their keys or the ends of these:

            run.trials(filter="etkf", setting={"inflation": 1.05})

        Raises ValueError where there is none, with what there is."""
        table = self._read("trials")
        rows = np.ones(len(table), bool)
        wanted: list[tuple[str, object]] = [("filter", filter), ("replicate", replicate)]
        wanted += [(_axis(table, name), value) for name, value in (setting or {}).items()]
        for name, value in wanted:
            if value is None:
                continue
            column = table.columns[name]
            own = (column.values == value) & ~column.nulls()
            if not own.any():
                there = sorted({str(v) for v, null in zip(column.values, column.nulls(), strict=True) if not null})
                raise ValueError(f"{name}: {self.path} has no trial with {value!r}; it has {', '.join(there)}")
            rows &= own
        if not rows.any():
            asked = ", ".join(f"{name} = {value!r}" for name, value in wanted if value is not None)
            raise ValueError(f"{self.path} has no trial with {asked}")
        found: list[int] = table.columns["trial"].values[rows].tolist()
        return found

    def ensemble(
        self,
        stage: Stage = "analysis",
        trial: int | Iterable[int] | None = 1,
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> xarray.Dataset:
        """Returns the members of a trial as an xarray.Dataset: one variable per variable of
        the model, (cycle, member, ...), with units, log_weight and parent, (cycle, member). The
        coordinate member has their numbers, which are not all of them with output.ensemble_members.
        Of members that have been dropped all is NaN. The stage smoothed, of filters with smooth,
        has the coordinate lag: how many cycles of later observations have changed the members.

        filter, replicate and setting select trials in place of trial, see [trials]; if they
        leave one, the result is that of its number, and its attributes are the trial, replicate,
        truth, filter and plugin and its values of the sweep, by their keys. Of several trials, or
        with None all that have members, the first dimension is trial, with filter, replicate and
        values of the sweep as coordinates; what a smaller ensemble or a shorter trial lacks is
        NaN. With None, a warning says which trials have none and are left out. Raises ValueError
        when the run stored none of that stage, and when the states of trials differ in size."""
        if filter is not None or replicate is not None or setting:
            found = self.trials(filter=filter, replicate=replicate, setting=setting)
            trial = found[0] if len(found) == 1 else found
        folder = "smoothed" if stage == "smoothed" else "ensemble"
        if isinstance(trial, (int, numbers.Integral)):
            return self._members(folder, int(trial), stage)
        if isinstance(trial, str):
            raise TypeError(f"trial: got {trial!r}, want a number; filter={trial!r} selects by the label of a filter")
        if trial is None:
            return self._joined(self.stored(stage))
        return self._joined({n: self._members(folder, n, stage) for n in map(operator.index, trial)})

    def stored(self, stage: Stage) -> dict[int, xarray.Dataset]:
        """Returns the members of every trial that has some of a stage, by the numbers of trials,
        and warns of those that have none. Raises ValueError when no trial has any."""
        folder = "smoothed" if stage == "smoothed" else "ensemble"
        folders = (re.fullmatch(r"trial=(\d+)", d.name) for d in self.path.glob(f"{folder}/*"))
        found, lacking = {}, {}
        for n in sorted(int(m[1]) for m in folders if m):
            try:
                found[n] = self._members(folder, n, stage)
            except NotStoredError as e:
                lacking[n] = e
        if not found:
            raise next(iter(lacking.values()), NotStoredError(f"{self.path} stored no ensembles{self._why()}"))
        for why in lacking.values():
            warnings.warn(f"{why}; it is left out", stacklevel=2)
        return found

    def _joined(self, each: dict[int, xarray.Dataset]) -> xarray.Dataset:
        """Returns the members of several trials, (trial, ...)."""
        xr = needed("xarray")
        from ._arrays import stacked

        if not each:
            raise NotStoredError(f"{self.path} stored no ensembles{self._why()}")
        first, *others = each
        for n in others:
            if differs := differing(each[first], each[n]):
                settings = [(axis, each[first].attrs.get(axis), each[n].attrs.get(axis)) for axis in self._sweep()]
                axis, value = next(((a, v) for a, v, w in settings if v != w), ("model.params.n", 40))
                raise LayoutsDifferError(
                    f"{differs} in trials {first} and {n}, which are not one array: want trials of one size, "
                    f"as with setting={{{axis!r}: {value!r}}}"
                )
        trials = xr.DataArray(list(each), dims="trial", name="trial")
        joined = stacked(list(each.values()), trials)
        coords: dict[str, Any] = {}
        for name in ("filter", "replicate", *self._sweep()):
            values = [data.attrs.get(name) for data in each.values()]
            nothing = "" if any(isinstance(v, str) for v in values) else np.nan  # of a filter without that parameter
            if any(v is not None for v in values):
                coords[name] = ("trial", [nothing if v is None else v for v in values])
        return joined.assign_coords(coords)

    def _sweep(self) -> list[str]:
        """Returns the axes of the sweep; none while nothing says which there are."""
        try:
            return _axes(self._read("trials"))
        except FileNotFoundError:
            return []

    def _why(self, trial: int | None = None) -> str:
        """Returns why there are no states, as the end of a sentence."""
        try:
            rows = None if trial is None else self._read("trials", trial=trial).columns
        except FileNotFoundError:
            rows = None  # the run has not ended
        if rows is None:
            return self._yet() or "; see output.ensemble in the workflow"
        if not len(rows["trial"].values):
            return ": there is no such trial"
        status = rows["status"].values[0]
        if status in ("ok", "diverged"):
            return "; see output.ensemble and output.ensemble_every in the workflow"
        return f": the trial failed: {rows['error'].values[0]}" if status == "failed" else f": the trial is {status}"

    def _yet(self) -> str:
        """Returns that a run has not come to its end, as the end of a sentence, with the error of one in
        which no trial has begun, as where the truth could not be made."""
        manifest = self.manifest if (self.path / "run.json").exists() else {}
        begun = any(name.startswith(("cycles.", "cycles/")) for name in manifest.get("files", {}))
        if "error" in manifest and not begun:
            return f": no trial has begun: {manifest['error']}"
        status = self.status if manifest else ""
        return f": the run is {said(status)}" if status in ("running", "stopped", "interrupted", "failed") else ""

    def inference_data(
        self,
        *,
        trial: int = 1,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> xarray.DataTree:
        """Returns the members of one trial as ArviZ draws them: the groups posterior and prior,
        (chain, draw, cycle, ...), of the analyses and, if they are stored, of the forecasts, and
        observed_data and constant_data, the truth. All have the cycles whose members are stored, see
        output.ensemble_every. Draws have equal weights: members of a larger
        weight are repeated. Trials are selected as in ensemble. ArviZ 1 takes the tree as it is,
        earlier versions as az.InferenceData.from_datatree(tree)."""
        from ._tree import inference

        return inference(self, trial=trial, filter=filter, replicate=replicate, setting=setting)

    @overload
    def forecasts(
        self,
        library: Literal["pandas"] = "pandas",
        *,
        of: Of | None = None,
        variable: str | None = None,
        last: bool = False,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> pandas.DataFrame: ...
    @overload
    def forecasts(
        self,
        library: Literal["polars"],
        *,
        of: Of | None = None,
        variable: str | None = None,
        last: bool = False,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> polars.DataFrame: ...
    @overload
    def forecasts(
        self,
        library: Literal["numpy"],
        *,
        of: Of | None = None,
        variable: str | None = None,
        last: bool = False,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> dict[str, NDArray[Any]]: ...
    @overload
    def forecasts(
        self,
        library: Literal["xarray"],
        *,
        of: Of | None = None,
        variable: str | None = None,
        last: bool = False,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> xarray.Dataset: ...
    def forecasts(
        self,
        library: Library | Literal["xarray"] = "pandas",
        *,
        of: Of | None = None,
        variable: str | None = None,
        last: bool = False,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> Any:
        """Returns free forecasts, of a workflow with [forecast], as a tidy table: a row for each
        analysis (cycle, time), lead time and value, with the axes of the sweep, valid, which is
        time + lead, mean, spread and quantiles. of is "state", or "observed" for predicted
        observations; last leaves those from the last analysis of each trial. Probabilities of
        exceeding thresholds are in table("exceedances").

        For "xarray" it is a dataset of one trial with a variable for each that is forecast,
        (statistic, cycle, lead, ...): predicted observations, unless of says otherwise or
        there are none."""
        table = self._ahead("forecasts", filter, replicate, setting)
        if library == "xarray" and of is None:
            of = "observed" if (table.columns["of"].values == "observed").any() else "state"
        wanted: dict[str, object] = {"of": of, "variable": variable}
        table = self._having(table, {name: value for name, value in wanted.items() if value is not None})
        trial, cycle = table.columns["trial"].values, table.columns["cycle"].values
        if last:
            _, row = np.unique(trial, return_inverse=True)
            newest = np.zeros_like(cycle)
            np.maximum.at(newest, row, cycle)
            table = table.pick(cycle == newest[row])
        if library != "xarray":
            return _for_library(self._tidy(self._dated(table)), library)
        needed("xarray")
        from ._forecasts import dataset

        if len(numbers := np.unique(trial)) != 1:
            raise ValueError(f"want one trial, got {len(numbers)}; filter, replicate and setting select")
        found = dataset(table, self.dates, self._units(of or "state"))
        return found.assign_attrs(self._about(trial=int(numbers[0])), source=str(self.path), of=of)

    @overload
    def forecast_scores(
        self,
        metric: str | None = None,
        library: Literal["pandas"] = "pandas",
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> pandas.DataFrame: ...
    @overload
    def forecast_scores(
        self,
        metric: str | None,
        library: Literal["polars"],
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> polars.DataFrame: ...
    @overload
    def forecast_scores(
        self,
        metric: str | None,
        library: Literal["numpy"],
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> dict[str, NDArray[Any]]: ...
    def forecast_scores(
        self,
        metric: str | None = None,
        library: Library = "pandas",
        *,
        filter: str | None = None,
        replicate: int | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> Any:
        """Returns how good free forecasts were as a tidy table: a row for each trial, lead time,
        variable and metric, such as rmse, crps_fair and persistence_rmse, with the axes of the
        sweep, value, se and count, the number of forecasts. These are the numbers of plume
        forecast --scores."""
        table = self._ahead("forecast_scores", filter, replicate, setting)
        return _for_library(self._tidy(self._having(table, {"metric": metric} if metric else {})), library)

    def _ahead(
        self, name: str, filter: str | None, replicate: int | None, setting: Mapping[str, object] | None
    ) -> Table:
        """Returns a table of forecasts, of the trials that are selected."""
        try:
            table = self._read(name)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{self.path} has no {name}{self._yet() or ': its workflow has no [forecast]'}"
            ) from None
        if setting:
            chosen = self.trials(filter=filter, replicate=replicate, setting=setting)
            return table.pick(np.isin(table.columns["trial"].values, chosen))
        wanted: dict[str, object] = {"filter": filter, "replicate": replicate}
        return self._having(table, {name: value for name, value in wanted.items() if value is not None})

    def _having(self, table: Table, wanted: Mapping[str, object]) -> Table:
        """Returns the rows that hold what is wanted; raises ValueError where there is none."""
        for name, value in wanted.items():
            values = table.columns[name].values
            rows = values == value
            if not rows.any():
                there = ", ".join(map(str, sorted(set(values.tolist()))))
                raise ValueError(f"{name}: {self.path} has no forecast of {value!r}; it has {there or 'none'}")
            table = table.pick(rows)
        return table

    def _units(self, of: str) -> dict[str, str]:
        """Returns the units of variables of the state or of the observed ones, if a table has them."""
        observed = ("observations.arrow*", "observations/*.arrow*")
        states = ("truth/*/*.arrow*", "ensemble/*/*.arrow*")
        files = [f for pattern in (observed if of == "observed" else states) for f in self.path.glob(pattern)]
        columns = next(_tables.batches(files[0])).columns if files else {}
        return {name: c.meta["unit"] for name, c in columns.items() if "unit" in c.meta}

    def truth(self, replicate: int = 1, number: int = 0) -> xarray.Dataset:
        """Returns the truth of a twin experiment as an xarray.Dataset, (cycle, ...).

        A replicate has more than one truth when an axis of the sweep changes it. Raises
        FileNotFoundError when the observations are real, and when there is no such truth, with
        those there are."""
        needed("xarray")
        if not any(self.path.glob("truth/*")):
            raise FileNotFoundError(f"{self.path} has no truth" + (self._yet() or ": its observations are from files"))
        self._require("truth", replicate, number)
        found = self._dataset(f"truth/replicate={replicate:03d}/part-{number:05d}", number=number)
        return found.assign_attrs(self._about(replicate=replicate, truth=number))

    def _require(self, folder: str, replicate: int, number: int) -> None:
        """Raises FileNotFoundError where a folder, which is there, has no such replicate and number."""
        from ._tree import numbers

        there = numbers(self, folder, r"replicate=(\d+)/part-(\d+)")
        if (replicate, number) not in there:
            raise FileNotFoundError(
                f"{self.path} has no {folder} of replicate {replicate}, number {number}; it has {_pairs(there)}"
            )

    def reference(self, replicate: int = 1, number: int = 0) -> xarray.Dataset:
        """Returns the members kept of the brute-force posterior, as [ensemble] does."""
        needed("xarray")
        if not any(self.path.glob("reference/*")):
            raise FileNotFoundError(
                f"{self.path} has no reference{self._yet() or '; see [reference] in the workflow language'}"
            )
        self._require("reference", replicate, number)
        truth = self._truth_of(lambda trials: (trials["replicate"] == replicate) & (trials["reference"] == number))
        found = self._dataset(f"reference/replicate={replicate:03d}/part-{number:05d}", number=truth, stage="analysis")
        known = {} if truth is None else {"truth": truth}
        return found.assign_attrs(self._about(replicate=replicate, reference=number, **known))

    def observations(self, replicate: int = 1, number: int = 0) -> xarray.Dataset:
        """Returns the observations of a truth as an xarray.Dataset, (cycle, ...); NaN is missing.
        Raises ValueError when there is no such truth, with those there are."""
        needed("xarray")
        table = self._read("observations", replicate=replicate, truth=number)
        if not len(table):
            asked = f"replicate {replicate}, truth {number}"
            raise ValueError(f"{self.path} has no observations of {asked}; it has {_pairs(self.observed())}")
        found = self._as_dataset(table, self._places("observed", number), None)
        return found.assign_attrs(self._about(replicate=replicate, truth=number))

    def observed(self) -> list[tuple[int, int]]:
        """Returns the replicates that have observations, with the number of each of their truths."""
        single = any((self.path / f"observations.arrow{end}").exists() for end in ("", ".part"))
        parts = [self._read(name).columns for name in (["observations"] if single else self._parts("observations"))]
        pairs = (zip(part["replicate"].values.tolist(), part["truth"].values.tolist(), strict=True) for part in parts)
        return sorted(set(itertools.chain.from_iterable(pairs)))

    def _about(self, **numbers: int) -> dict[str, Any]:
        """Returns what is said of a trial, or of a truth or reference of a replicate, by these
        numbers: those, and the values of the sweep that all of its trials have."""
        about: dict[str, Any] = {"run": self.path.absolute().name} | numbers
        try:
            own = self._read("trials").where(numbers)
            axes = _axes(own)
        except FileNotFoundError:  # the run has not ended
            if "trial" not in numbers:
                return about
            try:
                own, axes = self._read("cycles", **numbers), []
            except FileNotFoundError:
                return about
        if not len(own):
            return about
        if "trial" in numbers:
            names = [name for name in ("replicate", "truth", "filter", "plugin") if name in own.columns]
            about |= {name: own.columns[name].values[0] for name in names}
        for axis in axes:
            values = set(own.columns[axis].values.tolist())
            if len(values) == 1 and not own.columns[axis].nulls().any():
                about[axis] = values.pop()
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in about.items()}

    def _members(self, folder: str, trial: int, stage: Stage) -> xarray.Dataset:
        """Returns the members of a trial."""
        needed("xarray")
        try:
            table = self._read(f"{folder}/trial={trial:04d}/part-00000", stage=stage)
        except FileNotFoundError:
            table = Table({})
        if not len(table):
            raise NotStoredError(f"{self.path} has no {stage} of trial {trial}{self._why(trial)}")
        about = self._about(trial=trial)
        return self._as_dataset(table, self._places("state", about.get("truth")), stage).assign_attrs(about)

    def _read(self, name: str, **wanted: Any) -> Table:
        """Returns those rows of a whole file, of the batches written so far, or of all files
        below a folder."""
        for _ in range(3):  # a part may be renamed, and parts be put together, between two looks
            table = self._file(name, **wanted)
            if table is None:
                table = self._folder(name, **wanted)
            if table is not None:
                return table.where(wanted)
        there = ", ".join(self.tables()) or "none"
        raise FileNotFoundError(f"{self.path} holds no table {name}; it holds {there}{self._yet()}")

    def _file(self, name: str, **wanted: Any) -> Table | None:
        done, part = self.path / f"{name}.arrow", self.path / f"{name}.arrow.part"
        try:
            if done.exists():
                self._check(done)
                return _tables.read(done, wanted)
            return _tables.read(part, wanted)
        except FileNotFoundError:
            return None

    def _check(self, file: Path) -> None:
        """Raises ValueError when a file is not as the run left it."""
        try:
            sums = self.manifest.get("files")
        except FileNotFoundError:  # not a run: a folder of tables
            return
        if not sums:  # it has not ended
            return
        name = file.relative_to(self.path)
        want = sums.get(name.as_posix())
        if want is None:
            if f"{name.parts[0]}.arrow" in sums:
                raise FileNotFoundError(file)  # it has just been put together with others
            raise ValueError(f"{file}: is not a file of the run: run.json does not list it")
        stat = file.stat()
        key = (str(file), stat.st_size, stat.st_mtime_ns, want)
        if key in _checked:
            return
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != want:
            raise ValueError(
                f"{file}: is damaged: its sha256 is {digest.hexdigest()[:12]}, and {want[:12]} in run.json; "
                "restore it, or run the workflow again"
            )
        _checked.add(key)

    def _parts(self, name: str) -> list[str]:
        """Returns the names of the tables below a folder."""
        return sorted({str(f.relative_to(self.path)).split(".arrow")[0] for f in (self.path / name).rglob("*.arrow*")})

    def _folder(self, name: str, **wanted: Any) -> Table | None:
        """Returns those rows of all files below a folder, in the order of their names."""
        tables = []
        for file in self._parts(name):
            table = self._file(file)
            if table is None:
                part = self.path / f"{file}.arrow.part"
                if part.exists() and part.stat().st_size == 0:
                    continue  # its writer has not come to the first batch
                return None
            for key, value in re.findall(r"(trial|replicate|part)[=-](\d+)", file):
                table.columns.setdefault(key, Column("i", {}, np.full(len(table), int(value), np.int32)))
            tables.append(table.where(wanted))
        if wanted:  # those without any may have other columns
            tables = [table for table in tables if len(table)] or tables[:1]
        try:
            return _tables.together(tables) if tables else None
        except ValueError as e:
            some = ", ".join(map(repr, self._parts(name)[:2]))
            raise ValueError(f"{self.path}, {name}: {e}, such as {some}") from None

    def _dataset(self, name: str, of: Of = "state", number: int | None = None, **where: Any) -> xarray.Dataset:
        """Returns a table of states or observations, of the truth with that number."""
        needed("xarray")
        table = self._read(name, **where)
        if not len(table):
            raise ValueError(f"{self.path}, {name}: holds no {where.get('stage') or 'rows'}{self._yet()}")
        return self._as_dataset(table, self._places(of, number), where.get("stage"))

    def _places(self, of: Of, number: int | None) -> dict[str, list[Axis]]:
        """Returns the axes of variables, of the truth with that number; none if that is not known."""
        from ._arrays import places

        parts = sorted(f.name.split(".")[0] for f in (self.path / "coordinates").glob("part-*"))
        if number is not None:
            parts = [part for part in parts if part == f"part-{number:05d}"]
        return places(self._read(f"coordinates/{parts[0]}"), of) if len(parts) == 1 else {}

    def _as_dataset(
        self, table: Table, at: Mapping[str, list[Axis]], stage: Stage | None, members: NDArray[np.int32] | None = None
    ) -> xarray.Dataset:
        """Returns rows of states or observations, with at least the members of these numbers."""
        from ._arrays import dataset

        found = dataset(table, self.dates, at, members)
        return found.assign_attrs(source=str(self.path), **({"stage": stage} if stage else {}))

    def blocks(self, stage: Stage, trial: int, size: float) -> Iterator[xarray.Dataset]:
        """Returns the members of a trial as ensemble does, cycle by cycle: several cycles at a
        time, up to a size in bytes, and at least one. Memory is needed for these alone."""
        needed("xarray")
        folder = "smoothed" if stage == "smoothed" else "ensemble"
        file = self.path / folder / f"trial={trial:04d}" / "part-00000.arrow"
        if file.exists():
            self._check(file)
        else:
            file = file.with_name(file.name + ".part")
        if not file.exists():
            raise NotStoredError(f"{self.path} has no {stage} of trial {trial}{self._why(trial)}")
        about = self._about(trial=trial)
        at = self._places("state", about.get("truth"))
        waiting: list[Table] = []
        cycles, members = 0, None
        for batch in _tables.batches(file):
            for k in dict.fromkeys(batch.columns["cycle"].values.tolist()):
                rows = batch.where({"cycle": k, "stage": stage})
                if not len(rows):
                    continue
                if not cycles:  # dropped members are not replaced: the first cycle has all of them
                    members = rows.columns["member"].values
                    cycles = max(1, int(size / max(1, sum(c.values.nbytes for c in rows.columns.values()))))
                waiting.append(rows)
                if len(waiting) == cycles:
                    yield self._as_dataset(_tables.together(waiting), at, stage, members).assign_attrs(about)
                    waiting = []
        if waiting:
            yield self._as_dataset(_tables.together(waiting), at, stage, members).assign_attrs(about)

    def to_zarr(self, to: str | os.PathLike[str]) -> None:
        """Writes the run as a new Zarr store, version 3, as plume export --format zarr does, with scores. It
        has the groups of xarray.open_datatree(run.path), which xarray.open_datatree(to) opens without
        reading them: analysis and its relatives, (trial, cycle, member, ...), truth, reference and
        observations, (replicate, cycle, ...), and scores. Grids that are not one array, as where the size
        of the model is swept over, are groups such as analysis/trial=0001 and truth/replicate=001-0 (the
        number of the truth in the replicate is last). Chunks are many small trials, or some cycles or
        some members of one where states are large. Needs the packages xarray and zarr.

        xarray needs engine="zarr" to open a store whose name does not end in .zarr. A warning says
        which trials have no states and are left out. Raises FileExistsError when there is
        something of that name, and ValueError when it would be in a run or the run has nothing
        to write."""
        needed("zarr")
        needed("xarray")
        from ._zarr import write

        write(self, to)

    @property
    def dates(self) -> Dates | None:
        """Which dates model times are; None: they are none."""
        return self.manifest.get("dates") if (self.path / "run.json").exists() else None

    def _dated(self, table: Table) -> Table:
        """Returns a table with a column of dates after each of model times, as plume export has them."""
        dates = self.dates
        if dates is None or dates["calendar"] not in _tables.STANDARD:
            return table
        columns: dict[str, Column] = {}
        for name, column in table.columns.items():
            columns[name] = column
            if name in _DATED and column.type == "g" and "shape" not in column.meta:
                values = _tables.dates_of(np.where(column.nulls(), 0, column.values), dates)
                columns[_DATED[name]] = Column(_tables.DATES, {}, values, column.null)
        return Table(columns)

    def _truth_of(self, wanted: Callable[[dict[str, NDArray[Any]]], NDArray[np.bool_]]) -> int | None:
        """Returns the number of the truth of the trials that are wanted, if it is known."""
        try:
            trials = {name: c.plain() for name, c in self._read("trials").columns.items()}
        except FileNotFoundError:
            return None  # the run has not ended
        found = trials["truth"][wanted(trials)]
        return int(found[0]) if len(found) else None


def _claimed(path: Path) -> bool:
    """Returns whether a process is writing the run: it has the lock of its directory, as plume itself asks."""
    if fcntl is None:  # where plume runs there is one
        return True
    directory = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may ask at the same time
    except BlockingIOError:
        return True
    finally:
        os.close(directory)
    return False


def said(status: str) -> str:
    """Returns the status of a run for people, with the words of plume runs."""
    return "stopped, its process is gone" if status == "stopped" else status


def _axes(trials: Table) -> list[str]:
    """Returns the columns of trials that are axes of the sweep: those after error."""
    names = list(trials.columns)
    return names[names.index("error") + 1 :]


def _axis(trials: Table, name: str) -> str:
    axes = _axes(trials)
    found = ending(axes, name)
    if len(found) != 1:
        raise ValueError(f"setting: {name} is {len(found)} of the axes of the sweep: {', '.join(axes) or 'none'}")
    return found[0]


def differing(a: xarray.Dataset, b: xarray.Dataset) -> str:
    """Returns how two datasets differ in variables, in dimensions other than cycle and member, or in
    positions along these; nothing if they do not."""
    for name in sorted({*a.data_vars} ^ {*b.data_vars}):
        return f"{name} is not in both, as"
    for name in a.data_vars:
        one, two = ({d: n for d, n in x[name].sizes.items() if d not in ("cycle", "member")} for x in (a, b))
        if one != two:
            return f"{name} has {' x '.join(map(str, one.values()))} and {' x '.join(map(str, two.values()))} values"
    for name in sorted({*a.coords, *b.coords}):
        there = [x.coords[name].variable for x in (a, b) if name in x.coords]
        if not {"cycle", "member"} & {*there[0].dims} and not (len(there) == 2 and there[0].equals(there[1])):
            return f"{name} has other values"
    return ""


def _pairs(numbers: list[tuple[int, int]]) -> str:
    """Returns pairs of numbers for people, of many the first."""
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown


def ending(axes: Iterable[str], name: str) -> list[str]:
    """Returns the axes of a sweep that name stands for: keys, or the ends of such."""
    return [axis for axis in axes if axis == name or axis.endswith("." + name)]


def _for_library(table: Table, library: Library) -> Any:
    """Returns a table as a library has it."""
    if library == "pyarrow":
        return needed("pyarrow").table(table)
    if library == "polars":
        return needed("polars").DataFrame(table)
    columns = {key: column.plain() for key, column in table.columns.items()}
    if library == "numpy":
        return columns
    if library == "pandas":
        return needed("pandas").DataFrame({key: list(c) if c.ndim > 1 else c for key, c in columns.items()})
    raise ValueError(f"library: got {library!r}, want pandas, polars, pyarrow or numpy")


def needed(package: str) -> Any:
    """Returns a package that a plain installation does not bring, but an extra."""
    try:
        return importlib.import_module(package)
    except ImportError as e:
        raise ImportError(f'{e}; pip install "plume-da[{package}]"', name=package) from e


def open_run(run: str | os.PathLike[str] = "@last", runs: str | os.PathLike[str] = "runs") -> Run:
    """Opens a run: a path, "@last", the one started last below runs, or the beginning of the
    name of one below runs, such as "l63-twin/2026" or "20260102T03".

    Raises FileNotFoundError when there is none, and ValueError when it could be several."""
    path = Path(run)
    try:
        if (path / "run.json").exists() or any(path.glob("*.arrow*")):
            return Run(path)
    except (OSError, ValueError) as e:  # a text that cannot be a path
        if isinstance(e, OSError) and e.errno != errno.ENAMETOOLONG:
            raise
    found = _below(runs)
    name, shown = str(run), str(run) if len(str(run)) <= 80 else str(run)[:77] + "..."
    if name != "@last":
        found = [r for r in found if r.path.name.startswith(name) or "/".join(r.path.parts[-2:]).startswith(name)]
        if len(found) > 1:
            raise ValueError(f"{shown} could be {' or '.join(str(r.path) for r in found)}; write more of it")
    if not found:
        raise FileNotFoundError(
            f"there is no run {shown}: want a run directory, @last, or the beginning of the name of one "
            f"below {Path(runs).absolute()}"
        )
    return found[-1]


def runs(run_dir: str | os.PathLike[str] = "runs") -> list[Run]:
    """Returns the runs below a directory, newest first."""
    return _below(run_dir)[::-1]


def _below(folder: str | os.PathLike[str]) -> list[Run]:
    """Returns the runs below a directory, newest last."""
    return [Run(d) for d in sorted((d.parent for d in Path(folder).glob("*/*/run.json")), key=lambda d: d.name)]
