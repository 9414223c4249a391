"""Writes the tables and the figure of decision 99 from study.csv and trials.csv, which make study makes.

    python study.py
"""

import csv
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = pathlib.Path(__file__).parent
DECISIONS = HERE.parent.parent / "docs" / "decisions"
PAGE = DECISIONS / "0099-ten-thousand-replicas.md"
SIZES = {"3": "3 values", "1e+05": "100,000 (0.8 MB)", "1e+07": "10 million (80 MB)"}
SECONDS = {"0.3": "0.3 s", "10": "10 s", "600": "10 min"}


def efficiency(r):
    return float(r["ideal"]) / float(r["took"])


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def queue(rows):
    found = {(r["share"], r["last"], r["spread"], r["lost"]): r for r in rows}
    columns = [(spread, lost) for lost in ("0", "3600") for spread in ("0.1", "0.5")]
    names = [("1", "false", "equal shares, one task each"), ("4", "false", "4 tasks each (before)"), ("16", "false", "single members"),
             ("0", "true", "smaller and smaller, lost last"), ("0", "false", "smaller and smaller, lost first (the pool)")]  # fmt: skip
    body = []
    for share, last, name in names:
        cells = [f"{efficiency(found[share, last, *c]):.2f}" if (share, last, *c) in found else "" for c in columns]
        body.append([name, found[share, last, "0.1", "3600"]["calls"], *cells])
    return table(["tasks", "calls", "sd 10 %", "sd 50 %", "sd 10 %, losses", "sd 50 %, losses"], body)


def host(rows):
    found = {(r["seconds"], r["values"], r["replicas"]): r for r in rows}
    counts = sorted({int(r["replicas"]) for r in rows})
    body = []
    for seconds, time in SECONDS.items():
        for values, size in list(SIZES.items())[1:]:
            cells = [f"{relative(found, seconds, values, n):.2f}" for n in counts]
            body.append([time, size, *cells])
    return table(["a member takes", "and has", *(f"{n:,}" for n in counts)], body)


def relative(found, seconds, values, n):
    """Returns the speed relative to that with states of 3 values, which has the same tasks."""
    return float(found[seconds, "3", str(n)]["took"]) / float(found[seconds, values, str(n)]["took"])


def losses(rows):
    body = [[f"{int(r['replicas']):,}", {"8.64e+04": "1 day", "2.592e+06": "30 days"}[r["lost"]], r["losses"], f"{efficiency(r):.2f}"] for r in rows]
    return table(["replicas", "one is lost after", "losses", "of the ideal"], body)


def trials(rows):
    found = {(r["seconds"], r["spread"], r["lost"], r["workers"]): r for r in rows}
    counts = sorted({int(r["workers"]) for r in rows})
    body = []
    for seconds, time in {"10": "10 s", "60": "1 min", "600": "10 min"}.items():
        for spread, sd in {"0.1": "10 %", "0.5": "50 %"}.items():
            cells = [f"{efficiency(found[seconds, spread, lost, str(n)]):.2f}" for lost in ("0", "8.64e+04") for n in counts]
            body.append([time, sd, *cells, f"{100 * float(found[seconds, spread, '0', str(counts[-1])]['host']):.0f} %"])
    return table(["a trial takes", "sd", *(f"{n:,}" for n in counts), *(f"{n:,}, losses" for n in counts), f"host busy, {counts[-1]:,}"], body)


def figure(rows):
    found = {(r["seconds"], r["values"], r["replicas"]): r for r in rows}
    counts = sorted({int(r["replicas"]) for r in rows})
    plt.rcParams.update({"svg.hashsalt": "plume", "font.size": 9})
    _, axes = plt.subplots(figsize=(8, 3.2))
    for (seconds, time), style in zip(SECONDS.items(), (":", "-", "--")):
        for (values, size), colour in zip(list(SIZES.items())[1:], ("#1b6ca8", "#c8553d")):
            axes.plot(counts, [relative(found, seconds, values, n) for n in counts], style, color=colour, marker="o", markersize=3, label=f"{time}, {size}")
    axes.set(xscale="log", xlabel="replicas", ylabel="speed, of that with a small state", ylim=(0, 1.05))
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    plt.savefig(DECISIONS / "0099-ten-thousand-replicas.svg", metadata={"Date": None}, bbox_inches="tight")


def main():
    rows = list(csv.DictReader(open(HERE / "study.csv")))
    parts = {name: [r for r in rows if r["part"] == name] for name in ("queue", "host", "losses")}
    parts["trials"] = list(csv.DictReader(open(HERE / "trials.csv")))
    text = PAGE.read_text()
    for name, made in (("queue", queue), ("host", host), ("losses", losses), ("trials", trials)):
        begin, end = f"<!-- study: {name} -->\n", "\n<!-- end -->"
        before, _, after = text.partition(begin)
        text = before + begin + made(parts[name]) + end + after.partition(end)[2]
    PAGE.write_text(text)
    figure(parts["host"])


main()
