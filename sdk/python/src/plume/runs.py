"""A run directory, read while it is written, when it is done, or after a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Run:
    """A run directory. Tables are read anew at every call, so that a run that goes on
    can be followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """What run.json says: versions, plugins, status, files."""
        content: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        return content

    def tables(self) -> list[str]:
        """Returns the names of the tables there are so far."""
        return sorted({f.name.split(".")[0] for f in self.path.glob("*.arrow*")})

    def table(self, name: str, library: str = "pandas") -> Any:
        """Returns a table, such as "metrics" or "cycles", as "pyarrow", "pandas" or "polars".

        Raises FileNotFoundError with the names there are."""
        table = self._read(name)
        if library == "pyarrow":
            return table
        if library == "pandas":
            return table.to_pandas()
        if library == "polars":
            import polars

            return polars.from_arrow(table)
        raise ValueError(f"library: got {library!r}, want pyarrow, pandas or polars")

    def ensemble(self, stage: str = "analysis", trial: int = 1) -> Any:
        """Returns the members of a trial as an xarray.Dataset: one variable per variable of
        the model, (cycle, member, ...), with units, and log_weight, (cycle, member).

        Raises ValueError when the run stored none of that stage."""
        return self._dataset(f"ensemble/trial={trial:04d}/part-00000", stage)

    def truth(self, replicate: int = 1) -> Any:
        """Returns the truth of a twin experiment as an xarray.Dataset, (cycle, ...)."""
        return self._dataset(f"truth/replicate={replicate:03d}/part-00000", None)

    def _read(self, name: str) -> Any:
        """Returns a pyarrow.Table: of a whole file, or of the batches written so far."""
        import pyarrow as pa

        done, part = self.path / f"{name}.arrow", self.path / f"{name}.arrow.part"
        for _ in range(2):  # the part may be renamed between two looks
            if done.exists():
                with pa.memory_map(str(done)) as source:
                    return pa.ipc.open_file(source).read_all()
            try:
                return _whole_batches(part)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"{self.path} holds no table {name}; it holds {', '.join(self.tables())}")

    def _dataset(self, name: str, stage: str | None) -> Any:
        import numpy as np
        import pyarrow.compute as pc
        import xarray

        table = self._read(name)
        if stage is not None:
            table = table.filter(pc.field("stage") == stage)
        if table.num_rows == 0:
            raise ValueError(f"{name}: holds no {stage or 'rows'}; see output.ensemble in the workflow")
        cycles, counts = np.unique(table["cycle"].to_numpy(), return_counts=True)
        by_member = "member" in table.column_names
        if len(set(counts.tolist())) != 1:
            raise ValueError(f"{name}: cycles have between {counts.min()} and {counts.max()} members; read the table")
        lead = (len(cycles), int(counts[0])) if by_member else (len(cycles),)
        dims = ("cycle", "member") if by_member else ("cycle",)
        columns = {}
        for field in table.schema:
            meta = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
            if "shape" not in meta and field.name != "log_weight":
                continue
            shape = tuple(int(k) for k in meta.get("shape", "").split(",") if k)
            names = [d for d in meta.get("dims", "").split(",") if d] or [
                f"{field.name}_{i}" for i in range(len(shape))
            ]
            column = table[field.name].combine_chunks()
            values = (column.flatten() if shape else column).to_numpy(zero_copy_only=False)
            attrs = {"units": meta["unit"]} if meta.get("unit") else {}
            columns[field.name] = ((*dims, *names), values.reshape(*lead, *shape), attrs)
        times = table["time"].to_numpy().reshape(lead)
        coords = {"cycle": cycles, "time": ("cycle", times[:, 0] if by_member else times)}
        return xarray.Dataset(columns, coords)


def _whole_batches(path: Path) -> Any:
    """Returns what a file without its end holds: it is a stream from byte 8 on, and
    its last batch may be cut."""
    import pyarrow as pa

    with path.open("rb") as file:
        file.seek(8)
        reader, batches = pa.ipc.open_stream(file), []
        try:
            while True:
                batches.append(reader.read_next_batch())
        except (StopIteration, OSError, pa.ArrowInvalid):
            return pa.Table.from_batches(batches, reader.schema)


def open_run(run: str | Path = "@last", runs: str | Path = "runs") -> Run:
    """Opens a run directory by its path or, as "@last", the one started last below runs.

    Raises FileNotFoundError."""
    if str(run) != "@last":
        if not (Path(run) / "run.json").exists() and not list(Path(run).glob("*.arrow*")):
            raise FileNotFoundError(f"{run} is no run directory: it has neither run.json nor tables")
        return Run(Path(run))
    found = [d for d in Path(runs).glob("*/*") if d.is_dir()]
    if not found:
        raise FileNotFoundError(f"there is no run below {Path(runs).absolute()}")
    return Run(max(found, key=lambda d: d.name))
