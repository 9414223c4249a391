"""Scores by other packages, of the cases on standard input, as JSON.

CRPS: properscoring. Fair CRPS and energy score: scoringrules; it has no fair
weighted form, so that these take its plain scores and the mean distance. W2: POT.
Innovations, moments, quantiles and ranks: numpy's own linear algebra and sums. Flatness:
scipy. Time means: numpy.
"""
import json
import sys

import numpy as np
import ot
import properscoring
import scipy.stats
import scoringrules


def scores(case):
    truth, e = np.array(case["truth"]), np.array(case["members"])
    n = len(e)
    w = np.array(case["weights"]) if case["weights"] else np.full(n, 1 / n)
    crps = properscoring.crps_ensemble(truth, e.T, weights=np.tile(w, (len(truth), 1))).mean()
    if case["weights"]:
        c = 1 - (w**2).sum()
        distance = (w[:, None] * abs(e - truth)).sum(axis=0).mean()
        fair = distance - (distance - crps) / c
        away = (w * np.linalg.norm(e - truth, axis=1)).sum()
        energy = away - (away - scoringrules.es_ensemble(truth, e, ens_w=w, estimator="nrg")) / c
    else:
        fair = scoringrules.crps_ensemble(truth, e.T, estimator="fair").mean()
        energy = scoringrules.es_ensemble(truth, e, estimator="fair")
    cov = np.atleast_2d(np.cov(e, rowvar=False, aweights=w, ddof=1))
    d = truth - w @ e
    s = cov + np.diag(case["variance"])
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    if case["weights"]:  # random weights never sum to a level, so that no average is taken
        quantiles = np.quantile(e, levels, axis=0, weights=w, method="inverted_cdf")
    else:
        quantiles = np.quantile(e, levels, axis=0, method="averaged_inverted_cdf")
    counts = ranks(case)
    inside = {f"coverage_{100 * p:.0f}": coverage(counts, p) for p in (0.5, 0.9)}
    return {
        **{f"rank {r}": c for r, c in enumerate(counts)},
        **{name: share for name, share in inside.items() if share is not None},
        **{f"q{100 * p:02.0f} of the last value": float(q[-1]) for p, q in zip(levels, quantiles)},
        "crps": crps, "crps_fair": fair, "energy_score_fair": energy,
        "weights_ess": 1 / (w**2).sum(),
        "rmse": np.sqrt((d**2).mean()), "mae": abs(d).mean(), "bias": -d.mean(), "spread": np.sqrt(np.diag(cov).mean()),
        "nis": d @ np.linalg.solve(s, d) / len(d), "expected": np.sqrt(np.trace(s) / len(d)),
    }


def ranks(case):
    truth, e = np.array(case["truth"]), np.array(case["members"])
    n = len(e)
    w = np.array(case["weights"]) * (n + 1) if case["weights"] else np.ones(n)
    counts = np.zeros(n + 1)
    for x, members in zip(truth, e.T):
        first = min(int(w[members < x].sum()), n)
        last = min(int(w[members <= x].sum()), n)
        counts[first : last + 1] += 1 / (last - first + 1)
    return counts


def coverage(counts, level):
    k = max(1, int(np.floor(len(counts) * (1 - level) / 2 + 0.5)))
    return counts[k : len(counts) - k].sum() / counts.sum() if len(counts) > 2 * k else None


def time_mean(series):
    x = np.array(series)
    n, d = len(x), x - x.mean()
    r = (d[1:] @ d[:-1]) / (d @ d)
    r = np.clip(r + (1 + 4 * r) / n, 0, 0.99)
    return {"mean": x.mean(), "se": np.sqrt(x.var(ddof=1) / n * (1 + r) / (1 - r))}


def w2(case):
    a, b = np.array(case["a"]), np.array(case["b"])
    return np.sqrt(ot.emd2([], [], ot.dist(a, b), numItermax=10_000_000))


job = json.load(sys.stdin)
json.dump({
    "scores": [scores(c) for c in job["scores"]], "w2": [w2(c) for c in job["w2"]],
    "flat": [scipy.stats.chisquare(c).pvalue for c in job["flat"]], "time": [time_mean(c) for c in job["time"]],
}, sys.stdout)
