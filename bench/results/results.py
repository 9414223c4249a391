"""Writes the tables and figures of docs/results from the runs of bench/results/sweeps.

    python results.py [NAME...]

Below runs/results/NAME are the runs of the page NAME, each a sweep over sizes of the ensemble and
seeds. Where two runs have the same filter, size and seed the later run counts, and rows of
docs/results/NAME.csv that no run has stay: filters do not know of each other, so that one can be
run again alone.
"""

import collections
import csv
import math
import statistics
import sys
import tomllib
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import pyarrow.ipc

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results"

# What the paper prints (arXiv:2603.21291), by ensemble size.
SIZES_PRINTED = [20, 50, 100, 250, 1000]
PRINTED = {
    "paper-lorenz63": {
        "diffusion": [12.81, 9.77, 8.47, 6.55, 5.74],
        "EnKF": [14.77, 13.77, 13.77, 12.02, 12.94],
        "SIR": [17.44, 17.87, 17.40, 16.88, 14.85],
    },
    "paper-lorenz96-10": {"diffusion": [3.07, 2.05, 1.69, 1.14, 0.95], "EnKF": [4.90, 4.66, 4.02, 2.20, 0.59]},
    "paper-lorenz96-20": {"diffusion": [3.55, 2.90, 2.46, 2.07, 1.44], "EnKF": [5.25, 5.07, 4.84, 3.91, 0.75]},
}
# The best of the grids that wispcarey/DapperGridSearch publishes (save/benchmarks_lorenz96.csv; 64 repetitions, DAPPER 1.7.0), by ensemble size:
# of 231 settings of the LETKF and 21 of the ETKF. None: lost the truth, or left the range of numbers now and then.
GRIDS = {
    "every-fourth-lorenz96": {"LETKF": {10: 2.02, 20: 1.58, 40: 1.40}, "ETKF": {10: None, 20: None, 40: 2.05}},
    "every-fourth-lorenz96-precise": {"LETKF": {10: None, 20: 1.07, 40: 0.89}, "ETKF": {10: None, 20: None, 40: None}},
}
READINGS, BOXED = [1, 2, 5, 10], [20, 50, 100]  # of the page of the black box: readings of a member, ensemble sizes
SIMULATED = "simulated"  # one reading, which filters get as it is
BOXES = {SIMULATED: "k = 1, as it is", **{k: f"k = {k}" for k in READINGS}}
OTHERS = ("black-box", "exports", "field", "records", "scale", "smoothers", "square", "windows")  # how the names of the files of other pages begin
METRIC = {"paper-lorenz63": "w2_reference"}  # of the others: rmse

# The families of the tables, by how the labels of their filters begin.
FAMILIES = {
    "joint, defaults": ["joint"],
    "kde, best bandwidths": ["kde-"],
    "black-box EnKF": ["black-box"],
    "SIR": ["sir"],
    "SIR, best jitter": ["regularised-"],
    "EnKF, best inflation": ["stochastic-", "etkf-", "denkf-"],
    "LETKF, best cutoff and inflation": ["letkf-"],
    "serial, best cutoff and inflation": ["serial-"],
    "EnKF-N": ["enkf-n"],
}
EXACT = "kde-exact"  # no part of the paper's scheme
RIVALS = ["SIR", "SIR, best jitter", "EnKF, best inflation", "LETKF, best cutoff and inflation", "serial, best cutoff and inflation", "EnKF-N"]

# Time means, and root mean squares, whose ratio of spread to error is 1 where an ensemble is right.
MEANS = ["rmse", "spread", "w2_reference"]
SQUARES = {"rms_error": "rmse", "rms_spread": "spread"}
FIELDS = ["workflow", "size", "seed", "filter", "status", *MEANS, *SQUARES]


def pages():
    """Returns the names of the pages with one table of this form."""
    return sorted(path.stem for path in OUT.glob("*.csv") if not path.stem.startswith(OTHERS))


def runs_of(name):
    """Returns the run directories of a page that have ended, the one begun last at the end."""
    directories = sorted((path.parent for path in (RUNS / name).rglob("run.json")), key=lambda d: d.name)
    for d in directories:
        if not (d / "trials.arrow").exists():
            print(f"{d} has not ended: plume resume {d}", file=sys.stderr)
    return [d for d in directories if (d / "trials.arrow").exists()]


def read(run, name):
    """Yields a run's workflow and, for each trial that has ended, its row of trials.arrow, with the
    seed, and the rows of a table that are about its analyses."""
    workflow = tomllib.loads((run / "workflow.resolved.toml").read_text())
    rows = collections.defaultdict(list)
    for row in rows_of(run / f"{name}.arrow"):
        if row["stage"] == "analysis":
            rows[row["trial"]].append(row)
    for trial in rows_of(run / "trials.arrow"):
        if trial["status"] not in ("interrupted", "waiting"):
            trial.setdefault("experiment.seed", workflow["experiment"]["seed"])
            yield workflow, trial, rows[trial["trial"]]


def rows_of(path):
    """Returns the rows of a table, or of its parts where they have not been put together."""
    parts = [path] if path.exists() else sorted(path.with_suffix("").glob("*.arrow"))
    return [row for part in parts for row in pyarrow.ipc.open_file(part).read_all().to_pylist()]


def windows_of(run):
    """Returns what the filters of a run say of their windows, trial -> cycle -> name -> value."""
    told = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in rows_of(run / "diagnostics.arrow"):
        if row["name"].startswith("window_"):
            told[row["trial"]][row["cycle"]][row["name"]] = row["value"]
    return told


def model_runs(window):
    """Returns how many runs of the model over a cycle a window takes in it."""
    return window["window_passes"] * window["window_lag"] + 1


def scores(run, name):
    """Yields a row of FIELDS for every trial of a run, without its burn-in."""
    for workflow, trial, cycles in read(run, "cycles"):
        kept = [c for c in cycles if c["cycle"] > workflow["time"]["burn_in"]] if trial["status"] != "failed" else []
        row = {"workflow": name, "size": trial["size"], "seed": trial["experiment.seed"], "filter": trial["filter"], "status": trial["status"]}
        for score in MEANS:
            values = [c[score] for c in kept if c.get(score) is not None]
            row[score] = repr(statistics.fmean(values)) if values else ""
        for square, of in SQUARES.items():
            row[square] = repr(math.sqrt(statistics.fmean(c[of] ** 2 for c in kept))) if kept else ""
        yield row


def table(name):
    """Brings the files of a page up to date."""
    rows = gather(name)
    (OUT / f"{name}.md").write_text(page(name, rows))
    figure(name, rows)
    print(OUT / f"{name}.md")


def gather(name):
    """Brings the CSV file of a page up to date, and returns its rows."""
    rows, order = {(int(row["size"]), int(row["seed"]), row["filter"]): row for row in read_csv(name)}, []
    for run in runs_of(name):
        order = [f["label"] for f in tomllib.loads((run / "workflow.resolved.toml").read_text())["filter"]]
        for row in scores(run, name):
            rows[row["size"], row["seed"], row["filter"]] = row
    order = {label: k for k, label in enumerate(order or dict.fromkeys(f for _, _, f in rows))}
    rows = [rows[key] for key in sorted(rows, key=lambda k: (k[0], k[1], order.get(k[2], len(order))))]
    if not rows:
        sys.exit(f"there are no runs of {name} below {RUNS / name}, and no {OUT / name}.csv")
    write_csv(name, FIELDS, rows)
    return rows


def gather_set_ups(name, set_ups, scores, fields, order):
    """Brings the CSV file of a page with several set-ups up to date, and returns its rows, in the order of a key: those of a
    set-up with runs are what scores yields of them."""
    rows = read_csv(name)
    for set_up in set_ups:
        if runs := runs_of(f"{name}/{set_up}"):
            rows = [r for r in rows if r["setup"] != set_up] + [r for run in runs for r in scores(set_up, run)]
    rows.sort(key=order)
    write_csv(name, fields, rows)
    return rows


def read_csv(name):
    """Returns the rows of a CSV file; none if there is no such file."""
    path = OUT / f"{name}.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write_csv(name, fields, rows):
    with open(OUT / f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


def by_filter(workflow, rows):
    """Returns scores, (size, filter) -> seed -> score, where None says that it failed, and the sizes."""
    metric = METRIC.get(workflow, "rmse")
    scores = collections.defaultdict(dict)
    for row in rows:
        scores[int(row["size"]), row["filter"]][int(row["seed"])] = float(row[metric]) if row[metric] else None
    return scores, sorted({size for size, _ in scores})


def axis_name(workflow):
    return "W2 to the reference posterior" if workflow in METRIC else "RMSE of the analysis mean"


# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = ["#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A", "#B2DF8A", "#6A3D9A"]


def figure(workflow, rows):
    """Draws the best of every family over the size of the ensemble, with standard errors over twins."""
    scores, sizes = by_filter(workflow, rows)
    plt.rcParams.update({"svg.hashsalt": workflow, "svg.fonttype": "none", "font.size": 10})
    fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
    draw(ax, {size: (scores, size) for size in sizes})
    for name, values in PRINTED.get(workflow, {}).items():
        shown = [(size, v) for size, v in zip(SIZES_PRINTED, values) if size in sizes]
        ax.plot(*zip(*shown), linestyle=":", marker="x", color="#777777", linewidth=1)
        ax.annotate(f"{name}, printed", shown[-1], xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=8, color="#555555")
    dress(ax, sizes, xlabel="ensemble size N", ylabel=axis_name(workflow), title=workflow)
    save(fig, ax, workflow)


def draw(ax, cells):
    """Draws the best of every family over x, with standard errors over twins; cells holds, by x, the
    scores and the size of the ensemble of a cell of the table."""
    for colour, family in zip(COLOURS, FAMILIES):
        points = [(x, champion(*cell, family)) for x, cell in cells.items()]
        points = [(x, found[1]) for x, found in points if found]
        if points:
            ax.errorbar([x for x, _ in points], [statistics.fmean(v) for _, v in points], [standard_error(v) for _, v in points],
                        color=colour, marker="o", markersize=4, capsize=3, linewidth=2.4 if family.startswith("joint, d") else 1.2, label=family)


def logarithmic(ax, ticks):
    """Makes the axis of x logarithmic, with these ticks."""
    ax.set(xscale="log")
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def dress(ax, ticks, **texts):
    """Makes both axes logarithmic, with these ticks on that of x."""
    ax.set(yscale="log", **texts)
    logarithmic(ax, ticks)
    ax.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    ax.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    ax.grid(which="both", alpha=0.25)


def save(fig, last, name):
    """Writes a figure with a legend to the right of its last axes."""
    last.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    fig.savefig(OUT / f"{name}.svg", metadata={"Date": None})
    plt.close(fig)


def page(workflow, rows):
    scores, sizes = by_filter(workflow, rows)
    twins = {size: len({s for (z, _), by in scores.items() if z == size for s in by}) for size in sizes}
    out = [f"# {workflow}", "", f"![{axis_name(workflow)} by ensemble size]({workflow}.svg)", "", f"{axis_name(workflow)}, mean over {span(twins.values())} replicates ± its standard error. Lower is better. Of a family the", 
           "filter with the lowest mean counts, named in brackets; one that leaves the range of finite numbers in a replicate does not count.", ""]
    out += ["| | " + " | ".join(f"N = {size}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for family, values in PRINTED.get(workflow, {}).items():
        printed = dict(zip(SIZES_PRINTED, values))
        out.append(f"| {family}, printed by the paper | " + " | ".join(f"{printed[s]:.2f}" if s in printed else "" for s in sizes) + " |")
    for family, values in GRIDS.get(workflow, {}).items():
        out.append(f"| {family}, published grid search | " + " | ".join("fails in some" if values[s] is None else f"{values[s]:.2f}" for s in sizes) + " |")
    for family in FAMILIES:
        cells = [cell(scores, size, family) for size in sizes]
        if any(cells):
            out.append(f"| {family} | " + " | ".join(cells) + " |")
    out += ["| joint less the best of SIR and EnKFs, paired | " + " | ".join(lead(scores, size) for size in sizes) + " |", ""]
    if workflow in GRIDS:
        out += ["Published grid search: the best settings of [DapperGridSearch](https://github.com/wispcarey/DapperGridSearch), 64 repetitions on other truths, chosen there by the same score.", ""]
    out += ["Spread over error of joint: " + ", ".join(f"{ratio(rows, size):.2f} at N = {size}" for size in sizes) + ".",
            "", f"Every filter and replicate: [{workflow}.csv]({workflow}.csv). Made by `make results`, or by", "",
            "<!-- shown: takes hours -->", "```sh", "make build",
            f"bench/results/sweeps {workflow}", f"python bench/results/results.py {workflow}", "```", ""]
    return "\n".join(out)


def cell(scores, size, family):
    """Returns the mean score of the best filter of a family, or in how many replicates it fails."""
    found = champion(scores, size, family)
    if not found:
        return failures(scores, size, family)
    label, values = found
    setting = "" if len(labels(scores, size, family)) == 1 else f" ({label})"
    return f"{statistics.fmean(values):.3g} ± {standard_error(values):.2g}{setting}"


def lead(scores, size):
    """Returns the mean of joint's scores less those of the best rival, replicate by replicate."""
    joint = champion(scores, size, "joint, defaults")
    rivals = [found for found in (champion(scores, size, f) for f in RIVALS) if found]
    if not joint or not rivals:
        return ""
    label, values = min(rivals, key=lambda r: statistics.fmean(r[1]))
    paired = [a - b for a, b in zip(joint[1], values)]
    return f"{statistics.fmean(paired):+.2g} ± {standard_error(paired):.2g} ({label})"


def black_box():
    """Brings the files of the page of the black box up to date."""
    scores = {k: by_filter("black-box", gather(f"black-box-{k}"))[0] for k in BOXES}
    (OUT / "black-box.md").write_text(black_box_page(scores))
    black_box_figure(scores)
    print(OUT / "black-box.md")


def black_box_page(scores):
    """Returns the page of the black box from scores by number of readings: for each ensemble size, the
    best of every family by the number of readings of each member and cycle."""
    out = ["# A black box", "", "![RMSE of the analysis mean by the number of readings](black-box.svg)", "",
           "Lorenz-96 with 10 sites, as in [paper-lorenz96-10](paper-lorenz96-10.md), with an operator that only gives readings: the absolute value of each site",
           "with an error of standard deviation 2, which no filter knows. Each member is read k times a cycle, and the model runs once. In the first column the filters",
           "get one reading of each member as it is, as in the paper, and know the error through this sample alone. In the others Plume learns from the readings of all",
           "members in the latest cycles what to expect of a state ([decision 98](../decisions/0098-black-boxes-are-learnt.md)), for all filters alike.", "",
           "RMSE of the analysis mean, mean over 10 replicates ± its standard error. Lower is better. Of a family the filter with the lowest mean counts, named in",
           "brackets. `joint` runs with defaults.", ""]
    for size in BOXED:
        out += [f"N = {size}:", "", "| | " + " | ".join(BOXES.values()) + " |", "|---" * (len(BOXES) + 1) + "|"]
        for family in FAMILIES:
            cells = [cell(scores[k], size, family) for k in BOXES]
            if any(cells):
                out.append(f"| {family} | " + " | ".join(cells) + " |")
        out += ["| joint less the best EnKF, paired | " + " | ".join(lead(scores[k], size) for k in BOXES) + " |", ""]
    files = ", ".join(f"[{name}](black-box-{k}.csv)" for k, name in BOXES.items())
    out += [f"Every filter and replicate: {files}. Made by `make results`, or by", "", "<!-- shown: takes ten minutes -->", "```sh", "make build",
            "bench/results/sweeps " + " ".join(f"black-box-{k}" for k in BOXES), "python bench/results/results.py black-box", "```", ""]
    return "\n".join(out)


def black_box_figure(scores):
    plt.rcParams.update({"svg.hashsalt": "black-box", "svg.fonttype": "none", "font.size": 10})
    fig, axes = plt.subplots(1, len(BOXED), figsize=(10, 3.8), layout="constrained", sharey=True)
    for ax, size in zip(axes, BOXED):
        draw(ax, {k: (scores[k], size) for k in READINGS})
        dress(ax, READINGS, xlabel="readings of a member, k", title=f"N = {size}")
    axes[0].set_ylabel(axis_name("black-box"))
    save(fig, axes[-1], "black-box")


def labels(scores, size, family):
    return [f for (s, f) in scores if s == size and any(f == p or (p.endswith("-") and f.startswith(p)) for p in FAMILIES[family])
            and not f.startswith(EXACT)]


def champion(scores, size, family):
    """Returns the filter of a family with the lowest mean, and its scores by twin."""
    complete = {}
    for label in labels(scores, size, family):
        by_seed = scores[size, label]
        if all(v is not None for v in by_seed.values()):
            complete[label] = [by_seed[s] for s in sorted(by_seed)]
    if not complete:
        return None
    label = min(complete, key=lambda f: statistics.fmean(complete[f]))
    return label, complete[label]


def failures(scores, size, family):
    """Says in how many twins the filter of a family that fails least does so."""
    counts = [[v is None for v in scores[size, f].values()] for f in labels(scores, size, family)]
    if not counts:
        return ""
    least = min(counts, key=sum)
    return f"fails in {sum(least)} of {len(least)} replicates"


def standard_error(values):
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def ratio(rows, size):
    """Root mean square over twins and cycles of joint's spread over that of its error."""
    of_joint = [r for r in rows if int(r["size"]) == size and r["filter"] == "joint" and r["rms_error"]]

    def square(name):
        return sum(float(r[name]) ** 2 for r in of_joint)

    return math.sqrt(square("rms_spread") / square("rms_error")) if of_joint else math.nan


def span(counts):
    return str(max(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["black-box", *pages()]:
        if argument == "black-box":
            black_box()
        else:
            table(argument)
