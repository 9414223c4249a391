"""Measures memory and time of large states, and writes docs/results/scale.md and its table. What takes too long for
that is in ONCE.

    python bench/scale/scale.py                       # all sizes and filters; minutes
    python bench/scale/scale.py --sizes 10000 --filters letkf
    python bench/scale/scale.py --exports             # exports alone; a minute

Runs workflows/large-lorenz96.toml with processes, one filter and one size at a time, and looks at the processes while
they run: the largest resident memory (VmHWM) of each, and the processor time. Needs Linux and bin/plume. Rows of
docs/results/scale.csv that are not measured stay, so that one can be measured again.
"""

import argparse
import csv
import os
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
ONCE = """
## Ten million values

The same with the LETKF and n = 10,000,000, an ensemble of 1.6 GB: three cycles take 15.6 GB, the largest sum over all processes at one time of the memory that is theirs (PSS).

<!-- measured: once, by the command above with n = 10,000,000, on the machine that the text names -->
| n | CPU µs a value and cycle: filter | host | model, operator | host's share | memory, ensembles: filter | host | model | operator | all at one time |
|---|---|---|---|---|---|---|---|---|---|
| 10,000,000 | 9.6 | 2.1 | 0.86 | 17 % | 3.7 | 5.0 | 0.67 | 0.48 | 9.8 |

Truth and observations, 0.4 ensembles, were in the host then; above 16 MB they are in the files of the run since.

## Eighty analyses of members that start far away

The set-up of the ensemble score filter (EnSF) and of the ensemble flow filter (EnFF): members are drawn from N(0, 1), whatever the truth is, every site is seen through its arc tangent with an error of 0.05, 20 members, 80 analyses. [ensf.toml](https://github.com/plume-da/plume/blob/main/bench/scale/ensf.toml) has it, beside [EnSF in numpy](https://github.com/plume-da/plume/blob/main/bench/scale/ensf.py), written from its formulas, with 500 steps and the other settings of its authors:

    plume run bench/scale/ensf.toml --set model.params.n=1_000_000 --sweep 'filter=["joint"]'

<!-- measured: once, by the command above with seed 1 -->
| filter | n | RMSE, mean of the last 50 analyses | last analysis | mean of all 80 | spread, last 50 | CPU µs a value and cycle | memory |
|---|---|---|---|---|---|---|---|
| `joint`, local | 100,000 | 0.046 | 0.042 | 0.237 | 0.050 | 14 | 0.45 GB |
| `joint`, local | 1,000,000 | 0.046 | 0.042 | 0.236 | 0.050 | 12 | 2.2 GB |
| EnSF in numpy | 10,000 | 0.199 | 0.195 | 0.377 | 0.289 | 94 | 0.08 GB |
| EnSF in numpy | 1,000,000 | | | | | 96 | 0.50 GB |

Processor time and memory are those of all processes for `joint`, and of the filter alone for EnSF, which makes one analysis of 1,000,000 values in 96 s. Published for n = 1,000,000 are 0.172 (EnFF) and 0.40 (EnSF). What differs: `joint` localizes; the time step of the model is 0.05.
Every site has the same statistics, so that RMSE does not depend on n; means of all analyses have the first ones in them, which begin at 3.0.

## Shallow water on 512 x 512 cells

[large-shallow-water](https://github.com/plume-da/plume/blob/main/workflows/large-shallow-water.toml): 786,432 values, of which every fifth is seen, LETKF with a cutoff of 8 cells in two dimensions, 20 members, 5 cycles after a spin-up of 1,000 units.

<!-- measured: once, by workflows/large-shallow-water.toml with rows = 512, columns = 512, jets = 64, seed 1 -->
| RMSE, analyses 1 to 5 | spread | CPU µs a value and cycle: filter | host | memory, ensembles: filter | host | model | operator | all at one time |
|---|---|---|---|---|---|---|---|---|
| 0.0082, 0.0076, 0.0071, 0.0068, 0.0065 | 0.0070 | 26 | 1.3 | 3.3 | 5.7 | 1.9 | 0.98 | 11.8 |

The spin-up, 2,000 steps in one call, takes most of a minute of processor time; for so many steps of so many values plume waits 16 minutes ([decision 124](../decisions/0124-deadlines-follow-time-steps.md)).

## A million cycles

Lorenz-63 with a serial EnKF of 10 members, in one process, with everything that is stored when nothing is set: 1.2 GB, most of it described variables. The run takes 0.12 ms of processor time a cycle, 120 s in all; truth and observations above 16 MB stay in its files. The report of the whole run:

<!-- measured: once, three times in turn, seed 11, nothing else running -->
| cycles | `plume report`: wall time | CPU | memory |
|---|---|---|---|
| 1,000,000 | 2.05 to 2.13 s | 3.0 to 3.1 s | 170 to 187 MB |
| 1,000,000, `output.variables = 0` | 1.06 to 1.10 s | 1.5 to 1.6 s | 157 to 178 MB |

Memory of the run itself does not grow with its cycles: 127 MB, 151 MB and 153 MB at 100,000, 300,000 and 1,000,000 with an ETKF (PSS of the whole command, of which a process that has just started has 75 MB).
"""
FORMATS = ["parquet", "csv", "netcdf", "zarr"]
TRIALS = 2000
CALLS = ["forecast_s", "observe_s", "analyse_s"]
FIELDS = ["filter", "n", "load", "wall", "of_slowest", *(f"cpu_{p}" for p in NAMES), *(f"memory_{p}" for p in NAMES)]


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
        process, seen = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), {}
        while process.poll() is None:
            look(process.pid, seen)
            time.sleep(0.02)
        said = process.stderr.read()
        if "left the range of numbers" in said:
            return {"filter": label, "n": n}
        if process.returncode:
            raise SystemExit(f"{label}, n = {n}: plume ended with code {process.returncode}: {said}")
        (timings,) = pathlib.Path(runs).glob("*/*/timings.arrow")
        table = pyarrow.ipc.open_file(timings).read_all()
    parts = {c: table[c].to_pylist() for c in table.column_names if c.endswith("_s")}
    walls = list(map(sum, zip(*parts.values(), strict=True)))
    slowest = map(max, zip(*(parts[c] for c in CALLS), strict=True))
    row = {"filter": label, "n": n, "load": round(os.getloadavg()[0], 1), "wall": statistics.median(walls)}
    row["of_slowest"] = statistics.median(w / s for w, s in zip(walls, slowest, strict=True))
    for name in NAMES:
        of = [p for p in seen.values() if PARTS.get(p[0], "filter") == name]
        _, row[f"memory_{name}"], row[f"cpu_{name}"] = max(of, key=lambda p: p[1])
    return row


def export():
    """Returns a row of each format: what an export of many small trials takes, on a file system in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        plume, runs = ROOT / "bin" / "plume", ["--run-dir", f"{folder}/runs"]
        small = {"time.cycles": 10, "time.burn_in": 0, "output.ensemble": "both"}
        settings = [f"--set={key}={value}" for key, value in small.items()]
        sweep = ["--sweep", f'replicate="1..{TRIALS}"', "--sweep", 'filter=["serial"]']
        workflow = ROOT / "workflows" / "anderson2010-lorenz63.toml"
        subprocess.run([plume, "run", workflow, "-q", "--in-process", *runs, *settings, *sweep], check=True, stdout=subprocess.DEVNULL)
        stored = sum(f.stat().st_size for f in pathlib.Path(folder, "runs").rglob("*.arrow"))
        for name in FORMATS:
            before, begin = os.times(), time.monotonic()
            subprocess.run([plume, "export", "@last", "-q", *runs, "--format", name, "--to", f"{folder}/{name}"], check=True, stdout=subprocess.DEVNULL)
            wall, after = time.monotonic() - begin, os.times()
            files = sum(f.is_file() for f in pathlib.Path(folder, name).rglob("*"))
            cpu = after.children_user - before.children_user + after.children_system - before.children_system
            yield {"format": name, "stored": stored, "files": files, "cpu": round(cpu, 2), "wall": round(wall, 2), "load": round(os.getloadavg()[0])}


def exported(rows):
    """Returns the section of exports."""
    if not rows:
        return []
    out = [
        "",
        "## Exports of many trials",
        "",
        f"`plume export` of a run of {TRIALS:,} trials: Lorenz-63, 20 members, 10 cycles, both stages, {float(rows[0]['stored']) / 1e6:.0f} MB in tables, from and to a file "
        f"system in memory. On a disk, making the files may take longer than all else; a store of Zarr has a file for each array of all trials, and for some hundred trials of it. Load is how many "
        "processes waited for the two cores: wall times are of use only where it is small.",
        "",
        "<!-- measured: make bench-scale -->",
        "| format | files | CPU s | wall s | load |",
        "|---|---|---|---|---|",
    ]
    return out + [f"| {r['format']} | {int(r['files']):,} | {float(r['cpu']):.1f} | {float(r['wall']):.1f} | {r['load']} |" for r in rows]


def read(path):
    """Returns the rows of a table; none without one."""
    if not path.exists():
        return []
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def write(path, fields, rows):
    with path.open("w", newline="") as f:
        w = csv.DictWriter(f, fields, lineterminator="\n")
        w.writeheader()
        w.writerows(rows)


def number(v, digits=2):
    return f"{v:.{digits}g}" if v < 100 else f"{v:.0f}"


def page(rows, exports):
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
        out += ["", f"## {text}", "", "<!-- measured: make bench-scale -->", "| n | load | wall time of a cycle | of the slowest call | CPU µs a value and cycle: filter | host | model, operator | host's share | memory: filter | host | model | operator | all |"]
        out.append("|" + "---|" * 13)
        for r in of:
            n = int(r["n"])
            if not r.get("wall"):
                out.append(f"| {n:,} | | members leave the range of numbers" + " |" * 11)
                continue
            cpu = {p: float(r[f"cpu_{p}"]) / n / CYCLES * 1e6 for p in NAMES}
            memory = {p: float(r[f"memory_{p}"]) / (8 * MEMBERS * n) for p in NAMES}
            out.append(
                f"| {n:,} | {r['load']} | {number(float(r['wall']))} s | {float(r['of_slowest']):.2f} | {number(cpu['filter'])} | {number(cpu['host'])} | {number(cpu['model'] + cpu['operator'])} "
                f"| {100 * cpu['host'] / sum(cpu.values()):.0f} % | " + " | ".join(number(memory[p]) for p in ["filter", "host", "model", "operator"]) + f" | {number(sum(memory.values()), 3)} |"
            )
    out += [
        "",
        "An ensemble of 10,000 sites has 1.6 MB, less than a process without one, so only larger ones say what memory grows by. Two cores of a virtual machine; "
        "load is how many processes waited for them, with those of plume: wall times are of use only where it is small.",
        *exported(exports),
        ONCE.rstrip(),
        "",
    ]
    return "\n".join(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--sizes", type=lambda s: [int(float(v)) for v in s.split(",")], default=SIZES)
    p.add_argument("--filters", type=lambda s: s.split(","), default=list(FILTERS))
    p.add_argument("--exports", action="store_true", help="measure exports alone")
    p.add_argument("--page", action="store_true", help="measure nothing, write the page")
    o = p.parse_args()
    path = OUT / "scale.csv"
    rows = {(r["filter"], int(r["n"])): r for r in read(path)}
    if o.page:
        (OUT / "scale.md").write_text(page(list(rows.values()), read(OUT / "exports.csv")))
        return
    exports = list(export())
    write(OUT / "exports.csv", list(exports[0]), exports)
    for n in [] if o.exports else o.sizes:
        for label in o.filters:
            rows[label, n] = measure(label, n)
            print(rows[label, n], flush=True)
            rows = dict(sorted(rows.items(), key=lambda r: (list(FILTERS).index(r[0][0]), r[0][1])))
            write(path, FIELDS, rows.values())
    (OUT / "scale.md").write_text(page(list(rows.values()), exports))


if __name__ == "__main__":
    main()
