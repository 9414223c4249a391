"""Writes docs/results/square.md, its table and its figure from the runs of bench/results/sweeps square.

    python square.py

Below runs/results/square are the runs, sweeps over seeds and sizes of the ensemble, with members. The score is the error of the
mean of |x|, which no table of a run has, for the sign of x is never seen. The exact posterior comes from a grid.
"""

import collections
import math
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
import pyarrow.ipc
from results import COLOURS, OUT, logarithmic, read, read_csv, rows_of, runs_of, save, standard_error, write_csv

EXACT = "exact"
NAMES = {"joint": "joint, defaults", "joint-passes": "joint, passes by rule", "sir": "SIR", EXACT: "exact posterior"}
FIELDS = ["size", "seed", "filter", "error", "distance"]


def exact_means(observations, sd, memory, noise):
    """Returns the mean of |x| after each observation of x² for the process x' = memory x + noise, on a grid."""
    grid = np.linspace(-6, 6, 1201)
    transition = np.exp(-(((grid[:, None] - memory * grid) / noise) ** 2) / 2)
    density, means = np.exp(-(grid**2) / 2), []
    for y in observations:
        density = (transition @ density) * np.exp(-(((y - grid**2) / sd) ** 2) / 2)
        density /= density.sum()
        means.append(density @ np.abs(grid))
    return np.array(means)


def filtered_means(folder):
    """Returns the weighted mean of |x| over the members of each analysis of a trial."""
    table = pyarrow.concat_tables([pyarrow.ipc.open_file(part).read_all() for part in sorted(folder.glob("*.arrow"))])
    cycle, x, log_weight = (table[name].to_numpy() for name in ("cycle", "x", "log_weight"))
    weight = np.exp(log_weight)
    return np.bincount(cycle, weight * np.abs(x))[1:] / np.bincount(cycle, weight)[1:]


def scores(run):
    """Yields a row of FIELDS for each filter of a run, and one for the exact posterior, for each seed and size."""
    observed = collections.defaultdict(list)
    for row in rows_of(run / "observations.arrow"):
        observed[row["replicate"], row["truth"]].append(row["x"])
    exact = {}
    for workflow, trial, _ in read(run, "cycles"):
        at, after = (trial["replicate"], trial["truth"]), workflow["time"]["burn_in"]
        if at not in exact:
            memory, noise = math.exp(workflow["model"]["params"]["matrix"][0]), math.sqrt(workflow["model"]["noise"]["variance"])
            exact[at] = exact_means(observed[at], workflow["observations"]["error"]["sd"], memory, noise)
        truth = np.abs([row["x"] for row in rows_of(run / "truth" / f"replicate={at[0]:03d}" / f"part-{at[1]:05d}.arrow")][1:])
        for label, mean in {EXACT: exact[at], trial["filter"]: filtered_means(run / "ensemble" / f"trial={trial['trial']:04d}")}.items():
            error, distance = (math.sqrt(np.mean((mean - of)[after:] ** 2)) for of in (truth, exact[at]))
            yield {"size": trial["size"], "seed": trial["experiment.seed"], "filter": label, "error": repr(error), "distance": repr(distance)}


def gather():
    """Brings square.csv up to date, and returns its rows."""
    rows = {(int(row["size"]), int(row["seed"]), row["filter"]): row for row in read_csv("square")}
    for run in runs_of("square"):
        rows |= {(row["size"], row["seed"], row["filter"]): row for row in scores(run)}
    order = list(NAMES)
    rows = [rows[key] for key in sorted(rows, key=lambda k: (k[0], k[1], order.index(k[2])))]
    write_csv("square", FIELDS, rows)
    return rows


def cells(rows, score):
    """Returns the values of a score, by size and filter, in the order of seeds."""
    found = collections.defaultdict(list)
    for row in rows:
        found[int(row["size"]), row["filter"]].append(float(row[score]))
    return found, sorted({size for size, _ in found})


def table(rows, score, labels):
    found, sizes = cells(rows, score)
    out = ["| | " + " | ".join(f"N = {size}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for label in labels:
        values = [found[size, label] for size in sizes]
        out.append(f"| {NAMES[label]} | " + " | ".join(f"{statistics.fmean(v):.4f} ± {standard_error(v):.4f}" for v in values) + " |")
    return out


def page(rows):
    found, sizes = cells(rows, "error")
    paired = [[a - b for a, b in zip(found[size, "joint"], found[size, "sir"], strict=True)] for size in sizes]
    twins = len(found[sizes[0], EXACT])
    return "\n".join([
        "# square", "", "![Error of the mean of abs(x) by ensemble size](square.svg)", "",
        "The process x' = 0.9 x + noise, of variance 1, seen through its square with an error of standard deviation 0.3: `workflows/square.toml`. The sign of x is never seen, so that",
        "the exact posterior has two modes of the same mass. What is scored is the mean of abs(x).", "",
        f"Root mean square error over 480 cycles, mean over {twins} replicates, seeds 1 to 10, ± its standard error. Lower is better, and nothing is lower than the exact posterior, computed on a grid,",
        "in the long run. `joint` has defaults; with passes the likelihood is taken in fractions, as many as a rule says; SIR is a particle filter without jitter.", "",
        *table(rows, "error", NAMES), "",
        "`joint` less SIR, paired: " + ", ".join(f"{statistics.fmean(d):+.4f} ± {standard_error(d):.4f} at N = {size}" for size, d in zip(sizes, paired, strict=True)) + ".", "",
        "Distance to the mean of abs(x) of the exact posterior, root mean square:", "",
        *table(rows, "distance", [label for label in NAMES if label != EXACT]), "",
        "Every filter and replicate: [square.csv](square.csv). Made by `make results`, or by", "",
        "<!-- shown: takes minutes -->", "```sh", "make build", "bench/results/sweeps square", "python bench/results/square.py", "```", ""])  # fmt: skip


def figure(rows):
    """Draws the errors over the size of the ensemble, and that of the exact posterior as a line."""
    found, sizes = cells(rows, "error")
    plt.rcParams.update({"svg.hashsalt": "square", "svg.fonttype": "none", "font.size": 10})
    fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for colour, (label, name) in zip(COLOURS, NAMES.items()):
        values = [found[size, label] for size in sizes]
        style = {"linestyle": "--"} if label == EXACT else {"marker": "o", "markersize": 4, "capsize": 3}
        ax.errorbar(sizes, [statistics.fmean(v) for v in values], None if label == EXACT else [standard_error(v) for v in values], color=colour, label=name, **style)
    ax.set(xlabel="ensemble size N", ylabel="RMS error of the mean of abs(x)", title="square")
    logarithmic(ax, sizes)
    ax.grid(alpha=0.25)
    save(fig, ax, "square")


def main():
    rows = gather()
    (OUT / "square.md").write_text(page(rows))
    figure(rows)
    print(OUT / "square.md")


if __name__ == "__main__":
    main()
