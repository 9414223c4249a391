"""Times the analysis step of plume's filters beside numpy and DAPPER.

Every case first has both sides compute the same problem, which the plugin's
benchmark leaves in files, and compares the results. Then they run in turns.
"""

import argparse
import functools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_info, threadpool_limits

import kde

ROOT = Path(__file__).resolve().parents[2]


class Plugin:
    """One benchmark of a plugin, in a process of its own for every run."""

    def __init__(self, folder, name, plugin, benchmark):
        self.folder, self.binary = folder / name, folder / f"{plugin}.test"
        self.folder.mkdir()
        self.plugin, self.benchmark = plugin, benchmark
        if not self.binary.exists():
            subprocess.run(["go", "test", "-c", "-o", self.binary, f"./plugins/{plugin}"], cwd=ROOT, check=True)

    def run(self, times, record=False):
        """Return seconds per analysis, a mean over times of them, and its steps."""
        environment = dict(os.environ, PLUME_BENCH=str(self.folder) if record else "")
        done = subprocess.run(
            [self.binary, "-test.run=^$", f"-test.bench={self.benchmark}", f"-test.benchtime={times}x"],
            cwd=ROOT / "plugins" / self.plugin, env=environment, capture_output=True, text=True)
        found = re.findall(r"([\d.]+) ns/op(?:\s+([\d.]+) steps)?", done.stdout)
        if done.returncode or len(found) != 1:
            sys.exit(f"{self.plugin}: {self.benchmark}: got {len(found)} results, want 1\n{done.stdout}{done.stderr}")
        return float(found[0][0]) / 1e9, float(found[0][1] or "nan")

    def read(self, name, *shape):
        return np.fromfile(self.folder / f"{name}.f64").reshape(shape)


def timed(f, times):
    start = time.perf_counter()
    for _ in range(times):
        f()
    return (time.perf_counter() - start) / times


def in_turns(ours, theirs, rounds):
    """Return median seconds of both sides, and the median and range of the ratio
    of a round."""
    a, b = [], []
    for _ in range(rounds):
        a.append(ours())
        b.append(theirs())
    ratios = sorted(y / x for x, y in zip(a, b))
    return statistics.median(a), statistics.median(b), statistics.median(ratios), ratios[0], ratios[-1]


def agree(name, ours, theirs, tolerance):
    difference = np.abs(ours - theirs).max() / theirs.std(axis=0).mean()
    if not difference <= tolerance:
        sys.exit(f"{name}: results: differ by {difference:.2g} spreads, want at most {tolerance:g}")
    return difference


def diffusion(folder, n, rounds):
    members, name = 250, f"kde, N = 250, n = {n}"
    p = Plugin(folder, f"kde{n}", "filter-diffusion", f"^BenchmarkAnalyse$/^ode$/^N={members}$/^n={n}$")
    _, ours = p.run(1, record=True)
    ensemble, simulated, latents = (p.read(k, members, n) for k in ("ensemble", "simulated", "latents"))
    y, want = p.read("observation", n), p.read("analysis", members, n)
    got, steps = kde.analyse(ensemble, simulated, y, latents, block=kde.BLOCK)
    difference = agree(name, want, got, 1e-8)
    if not np.isclose(steps, ours):
        sys.exit(f"{name}: steps: {ours:g} and in numpy {steps:g}, want the same")
    _, at_once = kde.analyse(ensemble, simulated, y, latents)
    times = 5 if n == 3 else 2

    def numpy_analysis():
        # OpenBLAS's threads wait for each other in loops: on a busy machine one is faster.
        all_cores = timed(lambda: kde.analyse(ensemble, simulated, y, latents), times)
        with threadpool_limits(1):
            return min(all_cores, timed(lambda: kde.analyse(ensemble, simulated, y, latents), times))

    result = in_turns(lambda: p.run(times)[0], numpy_analysis, rounds)
    # Products of the evaluations, and of the ones before the first step.
    operations = (6 * steps + 1) * 4 * members**2 * n
    return name, "numpy", f"{steps:g}, {at_once:g}", difference, 3, operations, result


def span(folder, rounds):
    members, n, m, name = 100, 100_000, 100, "kde, N = 100, n = 1e5"
    p = Plugin(folder, "span", "filter-diffusion", "^BenchmarkSpan$/^span$")
    _, ours = p.run(1, record=True)
    ensemble, latents = (p.read(k, members, n) for k in ("ensemble", "latents"))
    simulated, y = p.read("simulated", members, m), p.read("observation", m)
    want, last = p.read("analysis", members, n), None

    def direct():
        nonlocal last
        last = kde.analyse(ensemble, simulated, y, latents, rtol=SPAN_TOLERANCE, atol=SPAN_TOLERANCE, block=kde.BLOCK)

    result = in_turns(lambda: p.run(2)[0], lambda: timed(direct, 1), rounds)
    got, steps = last
    difference = agree(name, want, got, 1e-8)
    if not np.isclose(steps, ours):
        sys.exit(f"{name}: steps: {ours:g} and in numpy {steps:g}, want the same")
    operations = 3 * 2 * members**2 * n
    return name, "numpy, direct", f"{steps:g}", difference, 10, operations, result


# That of BenchmarkSpan, which makes 10 to 12 steps.
SPAN_TOLERANCE = 4e-5


def letkf(folder, rounds):
    from dapper.da_methods.ensemble import local_analyses
    from dapper.tools.localization import localization_setup

    members, n, name = 24, 10_000, "letkf, N = 24, n = 1e4"
    p = Plugin(folder, "letkf", "filter-enkf", "^BenchmarkLargeRing$/^letkf$")
    p.run(1, record=True)
    ensemble, y, want = p.read("ensemble", members, n), p.read("observation", n), p.read("analysis", members, n)

    # What DAPPER would compute again in every analysis is made once: the matrix
    # of distances, and the root of the error's precision, which it stores full.
    site = np.arange(n, dtype=float)
    distance = np.abs(site[:, None] - site)
    np.minimum(distance, n - distance, out=distance)
    batches, tapering = localization_setup(lambda: distance, [np.array([j]) for j in range(n)])(4.0, "x2y", "GC")
    error = types.SimpleNamespace(sym_sqrt_inv=scipy.sparse.eye_array(n, format="csr"))

    last = None

    def dapper():
        nonlocal last
        last, _ = local_analyses(ensemble.copy(), ensemble, error, y, batches, tapering)

    result = in_turns(lambda: p.run(3)[0], lambda: timed(dapper, 1), rounds)
    return name, "DAPPER", "", agree(name, want, last, 1e-8), 5, None, result


def local(folder, members, every, rounds):
    """The local form of scheme joint compared with plume's own LETKF, to which it is equal with the widest kernels."""
    n, name = 10_000, f"joint, cutoff, N = {members}" + (f", every {every}th seen" if every > 1 else "")
    case = f"^BenchmarkLocalRing$/^N={members}$/^every={every}$"
    joint = Plugin(folder, f"joint{members}-{every}", "filter-diffusion", f"{case}/^joint$")
    widest = Plugin(folder, f"widest{members}-{every}", "filter-diffusion", f"{case}/^letkf$")
    letkf = Plugin(folder, f"letkf{members}-{every}", "filter-enkf", case)
    widest.run(1, record=True)
    letkf.run(1, record=True)
    if not np.array_equal(widest.read("ensemble", members, n), letkf.read("ensemble", members, n)):
        sys.exit(f"{name}: ensembles: they differ, want the same")
    difference = agree(name, widest.read("analysis", members, n), letkf.read("analysis", members, n), 1e-10)
    result = in_turns(lambda: joint.run(3)[0], lambda: letkf.run(3)[0], rounds)
    return name, "plume's letkf", "", difference, 1 / 3, None, result


def peak(size=2000):
    """Return the best floating-point operations a second of OpenBLAS's product."""
    a = np.random.default_rng(1).standard_normal((size, size))
    return 2 * size**3 / min(timed(lambda: a @ a, 1) for _ in range(5))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of the quick cases; a third of it for the others")
    rounds = parser.parse_args().rounds
    for pool in threadpool_info():
        print(f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads, {pool.get('architecture', '')}")
    best = peak()
    print(f"numpy {np.__version__}; product of 2000 x 2000: {best / 1e9:.0f} Gflop/s; load {os.getloadavg()[0]:.1f}\n")
    print("| case | compared with | steps | difference, spreads | plume | other | ratio (range) | target | products, of peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    slow, missed = max(1, rounds // 3), []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for case in (lambda: diffusion(folder, 3, rounds), lambda: diffusion(folder, 40, rounds),
                     lambda: letkf(folder, slow), lambda: span(folder, slow),
                     *(functools.partial(local, folder, members, every, slow) for members in (20, 40) for every in (1, 4, 20))):
            name, other, steps, difference, target, operations, (a, b, ratio, low, high) = case()
            share = f"{100 * operations / a / best:.1f} %" if operations else ""
            print(f"| {name} | {other} | {steps} | {difference:.1g} | {1e3 * a:.1f} ms | {1e3 * b:.1f} ms "
                  f"| {ratio:.2g} ({low:.2g} to {high:.2g}) | {target:.2g} | {share} |", flush=True)
            if ratio < target:
                missed.append(name)
    if missed:
        sys.exit("target missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
