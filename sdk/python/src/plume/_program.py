"""The program plume: where it is, and what it answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib import metadata
from typing import Any, NamedTuple

from .errors import ConfigError


def program() -> str:
    """Returns the path of the program plume: $PLUME, or that which came with this package, or
    the first on $PATH. Raises ConfigError where there is none."""
    named = os.environ.get("PLUME", "")
    if found := shutil.which(named or _own() or "plume"):
        return found
    what = f"$PLUME is {named}, which is not a program" if named else "is not on $PATH"
    raise ConfigError(what, where="plume", hint="put the program there, or its path into $PLUME")


def _own() -> str | None:
    """Returns the program of the wheel that this package was installed from, if it had one."""
    try:
        files = metadata.files("plume-da") or []
    except metadata.PackageNotFoundError:
        return None
    scripts = (str(f.locate()) for f in files if f.parts[-2:] == ("bin", "plume"))
    return next(filter(os.path.exists, scripts), None)


class Answer(NamedTuple):
    """What plume answered: its exit code, the objects of its output, and its text for people."""

    code: int
    objects: list[dict[str, Any]]
    text: str


def ask(*arguments: str | os.PathLike[str]) -> Answer:
    """Runs plume with --json and returns its answer."""
    argv = [program(), *(os.fspath(a) for a in arguments), "--json", "--quiet"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False)
    return Answer(done.returncode, objects(done.stdout), done.stderr)


def objects(lines: str) -> list[dict[str, Any]]:
    """Returns the objects of an output with --json, of which each is a line."""
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
