"""Writes docs/results/smoothers.md, its tables and its figure from the runs of bench/results/sweeps.

    python smoothers.py

Below runs/results/smoothers/SET-UP is the run of a set-up, a sweep over seeds. Rows of
docs/results/smoothers.csv whose set-up has no run stay.
"""

import collections
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from results import COLOURS, OUT, gather_set_ups, model_runs, rows_of, save, standard_error, windows_of

SETUPS = {
    "lorenz63-x": "Lorenz-63, x alone, sd 1, every 0.15",
    "lorenz63-all": "Lorenz-63, all, variance 2, every 0.25",
}
FILTERS = {
    "etkf": "etkf, moved along (EnKS)",
    "etkf-window": "etkf, window by rule",
    "etkf-window-6": "etkf, window of 6",
    "joint": "joint, moved along",
    "joint-window": "joint, window by rule",
    "joint-window-6": "joint, window of 6",
    "particles": "2000 particles, moved along",
}
FIELDS = ["setup", "size", "seed", "filter", "status", "lag", "rmse", "spread", "model_runs"]
SHOWN = [0, 1, 2, 3, 4, 6, 8, 10]  # lags of the tables


def scores(setup, run):
    """Yields a row of FIELDS for every trial of a run and every lag."""
    by, windows = collections.defaultdict(dict), windows_of(run)
    for r in rows_of(run / "lags.arrow"):
        by[r["trial"]].setdefault(r["lag"], {})[r["metric"]] = r["value"]
    for t in rows_of(run / "trials.arrow"):
        told = [model_runs(w) for w in windows[t["trial"]].values()]
        known = {"setup": setup, "size": t["size"], "seed": t["experiment.seed"], "filter": t["filter"], "status": t["status"]}
        for lag, values in sorted(by[t["trial"]].items()) or [(0, {})]:
            numbers = {name: f"{values[name]:.6g}" if name in values else "" for name in ("rmse", "spread")}
            yield known | {"lag": lag, **numbers, "model_runs": f"{statistics.fmean(told or [1]):.4g}"}


def gather():
    """Brings smoothers.csv up to date, and returns its rows."""
    setups, filters = list(SETUPS), list(FILTERS)
    return gather_set_ups("smoothers", setups, scores, FIELDS, lambda r: (setups.index(r["setup"]), int(r["seed"]), filters.index(r["filter"]), int(r["lag"])))


def cells(rows, setup, score):
    """Returns the values of a score of a set-up by filter and lag, in the order of seeds."""
    found = collections.defaultdict(list)
    for r in rows:
        if r["setup"] == setup and r[score]:
            found[r["filter"], int(r["lag"])].append(float(r[score]))
    return found


def table(rows, setup):
    rmse, spread, runs = (cells(rows, setup, score) for score in ("rmse", "spread", "model_runs"))
    head = ["RMSE at lag", *map(str, SHOWN), "spread / RMSE at 0, 6", "model runs a cycle"]
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, text in FILTERS.items():
        line = [text, *(f"{statistics.fmean(v):.3f} ± {standard_error(v):.3f}" for v in (rmse[name, lag] for lag in SHOWN))]
        line += [", ".join(f"{statistics.fmean(spread[name, lag]) / statistics.fmean(rmse[name, lag]):.2f}" for lag in (0, 6)), f"{statistics.fmean(runs[name, 0]):.1f}"]
        out.append("| " + " | ".join(line) + " |")
    return out


def gain(rows, setup, name, lag):
    """Returns how much smaller the error with a window by rule is, paired, and its standard error."""
    rmse = cells(rows, setup, "rmse")
    pairs = [a - b for a, b in zip(rmse[name, lag], rmse[f"{name}-window", lag], strict=True)]
    return f"{statistics.fmean(pairs):.3f} ± {standard_error(pairs):.3f}"


def lost(rows, setup):
    """Says in how many twins the particles are off by more than twice the median, if in any."""
    errors = cells(rows, setup, "rmse")["particles", 0]
    count = sum(v > 2 * statistics.median(errors) for v in errors)
    return f" The particles lose the truth for a while in {count} of {len(errors)} twins; their median at lag 0 is {statistics.median(errors):.3f}, at lag 6 {statistics.median(cells(rows, setup, 'rmse')['particles', 6]):.3f}." if count else ""


def page(rows):
    parts = []
    for setup, text in SETUPS.items():
        parts += [f"## {text}", "", *table(rows, setup), "",
                  f"Paired, a window by rule takes {gain(rows, setup, 'etkf', 6)} off the error of `etkf` at lag 6, and {gain(rows, setup, 'joint', 6)} off that of `joint`.{lost(rows, setup)}", ""]  # fmt: skip
    twins = len({r["seed"] for r in rows})
    return "\n".join([
        "# Smoothers by lag", "", "![RMSE by lag](smoothers.svg)", "",
        "The states of earlier times, with the observations of the cycles after them: the **lag** is the number of these cycles, and lag 0 the analysis. All filters have `smooth = { lag = 10 }`. Without a window they move past states along with the",
        "analysis; with one, states in the window are those that the model was run again from. See [Smoothed states](../windows.md#smoothed-states). Ten members, an ETKF that inflates by the size of the ensemble and `joint`, nothing tuned,",
        "next to a particle filter with 2000 members (jitter 0.5, chosen on other seeds), which is near the exact smoother where it can follow.", "",
        f"RMSE of the mean, mean over {twins} twins, seeds 1 to {twins}, ± its standard error, 500 cycles after 100. Lower is better.", "",
        *parts,
        "Every twin and lag: [smoothers.csv](smoothers.csv). Made by `make results`, or by", "",
        "<!-- shown: takes minutes -->", "```sh", "make build", "bench/results/sweeps smoothers", "python bench/results/smoothers.py", "```", ""])  # fmt: skip


def figure(rows):
    """Draws the errors over the lag, a panel for each set-up."""
    plt.rcParams.update({"svg.hashsalt": "smoothers", "svg.fonttype": "none", "font.size": 10})
    fig, axes = plt.subplots(1, len(SETUPS), figsize=(10, 4), layout="constrained")
    for ax, (setup, title) in zip(axes, SETUPS.items(), strict=True):
        rmse = cells(rows, setup, "rmse")
        lags = sorted({lag for _, lag in rmse})
        for k, (name, text) in enumerate(FILTERS.items()):
            values = [rmse[name, lag] for lag in lags]
            colour, kind = COLOURS[0 if k < 3 else 1 if k < 6 else 2], {"etkf": ":", "joint": ":", "etkf-window-6": "--", "joint-window-6": "--"}.get(name, "-")
            ax.errorbar(lags, [statistics.fmean(v) for v in values], [standard_error(v) for v in values], color=colour, linestyle=kind, marker="o", markersize=3, capsize=2, label=text)
        ax.set(xlabel="lag, cycles", title=title)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.25)
    axes[0].set_ylabel("RMSE of the mean")
    save(fig, axes[-1], "smoothers")


def main():
    rows = gather()
    (OUT / "smoothers.md").write_text(page(rows))
    figure(rows)
    print(OUT / "smoothers.md")


if __name__ == "__main__":
    main()
