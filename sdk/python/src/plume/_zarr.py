"""Zarr stores of runs, in version 3 of the format. They are written by zarr and xarray, block
by block, so that a run never has to fit in memory."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from ._tree import numbers, scores

if TYPE_CHECKING:
    from ._runs import Run, Stage

# The bytes of a block and of a chunk, unless one cycle or one member takes more. Members
# are in memory for as many cycles as a block has.
BLOCK = 16 << 20


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
    part = path.with_name(path.name + ".part")
    part.mkdir()  # two at a time do not write into each other
    options: dict[str, Any] = {"zarr_format": 3, "consolidated": False}
    try:
        xr.Dataset(attrs={"Conventions": "CF-1.11", "title": run.manifest["name"], "source": str(run.path)}).to_zarr(
            part, mode="a", **options
        )
        for group, blocks in _groups(run):
            first = next(blocks)
            first.to_zarr(part, group=group, mode="a", encoding=_chunks(first), **options)
            for block in blocks:
                fixed = [name for name, v in block.variables.items() if "cycle" not in v.dims]
                block.drop_vars(fixed).to_zarr(part, group=group, append_dim="cycle", **options)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part)
        raise


def _groups(run: Run) -> Iterator[tuple[str, Iterator[xr.Dataset]]]:
    """Returns the groups of a store by name, each in blocks of cycles."""
    stages: dict[str, Iterable[Stage]] = {"ensemble": ("forecast", "analysis"), "smoothed": ("smoothed",)}
    for folder, held in stages.items():
        for stage in held:
            yield from _trials(run, numbers(run, folder, r"trial=(\d+)"), stage)
    for replicate, number in numbers(run, "truth", r"replicate=(\d+)/part-(\d+)"):
        yield f"truth/replicate={replicate:03d}-{number}", iter([run.truth(replicate, number)])
    for replicate, number in numbers(run, "reference", r"replicate=(\d+)/part-(\d+)"):
        yield f"reference/replicate={replicate:03d}-{number}", iter([run.reference(replicate, number)])
    there = run.tables()
    for replicate, number in run.observed() if "observations" in there else ():
        yield f"observations/replicate={replicate:03d}-{number}", iter([run.observations(replicate, number)])
    if "cycles" in there:
        yield "scores", iter([scores(run)])


def _trials(run: Run, trials: list[int], stage: Stage) -> Iterator[tuple[str, Iterator[xr.Dataset]]]:
    """Returns the groups of the trials that have members of a stage, and warns of the others."""
    some, lacking = False, []
    for trial in trials:
        blocks = run.blocks(stage, trial, BLOCK)
        try:
            first = next(blocks, None)
        except FileNotFoundError:  # its writer has not come to the first batch
            first = None
        if first is None:
            lacking.append(trial)
            continue
        some = True
        yield f"{stage}/trial={trial:04d}", itertools.chain([first], blocks)
    for trial in lacking if some else ():
        warnings.warn(f"{run.path} has no {stage} of trial {trial}; it is left out", stacklevel=2)


def _chunks(block: xr.Dataset) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns how variables are cut: as blocks are, and members of large states one by one."""
    found = {}
    for name, v in block.data_vars.items():
        sizes = dict(v.sizes)
        if "member" in sizes:
            sizes["member"] = max(1, min(sizes["member"], BLOCK * sizes["member"] // max(v.nbytes, 1)))
        found[str(name)] = {"chunks": tuple(sizes.values())}
    return found
