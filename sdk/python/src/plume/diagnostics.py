"""What plume says about a workflow that it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a workflow: what, where, and what to do about it.

    line and column count from 1; line 0 is the whole file. layer is "file", or what else the
    text is in, such as "--set time.cycles=0". ``plume explain CODE`` says more about a code."""

    code: str
    message: str
    file: str = ""
    layer: str = "file"
    line: int = 0
    column: int = 0
    width: int = 0
    label: str = ""
    notes: tuple[str, ...] = ()
    help: str = ""
    source: str = field(default="", compare=False)  # the whole line

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        if self.layer != "file":
            place = ", ".join(filter(None, [place, self.layer]))
        lines = [": ".join(filter(None, [place, self.code, self.message]))]
        if self.source:
            pointer = " " * (self.column - 1) + "^" * max(1, self.width)
            lines += [f"    {self.source}", f"    {pointer} {self.label}".rstrip()]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines + ([f"  help: {self.help}"] if self.help else []))


class WorkflowError(ValueError):
    """A workflow is not valid, and nothing was run; findings says what is wrong."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        count = f"{len(findings)} finding" + "s" * (len(findings) != 1)
        super().__init__("\n".join([f"{count}; nothing was run", *map(str, findings)]))


def findings(objects: list[dict[str, Any]]) -> list[Finding]:
    """Returns the findings among what plume printed with --json."""
    return [_finding(o) for o in objects if "code" in o and "message" in o]


def _finding(o: dict[str, Any]) -> Finding:
    known = {name: o[name] for name in Finding.__dataclass_fields__ if name in o}
    known["notes"] = tuple(o.get("notes", ()))
    source = ""
    if o.get("layer") == "file" and o.get("line") and "\t" not in (text := _line(o.get("file", ""), o["line"])):
        source = text
    return Finding(**known, source=source)


def _line(file: str, number: int) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()[number - 1]
    except (OSError, UnicodeError, IndexError):
        return ""
