"""Compares plume with iterative_ensemble_smoother on the inputs of a run of examples/history-matching/decline.toml: compare.py RUN.

Both begin with the same members, the same observed values and the same errors. How far they are off
is measured by the exact posterior, a sum over a grid around its mode."""
import sys
from pathlib import Path

import numpy as np
import plume
from iterative_ensemble_smoother import ESMDA

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/history-matching"))
from decline import rates  # noqa: E402

NAMES = ["log_q", "log_d", "odds_b"]
MEAN, SD, ERROR = np.array([6.9, -2.0, 0.0]), np.array([0.5, 0.7, 1.0]), 0.05


def predict(members):
    """Returns the predictions of the members, one per column."""
    return np.array([rates(*m) for m in members]).T


def exact(y):
    """Returns mean and standard deviations of the posterior."""
    at, width = MEAN, 5 * SD
    for _ in range(6):
        axes = [np.linspace(a - w, a + w, 41) for a, w in zip(at, width)]
        points = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
        log_q, log_d, odds = points
        d, b = np.exp(log_d), 1 / (1 + np.exp(-odds))
        months = np.arange(1, 37, 2)[:, None]
        misfit = ((y[:, None] - (log_q - np.log1p(b * d * months) / b)) / ERROR) ** 2
        log = -misfit.sum(axis=0) / 2 - (((points.T - MEAN) / SD) ** 2).sum(axis=1) / 2
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        at = points @ weight
        sd = np.sqrt(((points.T - at) ** 2).T @ weight)
        width = 5 * np.maximum(sd, width / 40)
    return at, sd


def theirs(prior, y, alpha, seed):
    smoother = ESMDA(covariance=np.full(len(y), ERROR**2), observations=y, alpha=alpha, seed=seed)
    x = prior.T.copy()
    for _ in range(smoother.num_assimilations()):
        smoother.prepare_assimilation(Y=predict(x.T))
        x = smoother.assimilate_batch(X=x)
    return x.T


run = plume.open_run(sys.argv[1])
trials, passes, fit = run.table("trials"), run.table("passes"), run.table("fit")
off, ratio, runs = {}, {}, {}
for _, t in trials.iterrows():
    prior, posterior = (
        np.column_stack([members[name].values[0] for name in NAMES])
        for members in (run.ensemble(stage, trial=t.trial) for stage in ("forecast", "analysis"))
    )
    of = fit[(fit.trial == t.trial) & (fit.stage == "forecast")].sort_values("index")
    y = of.value.to_numpy()
    mean, sd = exact(y)
    fractions = passes[passes.trial == t.trial].assimilated.diff().dropna().to_numpy()

    def note(name, x, calls):
        key = (t["size"], name)
        off.setdefault(key, []).append(np.mean(np.abs(x.mean(axis=0) - mean) / sd))
        ratio.setdefault(key, []).append(np.mean(x.std(axis=0, ddof=1) / sd))
        runs.setdefault(key, []).append(calls)

    note(f"plume, {t['filter']}", posterior, len(fractions) + 1)
    if t["filter"] == "es-mda-4":
        note("iterative_ensemble_smoother, 4 equal passes", theirs(prior, y, 4, int(t.replicate)), 4)
    elif t["filter"] == "eki":
        note("iterative_ensemble_smoother, fractions of plume's rule", theirs(prior, y, 1 / fractions, int(t.replicate)), len(fractions))
        note("iterative_ensemble_smoother, 1 pass", theirs(prior, y, 1, int(t.replicate)), 1)
print("| members | method | model runs | off by, mean | median | spread, median |")
print("|---|---|---|---|---|---|")
for key in sorted(off):
    print(f"| {key[0]} | {key[1]} | {np.mean(runs[key]):.1f} | {np.mean(off[key]):.2f} ± {np.std(off[key], ddof=1) / len(off[key]) ** 0.5:.2f} | {np.median(off[key]):.2f} | {np.median(ratio[key]):.2f} |")
