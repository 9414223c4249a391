"""Zarr stores of runs. The program writes them, block by block and with all cores, so that a run never
has to fit in memory; the scores, which are small, are written by xarray."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from ._program import ask
from ._tree import numbers, scores

if TYPE_CHECKING:
    from ._runs import Run, Stage

_ARRAYS = {"ensemble", "smoothed", "truth", "reference", "observations"}  # tables that are arrays


def write(run: Run, to: str | os.PathLike[str]) -> None:
    """Does what Run.to_zarr says."""
    path = Path(to)
    if path.exists():
        raise FileExistsError(f"{path} already exists; an export does not overwrite")
    above = path.absolute().parent.resolve()
    if not above.is_dir():
        raise FileNotFoundError(f"{path}: there is no directory {above}; make it first")
    if inside := next((d for d in (above, *above.parents) if (d / "run.json").exists()), None):
        raise ValueError(f"{path} is in the run {inside}, which then holds files that it has not written")
    there = set(run.tables())
    if not there & _ARRAYS:
        raise ValueError(f"{run.path} has no states and no observations{run._yet()}")
    part = path.with_name(path.name + ".part")
    if part.exists():
        raise FileExistsError(f"{part} already exists: it is being written, or its writer was killed; if so, remove it")
    try:
        answer = ask("export", run.path, "--format", "zarr", "--to", part)
        if answer.code:
            raise ValueError(answer.text.strip())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            if "cycles" in there:
                scores(run).to_zarr(part, group="scores", mode="a", zarr_format=3, consolidated=True)
                zarr.consolidate_metadata(part)
        _say_lacking(run, zarr.open_group(part, mode="r"))
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _say_lacking(run: Run, store: zarr.Group) -> None:
    """Warns of the trials that have no members of a stage that others have."""
    stages: dict[Stage, str] = {"forecast": "ensemble", "analysis": "ensemble", "smoothed": "smoothed"}
    for stage, folder in stages.items():
        if stage not in store:
            continue
        group: Any = store[stage]
        names = list(group.keys())
        has = set(group["trial"][:].tolist() if "trial" in names else (int(name.split("=")[1]) for name in names))
        for trial in sorted(set(numbers(run, folder, r"trial=(\d+)")) - has):
            warnings.warn(f"{run.path} has no {stage} of trial {trial}; it is left out", stacklevel=4)
