"""Runs the experiments of docs/results over ensemble sizes and twins, and writes their tables.

    python results.py run paper-lorenz96-10 --sizes 20,50,100 --twins 10
    python results.py run paper-lorenz96-10 --filters joint --again
    python results.py tables

A run is one workflow with one ensemble size and one seed. `run` does those that are not there
yet, one after the other, each with a filter on every processor; interrupted, it goes on where
it stopped. With --filters only those run, and their scores join or replace what is there: filters
do not know of each other. `tables` reads all that are there and writes docs/results/*.md, *.csv and *.svg.
"""

import argparse
import collections
import csv
import math
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import pyarrow.ipc

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"

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
METRIC = {"paper-lorenz63": "w2_reference"}  # of the others: rmse

# The families of the tables, by how the labels of their filters begin.
FAMILIES = {
    "joint, defaults": ["joint"],
    "joint, b = 0.2 and weights to the power 0.15": ["joint-0_2-0_15"],
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


def run(args):
    name = "-".join(filter(None, [args.workflow, args.profile]))
    for size in args.sizes:
        for seed in range(1, args.twins + 1):
            directory = args.runs / name / f"N{size}" / f"seed{seed}"
            done = directory / "scores.csv"
            there = scores_in(done)
            wanted = args.filters or labels_of(args.workflow)
            missing = [f for f in wanted if args.again or all(row["filter"] != f for row in there)]
            if not missing:
                continue
            directory.mkdir(parents=True, exist_ok=True)
            workflow = directory / "workflow.toml"
            workflow.write_text(only(args.workflow, missing))
            command = [
                str(ROOT / "bin" / "plume"), "run", "--quiet", str(workflow),
                "--set", f"ensemble.size={size}", "--set", f"experiment.seed={seed}",
                "--set", 'output.ensemble="none"', "--run-dir", str(directory),
            ]
            if args.profile:
                command += ["--profile", args.profile]
            if size > 500 and args.workflow in METRIC:
                command += ["--set", "reference.store=2000"]
            print(" ".join(command[1:]), file=sys.stderr)
            process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if process.returncode not in (0, 5):  # 5: some filters failed, which is a result
                sys.exit(process.stderr)
            scores = read(Path(process.stdout.strip()), name, size, seed)
            scores += [row for row in there if row["filter"] not in missing]
            scores.sort(key=lambda row: labels_of(args.workflow).index(row["filter"]))
            partial = done.with_suffix(".part")
            write_csv(partial, scores)
            os.replace(partial, done)


def scores_in(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def blocks(workflow):
    """Returns the text of a workflow in pieces, one for each of its tables."""
    text = (ROOT / "workflows" / f"{workflow}.toml").read_text()
    return re.split(r"^(?=\[)", text, flags=re.MULTILINE)


def label(block):
    return re.search(r'^label\s*=\s*"(.*)"', block, re.MULTILINE).group(1)


def labels_of(workflow):
    return [label(b) for b in blocks(workflow) if b.startswith("[[filter]]")]


def only(workflow, filters):
    """Returns the text of a workflow with some of its filters, and without expectations."""
    kept = [b for b in blocks(workflow) if not re.match(r"\[+(expect|profile\.\w+\.expect)", b) and (not b.startswith("[[filter]]") or label(b) in filters)]
    return "".join(kept)


def read(run_directory, workflow, size, seed):
    """Returns a row of FIELDS for every filter of a run, without its burn-in."""
    burn_in = int(re.search(r"^burn_in = (\d+)", (run_directory / "workflow.resolved.toml").read_text(), re.MULTILINE).group(1))
    cycles = pyarrow.ipc.open_file(run_directory / "cycles.arrow").read_all().to_pylist()
    trials = pyarrow.ipc.open_file(run_directory / "trials.arrow").read_all().to_pylist()
    rows = []
    for trial in trials:
        of_trial = [c for c in cycles if c["trial"] == trial["trial"] and c["stage"] == "analysis" and c["cycle"] > burn_in]
        row = {"workflow": workflow, "size": size, "seed": seed, "filter": trial["filter"]}
        row["status"] = trial["status"]
        for name in MEANS:
            values = [c[name] for c in of_trial if c.get(name) is not None]
            row[name] = repr(statistics.fmean(values)) if values and trial["status"] != "failed" else ""
        for name, of in SQUARES.items():
            square = statistics.fmean(c[of] ** 2 for c in of_trial) if trial["status"] != "failed" else None
            row[name] = repr(math.sqrt(square)) if square else ""
        rows.append(row)
    return rows


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def tables(args):
    OUT.mkdir(parents=True, exist_ok=True)
    for directory in sorted(args.runs.iterdir()):
        rows = []
        for path in sorted(directory.glob("N*/seed*/scores.csv"), key=lambda p: (int(p.parts[-3][1:]), int(p.parts[-2][4:]))):
            with open(path, newline="") as file:
                rows += list(csv.DictReader(file))
        if not rows:
            continue
        write_csv(OUT / f"{directory.name}.csv", rows)
        (OUT / f"{directory.name}.md").write_text(page(directory.name, rows))
        figure(directory.name, rows)
        print(OUT / f"{directory.name}.md")


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
    for colour, family in zip(COLOURS, FAMILIES):
        points = [(size, champion(scores, size, family)) for size in sizes]
        points = [(size, found[1]) for size, found in points if found]
        if points:
            ax.errorbar([size for size, _ in points], [statistics.fmean(v) for _, v in points], [standard_error(v) for _, v in points],
                        color=colour, marker="o", markersize=4, capsize=3, linewidth=2.4 if family.startswith("joint, d") else 1.2, label=family)
    for name, values in PRINTED.get(workflow, {}).items():
        shown = [(size, v) for size, v in zip(SIZES_PRINTED, values) if size in sizes]
        ax.plot(*zip(*shown), linestyle=":", marker="x", color="#777777", linewidth=1)
        ax.annotate(f"{name}, printed", shown[-1], xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=8, color="#555555")
    ax.set(xscale="log", yscale="log", xlabel="ensemble size N", ylabel=axis_name(workflow), title=workflow)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    ax.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    ax.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    ax.grid(which="both", alpha=0.25)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    fig.savefig(OUT / f"{workflow}.svg", metadata={"Date": None})
    plt.close(fig)


def page(workflow, rows):
    scores, sizes = by_filter(workflow, rows)
    twins = {size: len({s for (z, _), by in scores.items() if z == size for s in by}) for size in sizes}
    out = [f"# {workflow}", "", f"![{axis_name(workflow)} by ensemble size]({workflow}.svg)", "", f"{axis_name(workflow)}, mean over {span(twins.values())} twins ± its standard error. Lower is better. Of a family the", 
           "filter with the lowest mean counts, named in brackets; one that leaves the range of numbers in a twin does not count.", ""]
    out += ["| | " + " | ".join(f"N = {size}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for family, values in PRINTED.get(workflow, {}).items():
        printed = dict(zip(SIZES_PRINTED, values))
        out.append(f"| {family}, printed by the paper | " + " | ".join(f"{printed[s]:.2f}" if s in printed else "" for s in sizes) + " |")
    best = {}
    for family in FAMILIES:
        cells = []
        for size in sizes:
            found = champion(scores, size, family)
            best[family, size] = found
            if not found:
                cells.append(failures(scores, size, family))
                continue
            label, values = found
            setting = "" if len(labels(scores, size, family)) == 1 else f" ({label})"
            cells.append(f"{statistics.fmean(values):.3g} ± {standard_error(values):.2g}{setting}")
        if any(cells):
            out.append(f"| {family} | " + " | ".join(cells) + " |")
    cells = []
    for size in sizes:
        rivals = [best[f, size] for f in RIVALS if best[f, size]]
        if not best["joint, defaults", size] or not rivals:
            cells.append("")
            continue
        label, values = min(rivals, key=lambda r: statistics.fmean(r[1]))
        paired = [a - b for a, b in zip(best["joint, defaults", size][1], values)]
        cells.append(f"{statistics.fmean(paired):+.2g} ± {standard_error(paired):.2g} ({label})")
    out += ["| joint less the best of SIR and EnKFs, paired | " + " | ".join(cells) + " |", ""]
    out += ["Spread over error of joint: " + ", ".join(f"{ratio(rows, size):.2f} at N = {size}" for size in sizes) + ".",
            "", f"Every filter and twin: [{workflow}.csv]({workflow}.csv). Made by", "", "```sh", "make build",
            f"python bench/results/results.py run {workflow} --sizes {','.join(map(str, sizes))} --twins {max(twins.values())}",
            "python bench/results/results.py tables", "```", ""]
    return "\n".join(out)


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
    return f"fails in {sum(least)} of {len(least)} twins"


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "results", help="where the runs are kept")
    commands = parser.add_subparsers(required=True)
    r = commands.add_parser("run", help="do the runs that are missing")
    r.add_argument("workflow")
    r.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[20, 50, 100, 250, 500, 1000])
    r.add_argument("--twins", type=int, default=10)
    r.add_argument("--profile", default="", help="of the workflow")
    r.add_argument("--filters", type=lambda text: text.split(","), help="labels, separated by commas; all")
    r.add_argument("--again", action="store_true", help="also those that are there")
    r.set_defaults(do=run)
    t = commands.add_parser("tables", help="write docs/results")
    t.set_defaults(do=tables)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
