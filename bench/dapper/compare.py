"""Compares the processor time of whole experiments in plume and in DAPPER, in turns, and their scores.

Ends with status 1 when a target is missed.
"""

import argparse
import json
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUME = HERE.parents[1] / "bin" / "plume"
EXPERIMENTS = ["sakov2008-lorenz96", "sakov2012-lorenz63"]
LEAST_RATIO = {"processes": 3, "linked": 8}
STANDARD_ERRORS = 3  # of the difference of both sides' mean RMSE


def output(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{command[0]}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def theirs(name, seed):
    """Return processor seconds without Python's start and imports, and RMSE and its error."""
    # At these sizes DAPPER is faster with one thread of OpenBLAS than with several.
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    found = json.loads(output([sys.executable, HERE / "theirs.py", name, seed], env=environment).splitlines()[-1])
    return found["seconds"], found["rmse"], found["se"]


def spent():
    """Return the processor seconds of all processes that have ended and were started from here."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ours(name, seed, runs, *flags):
    """Return processor seconds of the whole command with its plugins, and RMSE and its error."""
    start = spent()
    run = output([PLUME, "run", "--quiet", "--run-dir", runs, "--set", f"experiment.seed={seed}", *flags, HERE / f"{name}.toml"])
    seconds = spent() - start
    rmse = re.search(r"^(?:etkf|stochastic)\s+\d+\s+([\d.]+) ± ([\d.]+)", output([PLUME, "compare", run]), re.MULTILINE)
    return seconds, float(rmse[1]), float(rmse[2])


def pooled(results):
    """Return the mean RMSE of independent runs and its standard error."""
    n = len(results)
    return sum(r[1] for r in results) / n, math.sqrt(sum(r[2] ** 2 for r in results)) / n


def compare(name, pairs, runs):
    """Run name in turns, print a line, and return whether both targets are met."""
    dapper, processes, linked = [], [], []
    for seed in range(1, pairs + 1):
        dapper.append(theirs(name, seed))
        linked.append(ours(name, seed, runs, "--in-process"))
        processes.append(ours(name, seed, runs))
        if processes[-1][1:] != linked[-1][1:]:
            sys.exit(f"{name}: seed {seed}: RMSE: {linked[-1][1:]} in one process, {processes[-1][1:]} in several")

    def ratio(side):
        ratios = sorted(d[0] / p[0] for d, p in zip(dapper, side))
        return statistics.median(ratios), f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"

    median = lambda side: statistics.median(r[0] for r in side)
    (a, a_se), (b, b_se) = pooled(linked), pooled(dapper)
    fast = {key: ratio(side)[0] >= LEAST_RATIO[key] for key, side in [("processes", processes), ("linked", linked)]}
    same = abs(a - b) <= STANDARD_ERRORS * math.hypot(a_se, b_se)
    print(f"| {name} | {median(dapper):.1f} s | {median(processes):.1f} s | {ratio(processes)[1]} | {'met' if fast['processes'] else '**missed**'} | {median(linked):.1f} s | {ratio(linked)[1]} "
          f"| {'met' if fast['linked'] else '**missed**'} | {b:.4f} ± {b_se:.4f} | {a:.4f} ± {a_se:.4f} | {'same' if same else '**differ**'} |", flush=True)
    return all(fast.values()) and same


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="how often each side runs, with seeds from 1")
    pairs = parser.parse_args().pairs
    print(f"load average {os.getloadavg()[0]:.1f}")
    print(f"| experiment | DAPPER | plume | ratio | target {LEAST_RATIO['processes']} | plume --in-process | ratio | target {LEAST_RATIO['linked']} | RMSE DAPPER | RMSE plume | |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as runs:
        met = [compare(name, pairs, runs) for name in EXPERIMENTS]
    print(f"load average {os.getloadavg()[0]:.1f}")
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
