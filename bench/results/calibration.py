"""Runs scheme joint with defaults on every set-up of workflows/ and judges its spread.

    python calibration.py

Ten twins a set-up. Of all analyses after the burn-in: the root mean square of the spread over
that of the error of the mean, and how the truth ranks among the members, value by value. Writes
docs/results/calibration.md. Set-ups that are done are not run again; --again does.
"""

import argparse
import json
import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.ipc

import results

SETUPS = [  # workflow, profile, members, cycles (0: the workflow's own)
    ("sakov2012-lorenz63", "", 100, 1000),
    ("sakov2008-lorenz96", "", 40, 1400),
    ("paper-lorenz96-10", "", 50, 0),
    ("paper-lorenz96-20", "", 50, 0),
    ("nonlinear-lorenz96-40", "", 20, 0),
    ("nonlinear-lorenz96-40", "abs", 20, 0),
    ("nonlinear-lorenz96-40", "square", 20, 0),
    ("paper-lorenz63", "", 100, 0),
]
TWINS = 10
BINS = 10
KEYS = {"cycle", "time", "stage", "member", "log_weight", "parent"}

# With ten twins the mean frequency of a bin, over its standard error, follows Student's t with 9
# degrees of freedom where ranks are flat. It is beyond this in one of the ten bins with a
# probability of at most 0.05 (Bonferroni).
CRITICAL = 3.69


def run(runs, workflow, profile, members, cycles, seed, again):
    name = "-".join(filter(None, [workflow, profile]))
    done = runs / "calibration" / name / f"seed{seed}.json"
    if done.exists() and not again:
        return json.loads(done.read_text())
    done.parent.mkdir(parents=True, exist_ok=True)
    file = done.with_suffix(".toml")
    file.write_text(results.only(workflow, ["joint"]))
    command = [str(results.ROOT / "bin" / "plume"), "run", "--quiet", str(file), "--set", f"ensemble.size={members}",
               "--set", f"experiment.seed={seed}", "--set", 'output.ensemble="analysis"', "--run-dir", str(done.parent)]
    command += ["--profile", profile] if profile else []
    command += ["--set", f"time.cycles={cycles}"] if cycles else []
    print(" ".join(command[1:]))
    directory = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    found = judge(Path(directory), seed)
    done.write_text(json.dumps(found))
    subprocess.run(["rm", "-r", directory], check=True)
    return found


def judge(directory, seed):
    """Returns mean squares of error and spread, and the frequencies of the truth's ranks in BINS bins."""
    burn_in = int(re.search(r"^burn_in = (\d+)", (directory / "workflow.resolved.toml").read_text(), re.MULTILINE).group(1))
    table = pyarrow.ipc.open_file(next((directory / "truth").rglob("*.arrow"))).read_all()
    truth = dict(zip(table.column("cycle").to_pylist(), values(table)))
    ensemble = pyarrow.ipc.open_file(next((directory / "ensemble").rglob("*.arrow")))
    random = np.random.default_rng(seed)  # places a rank within its stretch of [0, 1), for N + 1 is no multiple of BINS
    error = spread = count = 0.0
    frequencies = np.zeros(BINS)
    for k in range(ensemble.num_record_batches):
        batch = ensemble.get_batch(k)
        cycle = batch.column("cycle")[0].as_py()
        if cycle <= burn_in:
            continue
        members, true = values(batch), truth[cycle]
        error += np.mean((members.mean(axis=0) - true) ** 2)
        spread += np.mean(members.var(axis=0, ddof=1))
        rank = (np.sum(members < true, axis=0) + random.random(true.shape)) / (len(members) + 1)
        frequencies += np.bincount((rank * BINS).astype(int), minlength=BINS) / true.size
        count += 1
    return {"error": error / count, "spread": spread / count, "frequencies": list(frequencies / count)}


def values(table):
    """Returns the state variables of a table side by side, one row a state."""
    rows = table.num_rows
    return np.concatenate([flat(table.column(name)).reshape(rows, -1) for name in table.schema.names if name not in KEYS], axis=1)


def flat(column):
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    return np.asarray(column.flatten() if hasattr(column.type, "list_size") else column)


def row(name, members, twins):
    ratio = math.sqrt(sum(t["spread"] for t in twins) / sum(t["error"] for t in twins))
    frequencies = np.array([t["frequencies"] for t in twins])
    mean, error = frequencies.mean(axis=0), frequencies.std(axis=0, ddof=1) / math.sqrt(len(twins))
    largest = np.max(np.abs(mean - 1 / BINS) / error)
    verdict = "flat" if largest < CRITICAL else "not flat"
    return f"| {name} | {members} | {ratio:.2f} | {' '.join(f'{f * BINS:.2f}' for f in mean)} | {largest:.1f} | {verdict} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=results.ROOT / "runs" / "results")
    parser.add_argument("--again", action="store_true")
    args = parser.parse_args()
    out = ["# Calibration of `joint`, with defaults", "",
           f"{TWINS} twins a set-up, analyses after the burn-in. Spread over error: root mean squares over time, values and twins; 1 where an ensemble is",
           f"right. Ranks: how often the truth falls into each tenth of the ranks among the members, in tenths; 1 everywhere where an ensemble is right.",
           "Ranks of one twin depend on each other in time and space, so the test takes the twins as its sample: t is the largest of the ten deviations from",
           f"1, in standard errors over twins. Ranks are called flat where it is below {CRITICAL}, Student's 5 % limit for ten bins and ten twins (Bonferroni).", "",
           "| set-up | N | spread / error | ranks, by tenths | t | |", "|---|---|---|---|---|---|"]
    for workflow, profile, members, cycles in SETUPS:
        twins = [run(args.runs, workflow, profile, members, cycles, seed, args.again) for seed in range(1, TWINS + 1)]
        out.append(row(" ".join(filter(None, [workflow, profile])), members, twins))
    out += ["", "Made by `make build` and `python bench/results/calibration.py`.", ""]
    (results.OUT / "calibration.md").write_text("\n".join(out))


if __name__ == "__main__":
    main()
