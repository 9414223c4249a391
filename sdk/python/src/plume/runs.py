"""A run directory, read while it is written, when it is done, or after a crash."""

from __future__ import annotations

import hashlib
import importlib
import json
import numbers
import operator
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import _tables
from ._tables import Column, Table

_SEAL = re.compile(rb'"seal": ?"([0-9a-f]{64})"\s*}\s*\Z')
_checked: set[tuple[str, int, int, str]] = set()  # path, size, time and sum of files that are as their run left them


class Run:
    """A run directory. Tables are read at every call, so that a run that goes on can be
    followed. Those of a run that has ended are compared with their checksums when they are
    first read; one that differs raises ValueError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """What run.json says: versions, plugins, status, files. Raises ValueError when it is
        damaged: it ends with a checksum of itself."""
        text = (self.path / "run.json").read_bytes()
        if seal := _SEAL.search(text):
            unsealed = text[: seal.start(1)] + b"0" * 64 + text[seal.end(1) :]
            if hashlib.sha256(unsealed).hexdigest().encode() != seal[1]:
                raise ValueError(f"{self.path / 'run.json'}: is damaged: its seal does not fit; restore it")
        content: dict[str, Any] = json.loads(text)
        return content

    def tables(self) -> list[str]:
        """Returns the names of the tables there are so far, such as "metrics" or "ensemble"."""
        return sorted({f.relative_to(self.path).parts[0].split(".")[0] for f in self.path.rglob("*.arrow*")})

    def table(self, name: str, library: str = "pandas") -> Any:
        """Returns a table, such as "metrics" or "cycles", for a library: "pandas", "polars",
        "pyarrow", or "numpy", a dict of arrays by column, with NaN and None for null.

        Of a table with one file per trial or truth, such as "ensemble", it is the rows of all
        of them, with the columns their folders name, trial or replicate, and part. One file is
        "ensemble/trial=0001/part-00000". Raises FileNotFoundError with the names there are."""
        table = self._read(name)
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

    def ensemble(self, stage: str = "analysis", trial: int | Iterable[int] | None = 1) -> Any:
        """Returns the members of a trial as an xarray.Dataset: one variable per variable of
        the model, (cycle, member, ...), with units, log_weight and parent, (cycle, member).
        Of members that have been dropped all is NaN.

        Of several trials, or with None all that have members, the first dimension is trial,
        with filter and replicate as its coordinates; what a smaller ensemble or a shorter
        trial lacks is NaN. Raises ValueError when the run stored none of that stage."""
        if isinstance(trial, (int, numbers.Integral)):
            return self._dataset(f"ensemble/trial={trial:04d}/part-00000", stage=stage)
        xarray = needed("xarray")
        if trial is None:
            found = (re.fullmatch(r"trial=(\d+)", d.name) for d in self.path.glob("ensemble/*"))
            trial = sorted(int(m[1]) for m in found if m)
        chosen = [operator.index(n) for n in trial]
        if not chosen:
            raise ValueError(f"{self.path} stored no ensembles; see output.ensemble in the workflow")
        data = [self.ensemble(stage, n) for n in chosen]
        joined = xarray.concat(data, xarray.DataArray(chosen, dims="trial", name="trial"), join="outer")
        cycles = self._read("cycles").columns
        rows = {n: i for i, n in reversed(list(enumerate(cycles["trial"].values.tolist())))}
        return joined.assign_coords(
            {name: ("trial", [cycles[name].values[rows[n]] for n in chosen]) for name in ("filter", "replicate")}
        )

    def truth(self, replicate: int = 1, number: int = 0) -> Any:
        """Returns the truth of a twin experiment as an xarray.Dataset, (cycle, ...).

        A replicate has more than one truth when an axis of the sweep changes it."""
        return self._dataset(f"truth/replicate={replicate:03d}/part-{number:05d}")

    def reference(self, replicate: int = 1, number: int = 0) -> Any:
        """Returns the members kept of the brute-force posterior, as [ensemble] does."""
        return self._dataset(f"reference/replicate={replicate:03d}/part-{number:05d}", stage="analysis")

    def observations(self, replicate: int = 1, number: int = 0) -> Any:
        """Returns the observations of a truth as an xarray.Dataset, (cycle, ...); NaN is missing."""
        return self._dataset("observations", replicate=replicate, truth=number)

    def _read(self, name: str, **wanted: Any) -> Table:
        """Returns those rows of a whole file, of the batches written so far, or of all files
        below a folder."""
        for _ in range(3):  # a part may be renamed, and parts be put together, between two looks
            table = self._file(name, **wanted)
            if table is None:
                table = self._folder(name)
            if table is not None:
                return table.where(wanted)
        raise FileNotFoundError(f"{self.path} holds no table {name}; it holds {', '.join(self.tables())}")

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

    def _folder(self, name: str) -> Table | None:
        """Returns the rows of all files below a folder, in the order of their names."""
        names = {str(f.relative_to(self.path)).split(".arrow")[0] for f in (self.path / name).rglob("*.arrow*")}
        tables = []
        for file in sorted(names):
            table = self._file(file)
            if table is None:
                part = self.path / f"{file}.arrow.part"
                if part.exists() and part.stat().st_size == 0:
                    continue  # its writer has not come to the first batch
                return None
            for key, value in re.findall(r"(trial|replicate|part)[=-](\d+)", file):
                table.columns.setdefault(key, Column("i", {}, np.full(len(table), int(value), np.int32)))
            tables.append(table)
        return _tables.together(tables) if tables else None

    def _dataset(self, name: str, **where: Any) -> Any:
        xarray = needed("xarray")
        table = self._read(name, **where)
        columns = table.columns
        if not len(table):
            wanted = where.get("stage") or ", ".join(f"{k} {v}" for k, v in where.items()) or "rows"
            raise ValueError(f"{name}: holds no {wanted}; see output.ensemble in the workflow")
        cycles, at = np.unique(columns["cycle"].values, return_inverse=True)
        lead, where_to = {"cycle": len(cycles)}, [at]
        if "member" in columns:
            where_to.append(columns["member"].values)
            lead["member"] = int(where_to[1].max()) + 1
        variables = {}
        for key, column in columns.items():
            if "shape" not in column.meta and key not in ("log_weight", "parent"):
                continue
            shape = [int(k) for k in column.meta.get("shape", "").split(",") if k]
            values = column.plain().reshape(-1, *shape)
            if len(table) < np.prod(list(lead.values())):  # members have been dropped
                ragged = np.full((*lead.values(), *shape), np.nan)
                ragged[tuple(where_to)] = values
                values = ragged
            dims = _dimensions(key, shape, column.meta.get("dims", ""), list(columns))
            units = {"units": column.meta["unit"]} if column.meta.get("unit") else {}
            variables[key] = ((*lead, *dims), values.reshape(*lead.values(), *shape), units)
        times = np.empty(len(cycles))
        times[at] = columns["time"].values
        coords: dict[str, Any] = {"cycle": cycles, "time": ("cycle", times)}
        if "member" in lead:
            coords["member"] = np.arange(lead["member"])
        attrs = {"source": str(self.path)} | ({"stage": where["stage"]} if "stage" in where else {})
        return xarray.Dataset(variables, coords, attrs)


def _dimensions(name: str, shape: list[int], dims: str, taken: list[str]) -> list[str]:
    """Returns the dimensions of a variable beside cycle and member. One that has no name,
    or that of a variable, is called after its variable."""
    given = dims.split(",") if dims else []
    return [
        given[i] if i < len(given) and given[i] and given[i] not in taken else f"{name}_{i}" for i in range(len(shape))
    ]


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
    if (path / "run.json").exists() or any(path.glob("*.arrow*")):
        return Run(path)
    found = sorted((d.parent for d in Path(runs).glob("*/*/run.json")), key=lambda d: d.name)
    if str(run) != "@last":
        found = [d for d in found if d.name.startswith(str(run)) or f"{d.parent.name}/{d.name}".startswith(str(run))]
        if len(found) > 1:
            raise ValueError(f"{run} could be {' or '.join(map(str, found))}; write more of it")
    if not found:
        raise FileNotFoundError(
            f"there is no run {run}: want a run directory, @last, or the beginning of the name of one "
            f"below {Path(runs).absolute()}"
        )
    return Run(found[-1])
