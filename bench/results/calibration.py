"""Judges the spread of scheme joint, with defaults, by the runs of bench/results/sweeps.

    python calibration.py

Ten replicates of each set-up. Of all analyses after the burn-in: the root mean square of the spread over
that of the error of the mean, and how the truth ranks among the members, value by value. Writes
docs/results/calibration.md.
"""

import math
import sys
from statistics import NormalDist

import numpy as np

import results

# What is judged: a page's runs, and the size of the ensemble.
SETUPS = [
    ("sakov2012-lorenz63", 100),
    ("sakov2008-lorenz96", 40),
    ("paper-lorenz96-10", 50),
    ("paper-lorenz96-20", 50),
    ("nonlinear-lorenz96-40", 20),
    ("nonlinear-lorenz96-40-abs", 20),
    ("nonlinear-lorenz96-40-square", 20),
    ("paper-lorenz63", 100),
    ("paper-lorenz63-1000-cycles", 100),
]
BINS = 10

# With ten twins the mean frequency of a bin, over its standard error, follows Student's t with 9
# degrees of freedom where ranks are flat. It is beyond this in one of the ten bins with a
# probability of at most 0.05 (Bonferroni).
CRITICAL = 3.69
TWINS = 10

# Twins enough tell any ensemble from a right one. What a spread within 0.85 to 1.15 of the error, the
# accepted band, makes of the outer tenth of a normal density: the truth falls there 1.38 to 0.70 times as
# often as it should, 10 Phi(-1.2816 r).
BAND = [10 * NormalDist().cdf(NormalDist().inv_cdf(1 / BINS) * ratio) for ratio in (1.15, 0.85)]


def judge(name, members):
    """Returns, for the trials of joint, mean squares of error and spread, and the frequencies of the
    truth's ranks in BINS bins; of several runs of a twin for the last one."""
    twins = {}
    for run in results.runs_of(name):
        for score, (_, trial, ranks) in zip(results.scores(run, name), results.read(run, "rank_histogram")):
            if trial["filter"] == "joint" and trial["size"] == members and trial["status"] == "ok":
                square = {key: float(score[of]) ** 2 for key, of in (("error", "rms_error"), ("spread", "rms_spread"))}
                twins[trial["experiment.seed"]] = square | {"frequencies": frequencies(ranks, members)}
    return [twins[seed] for seed in sorted(twins)]


def frequencies(ranks, members):
    """Returns the shares of BINS equal stretches of [0, 1): rank r of N members is spread evenly over
    [r, r + 1) / (N + 1), for N + 1 is no multiple of BINS."""
    count = np.zeros(members + 1)
    for row in ranks:
        count[row["rank"]] += row["count"]
    below = np.concatenate([[0], np.cumsum(count) / count.sum()])
    return np.diff(np.interp(np.linspace(0, 1, BINS + 1), np.linspace(0, 1, members + 2), below))


def row(name, members, twins):
    ratio = math.sqrt(sum(t["spread"] for t in twins) / sum(t["error"] for t in twins))
    frequencies = np.array([t["frequencies"] for t in twins])
    mean, error = frequencies.mean(axis=0), frequencies.std(axis=0, ddof=1) / math.sqrt(len(twins))
    largest = np.max(np.abs(mean - 1 / BINS) / error)
    beyond = np.max(np.maximum(BAND[0] - BINS * mean, BINS * mean - BAND[1]) / (BINS * error))
    band = "within" if beyond <= 0 else f"outside by {beyond:.1f}"
    verdict = "flat" if largest < CRITICAL else "not flat"
    return f"| {name} | {members} | {ratio:.2f} | {' '.join(f'{f * BINS:.2f}' for f in mean)} | {band} | {largest:.1f} | {verdict} |"


def main():
    out = ["# Calibration of `joint`, with defaults", "",
           f"{TWINS} replicates of each set-up, analyses after the burn-in. Spread over error: root mean squares over time, values and replicates; 1 for a calibrated",
           "ensemble. Ranks: how often the truth falls into each tenth of the ranks among the members, in tenths; 1 everywhere for a calibrated ensemble.",
           f"They are within the band if all ten are from {BAND[0]:.2f} to {BAND[1]:.2f}, which is what spreads of 1.15 and 0.85 times the error give in the outer",
           "tenths of a normal density; otherwise outside by that many standard errors over replicates. The strict test finds any deviation that ten replicates show, however small.",
           "Ranks of one replicate are correlated in time and space, so the replicates are the sample of the test: t is the largest of the ten deviations from",
           f"1, in standard errors over replicates. Ranks are called flat if t is below {CRITICAL}, Student's 5 % limit for ten bins and ten replicates (Bonferroni).",
           "The 100 cycles of paper-lorenz63 are 10 time units, in which the truth changes sides only a few times; that set-up is judged over 1000 cycles as well.", "",
           "| set-up | N | spread / error | ranks, by tenths | band | t | strict test |", "|---|---|---|---|---|---|---|"]
    for name, members in SETUPS:
        twins = judge(name, members)
        if len(twins) != TWINS:
            sys.exit(f"{name}: joint has {len(twins)} twins of {members} members that ended, want {TWINS}: bench/results/sweeps {name}")
        out.append(row(name, members, twins))
    out += ["", "Made by `make results`.", ""]
    (results.OUT / "calibration.md").write_text("\n".join(out))


if __name__ == "__main__":
    main()
