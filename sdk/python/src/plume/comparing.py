"""What plume compare says, as Python objects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from ._program import ask
from ._runs import Run, ending, needed, open_run
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
    setting: Mapping[str, float | int | str]
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
    setting: Mapping[str, float | int | str]
    metric: str
    value: float | None
    se: float | None
    trials: int
    ok: int
    status: str
    published: float | None  # what others got, if the workflow says so
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
        """Returns the one row of a filter, with that value of an axis whose key ends so:

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
        table["published"] = [r.published for r in self.rows]
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
        mixed = {"strict": False} if library == "polars" else {}  # 1 and 1.1 are one axis
        return needed(library).DataFrame(self.columns(), **mixed)

    def _cells(self) -> list[list[str]]:
        axes = [a for a in dict.fromkeys(a for r in self.rows for a in r.setting) if not a.endswith(".size")]
        metric = self.rows[0].metric if self.rows else ""
        lines = [["run", "filter", "members", *axes, metric, "published", "difference", "wins", "status"]]
        for r in self.rows:
            setting = [str(r.setting.get(axis, "")) for axis in axes]
            published = "" if r.published is None else f"{r.published:g}"
            d = r.difference
            paired = (
                [f"{_pm(d.value, d.se)} from {d.baseline}", "" if d.wins is None else f"{d.wins:g}/{d.pairs}"]
                if d
                else ["", ""]
            )
            lines.append(
                [r.run, r.filter, str(r.members or ""), *setting, _pm(r.value, r.se), published, *paired, r.status]
            )
        used = [k for k, column in enumerate(zip(*lines, strict=True)) if any(column[1:])]
        return [[line[k] for k in used] for line in lines]

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
    return all(any(row.setting[key] == value for key in ending(row.setting, name)) for name, value in setting.items())


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
    plain = {name: o[name] for name in ("filter", "metric", "value", "se", "trials", "status")}
    about = {"run": o.get("run", ""), "members": o.get("members", 0), "ok": o["trials_ok"]}
    setting, d = _setting(o.get("setting", {})), o.get("difference")
    return Compared(**plain, **about, setting=setting, published=o.get("published"), difference=d and _difference(d))


def _difference(d: dict[str, Any]) -> Difference:
    plain = {name: d[name] for name in ("baseline", "value", "se", "wins", "pairs", "of")}
    return Difference(**plain, members=d["baseline_members"], setting=_setting(d.get("baseline_setting", {})))


def _setting(values: dict[str, str]) -> dict[str, float | int | str]:
    """Returns the values of axes as they were before plume printed them."""

    def typed(text: str) -> float | int | str:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text

    return {axis: typed(text) for axis, text in values.items()}
