"""Writes docs/results/windows.md, its table and its figure from the runs of bench/results/sweeps.

    python windows.py

Below runs/results/windows/SET-UP are the runs of a set-up, each a sweep over seeds and sizes. Rows of
docs/results/windows.csv whose set-up has no run stay.
"""

import collections
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from results import COLOURS, OUT, gather_set_ups, logarithmic, model_runs, read, save, standard_error, windows_of

# Set-ups in the order of the page: name of the folder of runs, what it is, and what others print.
SETUPS = {
    "lorenz63-x": ("Lorenz-63, x alone, sd 1, every 0.15", "tuned iEnKS 0.497"),
    "lorenz63-precise": ("the same, sd 0.7", ""),
    "lorenz63-all": ("Lorenz-63, all, variance 2, every 0.25", "iEnKS 0.31"),
    "lorenz96-abs": ("Lorenz-96, n = 10, absolute values, sd 2", ""),
    "lorenz96-arctan": ("Lorenz-96, n = 10, arc tangent, sd 0.5", ""),
    "lorenz96-fast": ("Lorenz-96, n = 40, all, sd 1, every 0.3", ""),
    "lorenz96-slow": ("Lorenz-96, n = 40, all, sd 1, every 0.6", "iEnKS 0.46 (N = 25)"),
    "lorenz96-often": ("Lorenz-96, n = 40, all, sd 1, every 0.2", "iEnKS, Lag 4: 0.31"),
    "lorenz96-half": ("Lorenz-96, n = 40, every other, variance 1.5, every 0.05", "iEnKS, Lag 2: 0.39"),
    "lorenz96-coupling": ("Lorenz-96, n = 40, every other, variance 0.5, every 0.4", "iEnKS, Lag 2: 0.52"),
    "lorenz96-fourth": ("Lorenz-96, n = 40, every fourth, sd 1, every 0.15, with cutoffs", "tuned LETKF 1.577"),
}
HARD = {
    "lorenz63-wrong": "Lorenz-63, x alone; rho of the truth is 30, of the model 28",
    "lorenz63-noise": "Lorenz-63, x alone; noise of 0.3 in every cycle",
    "lorenz63-doubling": "Lorenz-63, x alone; every 0.75, in which errors double",
    "lorenz96-wrong": "Lorenz-96, n = 10, absolute values; forcing of the truth is 8.5, of the model 8",
}
BOXES = {
    "lorenz63-simulated": "Lorenz-63, x alone, sd 1, every 0.15; one reading of each member, as it is",
    "lorenz96-black-box": "Lorenz-96, n = 10, absolute values, sd 2; learnt from five readings of each member",
}
FILTERS = ["etkf", "etkf-window", "joint", "joint-window", "kde", "kde-window"]
FIELDS = ["setup", "size", "seed", "filter", "status", "rmse", "spread", "lag", "passes", "model_runs", "restarts"]


def scores(setup, run):
    """Yields a row of FIELDS for every trial of a run, without its burn-in."""
    told = windows_of(run)
    for workflow, trial, cycles in read(run, "cycles"):
        burn_in = workflow["time"]["burn_in"]
        kept = [c for c in cycles if c["cycle"] > burn_in] if trial["status"] != "failed" else []
        row = {"setup": setup, "size": trial["size"], "seed": trial["experiment.seed"], "filter": trial["filter"], "status": trial["status"]}
        for name in ("rmse", "spread"):
            row[name] = repr(statistics.fmean(c[name] for c in kept)) if kept else ""
        windows = [w for cycle, w in told[trial["trial"]].items() if cycle > burn_in]
        for name, value in {
            "lag": lambda w: w["window_lag"],
            "passes": lambda w: w["window_passes"],
            "model_runs": model_runs,
            "restarts": lambda w: w.get("window_restarted", 0),
        }.items():
            row[name] = repr(statistics.fmean(map(value, windows))) if windows else ""
        yield row


def gather():
    """Brings windows.csv up to date, and returns its rows."""
    setups = [*SETUPS, *HARD, *BOXES]
    return gather_set_ups("windows", setups, scores, FIELDS, lambda r: (setups.index(r["setup"]), int(r["size"]), int(r["seed"]), FILTERS.index(r["filter"])))


class Cell:
    """The scores of one set-up with one number of members."""

    def __init__(self, rows):
        self.rows = rows
        self.rmse = {f: {int(r["seed"]): float(r["rmse"]) for r in rows if r["filter"] == f and r["rmse"]} for f in FILTERS}
        self.twins = len({r["seed"] for r in rows})

    def mean(self, name):
        values = list(self.rmse[name].values())
        text = f"{statistics.fmean(values):.3f} ± {standard_error(values):.3f}" if len(values) > 1 else ""
        return text + (f" ({self.twins - len(values)} lost)" if len(values) < self.twins else "")

    def gain(self, name):
        """Returns the mean of the errors with a window less those without, twin by twin."""
        pairs = [v - self.rmse[name][seed] for seed, v in self.rmse[f"{name}-window"].items() if seed in self.rmse[name]]
        return f"{statistics.fmean(pairs):+.3f} ± {standard_error(pairs):.3f}" if len(pairs) > 1 else ""

    def of(self, field, digits):
        """Returns a mean over the twins of both filters with a window."""
        values = [float(r[field]) for r in self.rows if r["filter"].endswith("-window") and r[field]]
        return f"{statistics.fmean(values):.{digits}f}" if values else ""


def cells(rows, setup):
    """Returns the cells of a set-up by number of members."""
    by = collections.defaultdict(list)
    for r in rows:
        if r["setup"] == setup:
            by[int(r["size"])].append(r)
    return {size: Cell(by[size]) for size in sorted(by)}


def table(rows, setups, others=False, names=("etkf", "joint")):
    head = ["set-up", "N", names[0], "with a window", names[1], "with a window", *(f"{n}, paired" for n in names), "lag", "passes", "model runs a cycle", "restarts"]
    head += ["others"] if others else []
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for setup, text in setups.items():
        text, printed = text if others else (text, "")
        for size, c in cells(rows, setup).items():
            line = [text, str(size), *(c.mean(n + w) for n in names for w in ("", "-window")), *(c.gain(n) for n in names),
                    c.of("lag", 2), c.of("passes", 2), c.of("model_runs", 2), c.of("restarts", 4)]  # fmt: skip
            out.append("| " + " | ".join(line + ([printed] if others else [])) + " |")
    return out


def page(rows):
    twins = {c.twins for s in [*SETUPS, *HARD] for c in cells(rows, s).values()}
    return "\n".join([
        "# Windows", "", "![RMSE with and without a window](windows.svg)", "",
        "An ETKF that inflates by the size of the ensemble, with a rotation, and `joint`, both with and without `window = \"auto\"`: the same truth, observations, initial",
        "members and model noise for all four, and nothing tuned. With cutoffs, `etkf` is an LETKF with a cutoff of 10.92 and adaptive inflation, and that of `joint` is by rule. What a window is, and when it helps, is in",
        "[Windows](../windows.md).", "",
        f"RMSE of the analysis mean, mean over {' or '.join(map(str, sorted(twins)))} twins, seeds 1 to 10, ± its standard error. Lower is better. *Paired* is the mean of the differences, with a window less without, twin by",
        "twin. Lag, passes, model runs (a cycle without a window has one) and restarts are means over the cycles and over both filters.", "",
        *table(rows, SETUPS, True), "",
        "## Where a window does not help", "",
        "A window runs the model again. Where the model is wrong, or has noise, or errors grow as much in a cycle as they are corrected, there is less to gain from that; here the guards have to close it.", "",
        *table(rows, HARD), "",
        "## Black boxes", "",
        "An instrument that gives readings of a state and says nothing of their errors, by `joint` and by the scheme `kde` of the same filter, with bandwidths by rule for Lorenz-63 and of 1 and 2 for Lorenz-96. Where a filter gets the readings as they are",
        "(`observations = \"simulated\"`), it knows the errors through the sample alone; in a window a fraction of the likelihood is one of readings whose errors are larger.", "",
        *table(rows, BOXES, names=("joint", "kde")), "",
        "Every twin: [windows.csv](windows.csv). The iEnKS with ten members on Lorenz-63 in x is the best of a grid of inflations and lags (`wispcarey/DapperGridSearch`); so is the LETKF. The others are printed by",
        "DAPPER for the set-ups of Sakov, Oliver and Bertino (2012), doi:10.1175/MWR-D-11-00194.1, Bocquet and Sakov (2013), Bocquet (2010) with 40 sites, and Spantini and others (2019), with as many members unless another number is given; their inflation is tuned. Made by `make results`, or by", "",
        "<!-- shown: takes an hour -->", "```sh", "make build", "bench/results/sweeps windows", "python bench/results/windows.py", "```", ""])  # fmt: skip


def figure(rows):
    """Draws the errors with a window over those without, a point for each set-up and size."""
    plt.rcParams.update({"svg.hashsalt": "windows", "svg.fonttype": "none", "font.size": 10})
    fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
    labels, at = [], 0
    for setup in [*SETUPS, *HARD]:
        for size, c in cells(rows, setup).items():
            for k, name in enumerate(("etkf", "joint")):
                for f, filled in ((name, False), (f"{name}-window", True)):
                    values = list(c.rmse[f].values())
                    if len(values) > 1:
                        ax.errorbar(statistics.fmean(values), at + 0.3 * k, xerr=standard_error(values), color=COLOURS[k], marker="o", capsize=3,
                                    markerfacecolor=COLOURS[k] if filled else "white", label=f"{name}, {'window' if filled else 'none'}" if at == 0 else None)  # fmt: skip
            labels.append(f"{setup}, N = {size}")
            at += 1
    ax.set(xlabel="RMSE of the analysis mean")
    logarithmic(ax, (0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6))
    ax.set_yticks(range(at), labels)
    ax.invert_yaxis()
    ax.grid(which="both", alpha=0.25)
    save(fig, ax, "windows")


def main():
    rows = gather()
    (OUT / "windows.md").write_text(page(rows))
    figure(rows)
    print(OUT / "windows.md")


if __name__ == "__main__":
    main()
