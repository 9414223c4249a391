"""What plume compare says, as Python objects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from ._program import ask
from ._runs import Run, needed, open_run
from ._show import as_html, as_text
from .running import RunError

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True)
class Difference:
    """A paired difference of a score from that of another filter: value ± se, over so many
    pairs of replicates or of cycles, in wins of which the filter was better."""

    baseline: str
    members: int
    setting: Mapping[str, str]
    value: float | None
    se: float | None
    wins: float | None
    pairs: int
    of: str


@dataclass(frozen=True)
class Compared:
    """A score of a filter: value ± se over trials, ok of which neither failed nor diverged.
    None is not known."""

    run: str
    filter: str
    members: int
    setting: Mapping[str, str]
    metric: str
    value: float | None
    se: float | None
    trials: int
    ok: int
    status: str
    difference: Difference | None


class Comparison(Sequence[Compared]):
    """The rows of plume compare, with all digits. A notebook shows them as a table."""

    def __init__(self, rows: list[Compared]) -> None:
        self.rows = rows

    @overload
    def __getitem__(self, i: int) -> Compared: ...
    @overload
    def __getitem__(self, i: slice) -> list[Compared]: ...
    def __getitem__(self, i: int | slice) -> Compared | list[Compared]:
        return self.rows[i]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Compared]:
        return iter(self.rows)

    def of(self, filter: str, **setting: Any) -> Compared:
        """Returns the one row of a filter, with that value of an axis whose key ends so::

            comparison.of("etkf", inflation=1.05).difference

        Raises KeyError when there is none, and when there are several."""
        found = [r for r in self.rows if r.filter == filter and _fits(r, setting)]
        if len(found) != 1:
            there = ", ".join(sorted({r.filter for r in self.rows}))
            raise KeyError(f"{filter} {setting or ''} has {len(found)} rows; the filters are {there}")
        return found[0]

    def columns(self) -> dict[str, list[Any]]:
        """Returns the table as lists by column; axes of a sweep have a column each."""
        axes = list(dict.fromkeys(axis for r in self.rows for axis in r.setting))
        plain = ("metric", "value", "se", "trials", "ok")
        table: dict[str, list[Any]] = {"run": [r.run for r in self.rows], "filter": [r.filter for r in self.rows]}
        table |= {"members": [r.members for r in self.rows]}
        table |= {axis: [r.setting.get(axis) for r in self.rows] for axis in axes}
        table |= {name: [getattr(r, name) for r in self.rows] for name in plain}
        for name, key in (
            ("baseline", "baseline"), ("difference", "value"), ("difference_se", "se"), ("wins", "wins"),
            ("pairs", "pairs"),
        ):  # fmt: skip
            table[name] = [r.difference and getattr(r.difference, key) for r in self.rows]
        table["status"] = [r.status for r in self.rows]
        return table if any(table["run"]) else {name: c for name, c in table.items() if name != "run"}

    @overload
    def table(self, library: Literal["pandas"] = "pandas") -> pandas.DataFrame: ...
    @overload
    def table(self, library: Literal["polars"]) -> polars.DataFrame: ...
    def table(self, library: str = "pandas") -> Any:
        """Returns the table for a library, "pandas" or "polars"."""
        if library not in ("pandas", "polars"):
            raise ValueError(f"library: got {library!r}, want pandas or polars")
        return needed(library).DataFrame(self.columns())

    def _cells(self) -> list[list[str]]:
        axes = list(dict.fromkeys(axis for r in self.rows for axis in r.setting))
        many = len({r.run for r in self.rows}) > 1
        head = [*(["run"] if many else []), "filter", "members", *axes, self.rows[0].metric if self.rows else ""]
        lines = [[*head, "difference", "wins", "status"]]
        for r in self.rows:
            line = [*([r.run] if many else []), r.filter, str(r.members or ""), *(r.setting.get(a, "") for a in axes)]
            d = r.difference
            paired = [f"{_pm(d.value, d.se)} from {d.baseline}", f"{d.wins:g}/{d.pairs}"] if d else ["", ""]
            if d and d.wins is None:
                paired[1] = ""
            lines.append([*line, _pm(r.value, r.se), *paired, r.status])
        return lines

    def __repr__(self) -> str:
        return as_text(self._cells())

    def _repr_html_(self) -> str:
        return as_html(self._cells())


def _pm(value: float | None, se: float | None) -> str:
    """Returns a number to the digits that its standard error leaves."""
    if value is None:
        return "–"  # noqa: RUF001
    return f"{value:.4g}" if not se else f"{value:.4g} ± {se:.2g}"


def _fits(row: Compared, setting: Mapping[str, Any]) -> bool:
    def one(name: str, value: Any) -> bool:
        keys = [k for k in row.setting if k == name or k.endswith("." + name)]
        return any(row.setting[k] == str(value) for k in keys)

    return all(one(name, value) for name, value in setting.items())


def compare(
    *runs: Run | str | os.PathLike[str],
    metric: str = "",
    stage: Literal["", "forecast", "analysis"] = "",
    against: str = "",
    run_dir: str | os.PathLike[str] = "runs",
) -> Comparison:
    """Compares the filters of runs by a score, as plume compare does; without runs those of
    the last one. The numbers are those of the program. Raises RunError when it refuses."""
    arguments = ["--metric", metric] * bool(metric) + ["--stage", stage] * bool(stage)
    arguments += ["--against", against] * bool(against)
    opened = [r if isinstance(r, Run) else open_run(r, run_dir) for r in runs or ("@last",)]
    answer = ask("compare", *(r.path for r in opened), *arguments)
    if answer.code:
        raise RunError(answer.text.strip().removeprefix("error: "), answer.code)
    return Comparison([_compared(o) for o in answer.objects])


def _compared(o: dict[str, Any]) -> Compared:
    d = o.get("difference")
    return Compared(
        o.get("run", ""), o["filter"], o.get("members", 0), o.get("setting", {}), o["metric"], o["value"], o["se"],
        o["trials"], o["trials_ok"], o["status"],
        d and Difference(d["baseline"], d["baseline_members"], d.get("baseline_setting", {}), d["value"], d["se"],
                         d["wins"], d["pairs"], d["of"]),
    )  # fmt: skip
