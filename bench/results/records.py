"""Writes docs/results/records.md and its table from the runs of bench/results/sweeps.

    python records.py

Below runs/results/records/SET-UP is the run of a set-up, a sweep over seeds. Rows of
docs/results/records.csv whose set-up has no run stay.
"""

import collections
import itertools
import statistics

from results import OUT, gather_set_ups, model_runs, rows_of, standard_error, windows_of

SETUPS = {
    "20-cycles": "20 cycles (3 units of time, 4 doublings of errors)",
    "60-cycles": "60 cycles (9 units, 12 doublings)",
}
FILTERS = {
    "etkf": "etkf, parameter in the state",
    "etkf-window": "the same with a window",
    "joint": "joint, parameter in the state",
    "joint-window": "the same with a window",
    "es-mda": "ES-MDA, the whole record",
    "eki": "EKI, the whole record",
    "gauss-newton": "Gauss-Newton, the whole record",
    "smoother": "ES-MDA in one pass",
}
FIELDS = ["setup", "size", "seed", "filter", "status", "error", "spread", "model_runs", "misfit", "to_target"]
TARGET = 0.5  # of the error, a quarter of the deviation of the prior


def to_target(path):
    """Returns after how many runs the error is at most TARGET and stays so, or "" if it does not, of (runs, error) in order."""
    within = [runs for runs, _ in itertools.takewhile(lambda p: p[1] <= TARGET, reversed(path))]
    return within[-1] if within else ""


def paths(run, each):
    """Returns by trial the runs of the ensemble over a cycle so far, and the error of rho there. A record has them after each run
    over all cycles of it: each, by trial, is how many those are."""
    path = collections.defaultdict(list)
    told = windows_of(run)
    whole = {p["trial"] for p in rows_of(run / "passes.arrow")}
    runs = collections.Counter()
    for v in rows_of(run / "variables.arrow"):
        trial = v["trial"]
        if v["variable"] == "rho" and v["stage"] == "analysis" and trial not in whole:
            window = told[trial].get(v["cycle"], {})
            runs[trial] += model_runs(window) if "window_lag" in window else 1
            path[trial].append((runs[trial], abs(v["mean"] - v["truth"])))
    for s in rows_of(run / "start.arrow"):
        if s["variable"] == "rho" and s["pass"] > 0:  # the estimate of a pass needs the runs before it
            path[s["trial"]].append((s["pass"] * each, abs(s["mean"] - s["truth"])))
    return path


def scores(setup, run):
    """Yields a row of FIELDS for every trial of a run."""
    metrics, runs, misfit = {}, {}, {}
    path = paths(run, int(setup.split("-")[0]))
    for m in rows_of(run / "metrics.arrow"):
        if m["stage"] == "analysis":
            metrics[m["trial"], m["metric"]] = m["value"]
    for trial, windows in windows_of(run).items():
        if shifting := [model_runs(w) for w in windows.values() if "window_lag" in w]:
            runs[trial] = shifting
    for p in rows_of(run / "passes.arrow"):
        runs[p["trial"]], misfit[p["trial"]] = [p["pass"] + 1], p["misfit"]
    for t in rows_of(run / "trials.arrow"):
        number = t["trial"]
        yield {
            "setup": setup, "size": t["size"], "seed": t["experiment.seed"], "filter": t["filter"], "status": t["status"],
            "error": repr(metrics.get((number, "rmse_rho"), "")), "spread": repr(metrics.get((number, "spread_rho"), "")),
            "model_runs": repr(statistics.fmean(runs.get(number, [1]))), "misfit": repr(misfit[number]) if number in misfit else "",
            "to_target": to_target(path[number]),
        }  # fmt: skip


def gather():
    """Brings records.csv up to date, and returns its rows."""
    setups, filters = list(SETUPS), list(FILTERS)
    return gather_set_ups("records", setups, scores, FIELDS, lambda r: (setups.index(r["setup"]), filters.index(r["filter"]), int(r["seed"])))


def table(rows, setup):
    out = [f"| | error of rho, mean | median | spread | model runs a cycle | records that do not fit | model runs to {TARGET:g}, median | twins that come there |", "|---|---|---|---|---|---|---|---|"]
    for name, text in FILTERS.items():
        of = [r for r in rows if r["setup"] == setup and r["filter"] == name and r["status"] == "ok"]
        error = [float(r["error"]) for r in of]
        there = [float(r["to_target"]) * int(r["size"]) for r in of if r["to_target"]]
        unfit = [r for r in of if r["misfit"] and float(r["misfit"]) > 3]
        out.append("| " + " | ".join([
            text, f"{statistics.fmean(error):.3f} ± {standard_error(error):.3f}", f"{statistics.median(error):.3f}", f"{statistics.fmean(float(r['spread']) for r in of):.3f}",
            f"{statistics.fmean(float(r['model_runs']) for r in of):.1f}", f"{len(unfit)} of {len(of)}" if of and of[0]["misfit"] else "",
            f"{statistics.median(there):,.0f}" if there else "", f"{len(there)} of {len(of)}",
        ]) + " |")  # fmt: skip
    return out


def page(rows):
    parts = []
    for setup, text in SETUPS.items():
        parts += [f"## {text}", "", *table(rows, setup), ""]
    return "\n".join([
        "# Whole records", "",
        "A parameter of a chaotic model, rho of Lorenz-63, seen in x alone with an error of 1 at intervals of 0.15, by 20 members: by filters with the parameter in the state, with and without a window that shifts, and from the whole",
        "record at once. The prior is 30 ± 2, the truth is 28. Nothing is tuned. What a record is, and when it helps, is in [History matching](../how-to/history-matching.md).", "",
        "Absolute error of the estimate after the last cycle, over 10 twins, seeds 1 to 10, ± its standard error. A record does not fit if the misfit after the last pass is above 3; `plume why` names a filter with such a record.",
        f"Model runs to {TARGET:g} are those of one member over one cycle, until the estimate is at most {TARGET:g} off, a quarter of the deviation of the prior, and stays so to the end of the record: for filters in each cycle, for a whole record after each",
        "pass. EKI is ensemble Kalman inversion with steps by the data misfit, as it is mostly written: ES-MDA with perturbed observations, here with the initial state among the unknowns.", "",
        *parts,
        "For a few doublings of errors the whole record knows most, at the price of more model runs. Over many of them it may end where it does not fit, and its spread is far too small; a window that shifts takes a quarter of the runs, and",
        "its spread is right. Steps of Gauss-Newton end in one of the many modes that a chaotic model has, and are for models that are smooth. For a model that forgets its initial state the whole record is the estimator: see the [table of passes](../how-to/history-matching.md#passes).", "",
        "Every twin: [records.csv](records.csv). Made by `make results`, or by", "",
        "<!-- shown: takes minutes -->", "```sh", "make build", "bench/results/sweeps records", "python bench/results/records.py", "```", ""])  # fmt: skip


def main():
    (OUT / "records.md").write_text(page(gather()))
    print(OUT / "records.md")


if __name__ == "__main__":
    main()
