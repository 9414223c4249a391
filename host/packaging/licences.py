"""Print the licences of all that a program of Go holds: python licences.py PROGRAM."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|PATENTS)([.-].*)?", re.IGNORECASE)


def go(*args):
    """Returns what the command go prints."""
    return subprocess.run(["go", *args], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def texts(folder):
    """Returns the licences that lie in a folder, or else the README that holds one."""
    files = [f for f in sorted(folder.iterdir()) if f.is_file()]
    return [f for f in files if NAMES.fullmatch(f.name)] or [
        f for f in files if f.name == "README.md" and "Permission is hereby granted" in f.read_text(encoding="utf-8")
    ]


def modules(program):
    """Yields the modules of which a program is made, each with its folder."""
    lines = [line.split("\t") for line in go("version", "-m", program).splitlines()]
    wanted = [
        f"{module}@{version}" for _, kind, module, version, *_ in (x for x in lines if len(x) > 4) if kind == "dep"
    ]
    downloaded = go("mod", "download", "-json", *wanted)
    for m in json.loads("[" + downloaded.replace("}\n{", "},\n{") + "]"):
        yield f"{m['Path']} {m['Version']}", Path(m["Dir"])


def main(program):
    """Prints all licences, and fails where one is missing."""
    goroot = Path(go("env", "GOROOT").strip())
    # What lies in the tree itself, such as the JavaScript of the report's charts, brings its own file.
    ours = [(str(f.parent.relative_to(ROOT)), f.parent) for f in sorted(ROOT.glob("host/**/LICENSE"))]
    print("plume is licensed under the Apache License 2.0. It holds the following software, under the licences below.")
    for name, folder in [("Go and its standard library", goroot), *ours, *modules(program)]:
        found = texts(folder)
        if not found:
            raise SystemExit(f"{name}: no licence in {folder}")
        for file in found:
            print(f"\n{'=' * 80}\n{name}: {file.name}\n{'=' * 80}\n\n{file.read_text(encoding='utf-8').strip()}")


main(sys.argv[1])
