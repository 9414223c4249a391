"""Writes docs/results/field.md and field.csv from the runs of bench/results/sweeps field.

    python field.py

Below runs/results/field/NAME are the runs of plume bench NAME; the last that has ended counts. The tables are
those of plume compare. Experiments of the page that no run has stay as they are.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results" / "field"

SEEDS = 10  # where a section says nothing

HEAD = """# The field

Experiments that others have published numbers for, with their filters as they were tuned there, and Plume's `joint`
(`filter-diffusion`) with defaults, and with a cutoff by rule where filters localize, but not with the Kuramoto-Sivashinsky equation. RMSE of the analysis mean over time, mean over
seeds 1 to 10, or to the number given, ± its standard error. `difference` is paired: that of the filter from `joint` with as many members, or where `joint` is part of the experiment
from the first filter; `wins` counts the seeds in which it is better. Rows without a measured number are published for methods that Plume does not have.
`(8/10)`: two of ten seeds diverged or failed, and are in no mean.

Rivals have settings that were chosen by such scores; `joint` has none. All digits: [field.csv](field.csv). Your own filter in the same tables:
[Measure my filter against the field](../how-to/measure-against-the-field.md). Made by `make results`, or by

<!-- shown: takes an hour -->
```sh
make build
bench/results/sweeps field
python bench/results/field.py
```
"""


def last(folder):
    """Returns the run directory of an experiment that was begun last of those that have ended."""
    runs = [path.parent for path in sorted(folder.glob("*/run.json")) if (path.parent / "trials.arrow").exists()]
    return runs[-1] if runs else None


def compare(run, form):
    return subprocess.run([ROOT / "bin" / "plume", "-q", "compare", run, "--format", form], capture_output=True, text=True, check=True).stdout


def section(run, workflow):
    published = tomllib.loads((ROOT / "workflows" / f"{workflow['experiment']['name']}.toml").read_text())["published"]
    time = workflow["time"]
    cycles = f"{time['cycles'] - time['burn_in']:,} scored cycles after {time['burn_in']:,}"
    mine = [f for f in workflow["filter"] if f["label"].startswith("filter-diffusion")]
    cutoff = ' `joint` has `cutoff = "auto"`.' if mine and mine[0].get("params", {}).get("cutoff") == "auto" else ""
    seeds = len(workflow["sweep"]["axes"]["experiment.seed"])
    cycles += f", seeds 1 to {seeds}" if seeds != SEEDS else ""
    return (f"\n## {workflow['experiment']['name']}\n\n{workflow['experiment']['description']}. {cycles}.{cutoff}\n\n{compare(run, 'markdown')}\n"
            f"Published: {literal(published['source'])}. There: {literal(published['differs'])}.\n")


def literal(text):
    """Returns Markdown for a text, whose stars are its own."""
    return text.replace("*", r"\*")


def published():
    """Returns the sections of the page by experiment, the head of the CSV file, and its lines by experiment."""
    sections = {text.split("\n", 1)[0]: f"\n## {text}".rstrip("\n") + "\n" for text in (OUT / "field.md").read_text().split("\n## ")[1:]}
    head, *lines = (OUT / "field.csv").read_text().splitlines()
    return sections, head, {name: [line for line in lines if line.startswith(f"{name},")] for name in sections}


def main():
    sections, head, lines = published()
    for folder in sorted(path for path in RUNS.iterdir() if path.is_dir()):
        run = last(folder)
        if run is None:
            print(f"{folder} has no run that has ended", file=sys.stderr)
            continue
        sections[folder.name] = section(run, tomllib.loads((run / "workflow.resolved.toml").read_text()))
        first, *rest = compare(run, "csv").splitlines()
        head, lines[folder.name] = "experiment" + first.removeprefix("run"), [folder.name + line for line in rest]
    (OUT / "field.md").write_text(HEAD + "".join(sections[name] for name in sorted(sections)))
    (OUT / "field.csv").write_text("\n".join([head, *(line for name in sorted(sections) for line in lines[name])]) + "\n")
    print(OUT / "field.md")


if __name__ == "__main__":
    main()
