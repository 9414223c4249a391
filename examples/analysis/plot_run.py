"""Figures of a run with matplotlib: python plot_run.py RUN DIRECTORY."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

run, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
cycles = pd.read_feather(run / "cycles.arrow")
variables = pd.read_feather(run / "variables.arrow")
ranks = pd.read_feather(run / "rank_histogram.arrow")
filters = list(dict.fromkeys(cycles["filter"]))
colours = dict(zip(filters, plt.rcParams["axes.prop_cycle"].by_key()["color"], strict=False))


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(out / name, dpi=150, bbox_inches="tight")
    plt.close(figure)


# Error (lines) and spread (dashes) of the analysis.
figure, axes = plt.subplots(figsize=(7, 3))
for label, rows in cycles[cycles.stage == "analysis"].groupby("filter", sort=False):
    axes.plot(rows.time, rows.rmse, color=colours[label], label=label)
    axes.plot(rows.time, rows.spread, color=colours[label], linestyle="--", linewidth=0.8)
axes.set(xlabel="time", ylabel="RMSE (line), spread (dashed)")
axes.set_yscale("log")
axes.legend(frameon=False)
save(figure, "rmse.png")

# The first value of every variable: truth, mean and the bands of 50 and 90 %.
names = list(dict.fromkeys(variables["variable"]))
figure, grid = plt.subplots(
    len(names), len(filters), figsize=(4 * len(filters), 2 * len(names)), sharex=True, squeeze=False
)
chosen = variables[(variables.stage == "analysis") & (variables["index"] == 0)]
for (label, name), rows in chosen.groupby(["filter", "variable"], sort=False):
    axes = grid[names.index(name), filters.index(label)]
    for low, high in (("q05", "q95"), ("q25", "q75")):
        axes.fill_between(rows.time, rows[low], rows[high], color=colours[label], alpha=0.25, linewidth=0)
    axes.plot(rows.time, rows["mean"], color=colours[label], linewidth=0.9)
    axes.plot(rows.time, rows.truth, color="black", linewidth=0.9)
    axes.set(ylabel=name, title=label if name == names[0] else None)
for axes in grid[-1]:
    axes.set_xlabel("time")
save(figure, "trajectories.png")

# Rank histograms, relative to flat ones.
figure, axes = plt.subplots(figsize=(7, 3))
for label, rows in ranks[ranks.stage == "analysis"].groupby("filter", sort=False):
    share = rows["count"] / rows["count"].sum()
    axes.step(rows["rank"] / rows["rank"].max(), share * len(rows), where="mid", color=colours[label], label=label)
axes.axhline(1, color="black", linewidth=0.8)
axes.set(xlabel="rank / N", ylabel="frequency / expected", ylim=(0, None), xticks=np.linspace(0, 1, 5))
axes.legend(frameon=False)
save(figure, "ranks.png")
