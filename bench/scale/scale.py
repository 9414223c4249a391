"""Measures memory and time of large states, and writes docs/results/scale.md and its table.

    python bench/scale/scale.py                       # all sizes and filters; about an hour
    python bench/scale/scale.py --sizes 10000 --filters letkf

Runs workflows/large-lorenz96.toml with processes, one filter and one size at a time, and looks at the processes while
they run: the largest resident memory (VmHWM) of each, and the processor time. Needs Linux and bin/plume. Rows of
docs/results/scale.csv that are not measured stay, so that one can be measured again.
"""

import argparse
import csv
import pathlib
import statistics
import subprocess
import tempfile
import time

import pyarrow.ipc

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "docs" / "results"
WORKFLOW = ROOT / "workflows" / "large-lorenz96.toml"
MEMBERS, CYCLES = 20, 3
SIZES = [10_000, 100_000, 1_000_000]
FILTERS = {"letkf": "LETKF", "joint": "`joint`, local", "local-pf": "local particle filter"}
PARTS = {"plume": "host", "lorenz96": "model", "obs-nonlinear": "operator"}  # the rest is the filter
NAMES = ["host", "model", "operator", "filter"]
FIELDS = ["filter", "n", "wall", *(f"cpu_{p}" for p in NAMES), *(f"memory_{p}" for p in NAMES)]


def family(pid):
    """Yields a process and all below it."""
    yield pid
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def look(pid, seen):
    """Adds the peak memory in bytes and the processor seconds of each process of a family to seen."""
    tick = 100  # of Linux's clock, a second
    try:
        for p in family(pid):
            status = pathlib.Path(f"/proc/{p}/status").read_text()
            name = pathlib.Path(f"/proc/{p}/exe").readlink().name
            peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
            times = pathlib.Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()
            seen[p] = name, peak, (int(times[11]) + int(times[12])) / tick
    except (OSError, StopIteration):
        pass  # it has just ended


def measure(label, n):
    """Returns the row of a filter and a size."""
    with tempfile.TemporaryDirectory() as runs:
        command = [ROOT / "bin" / "plume", "run", WORKFLOW, "--run-dir", runs, "--workers", "1", "--sweep", f'filter=["{label}"]']
        for key, value in {"model.params.n": n, "time.cycles": CYCLES, "time.burn_in": 0}.items():
            command += ["--set", f"{key}={value}"]
        process, seen = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), {}
        while process.poll() is None:
            look(process.pid, seen)
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"{label}, n = {n}: plume ended with code {process.returncode}")
        (timings,) = pathlib.Path(runs).glob("*/*/timings.arrow")
        table = pyarrow.ipc.open_file(timings).read_all()
    parts = [table[c].to_pylist() for c in table.column_names if c.endswith("_s")]
    row = {"filter": label, "n": n, "wall": statistics.median(map(sum, zip(*parts, strict=True)))}
    for name in NAMES:
        of = [p for p in seen.values() if PARTS.get(p[0], "filter") == name]
        _, row[f"memory_{name}"], row[f"cpu_{name}"] = max(of, key=lambda p: p[1])
    return row


def number(v, digits=2):
    return f"{v:.{digits}g}" if v < 100 else f"{v:.0f}"


def page(rows):
    """Returns the text of scale.md."""
    out = [
        "# Large states",
        "",
        f"Lorenz-96 with 10,000 to a million sites, all of them seen through their arc tangent, {MEMBERS} members, {CYCLES} cycles: "
        "[large-lorenz96](https://github.com/plume-da/plume/blob/main/workflows/large-lorenz96.toml). Processor time is that of whole runs, with start, truth "
        "and tables, by value of the state and cycle; memory is the largest of each process, in ensembles of N n 8 bytes. `make bench-scale` measures it.",
    ]
    for label, text in FILTERS.items():
        of = [r for r in rows if r["filter"] == label]
        if not of:
            continue
        out += ["", f"## {text}", "", "<!-- measured: make bench-scale -->", "| n | wall time of a cycle | CPU µs a value and cycle: filter | host | model, operator | host's share | memory: filter | host | model | operator | all |"]
        out.append("|" + "---|" * 11)
        for r in of:
            n = int(r["n"])
            cpu = {p: float(r[f"cpu_{p}"]) / n / CYCLES * 1e6 for p in NAMES}
            memory = {p: float(r[f"memory_{p}"]) / (8 * MEMBERS * n) for p in NAMES}
            out.append(
                f"| {n:,} | {number(float(r['wall']))} s | {number(cpu['filter'])} | {number(cpu['host'])} | {number(cpu['model'] + cpu['operator'])} "
                f"| {100 * cpu['host'] / sum(cpu.values()):.0f} % | " + " | ".join(number(memory[p]) for p in ["filter", "host", "model", "operator"]) + f" | {number(sum(memory.values()), 3)} |"
            )
    out += [
        "",
        "An ensemble of 10,000 sites has 1.6 MB, less than a process without one, so only larger ones say what memory grows by. Two cores of a virtual machine; "
        "wall times are those of a machine that others used at the same time, and processor times are the ones to compare.",
        "",
    ]
    return "\n".join(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--sizes", type=lambda s: [int(float(v)) for v in s.split(",")], default=SIZES)
    p.add_argument("--filters", type=lambda s: s.split(","), default=list(FILTERS))
    o = p.parse_args()
    path = OUT / "scale.csv"
    rows = {}
    if path.exists():
        with path.open(newline="") as f:
            rows = {(r["filter"], int(r["n"])): r for r in csv.DictReader(f)}
    for n in o.sizes:
        for label in o.filters:
            rows[label, n] = measure(label, n)
            print(rows[label, n], flush=True)
            ordered = sorted(rows.values(), key=lambda r: (list(FILTERS).index(r["filter"]), int(r["n"])))
            with path.open("w", newline="") as f:
                w = csv.DictWriter(f, FIELDS, lineterminator="\n")
                w.writeheader()
                w.writerows(ordered)
            (OUT / "scale.md").write_text(page(ordered))


if __name__ == "__main__":
    main()
