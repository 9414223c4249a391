"""Writes src/plume/_workflow_types.py, the workflow language as typed dicts, from its JSON Schema:
python sdk/python/workflow_types.py"""

from __future__ import annotations

import json
import keyword
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "schema" / "plume.schema.json"
TARGET = ROOT / "sdk" / "python" / "src" / "plume" / "_workflow_types.py"
HEAD = '''"""The workflow language as typed dicts. Made from its JSON Schema by workflow_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict
'''
PLAIN = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}


class Writer:
    """Collects the classes, those that others name before these."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}

    def table(self, name: str, schema: dict[str, Any], doc: str) -> str:
        """Adds the class of a table, and returns its name."""
        own = {key: (self.type(name + key.title().replace("_", ""), s), s) for key, s in schema["properties"].items()}
        reserved = {key: kind for key, (kind, _) in own.items() if keyword.iskeyword(key)}
        base, text = "TypedDict", ""
        if reserved:
            base = f"_{name}"
            keys = ", ".join(f"{key!r}: {kind!r}" for key, kind in reserved.items())
            text = f'{base} = TypedDict("{base}", {{{keys}}}, total=False)\n\n\n'
        text += f"class {name}({base}, total=False):\n{quoted(doc)}"
        for key, (kind, s) in own.items():
            if key not in reserved:
                text += f"\n    {key}: {kind}\n{quoted(s.get('description', ''))}"
        self.classes[name] = text
        return name

    def type(self, name: str, schema: Any) -> str:
        """Returns the type of a value; name is for its class, if it is a table."""
        if not isinstance(schema, dict) or "$ref" in schema:
            return "Mapping[str, Any]"
        if "const" in schema or "enum" in schema:
            words = schema.get("enum", [schema.get("const")])
            return f"Literal[{', '.join(map(repr, words))}]"
        kinds = schema.get("type", [])
        found = [self._of(kind, name, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        if not found:
            found = [self.type(name, s) for s in schema.get("anyOf", schema.get("oneOf", []))]
        return " | ".join(dict.fromkeys(found)) or "Any"

    def _of(self, kind: str, name: str, schema: dict[str, Any]) -> str:
        if kind == "array":
            return f"Sequence[{self.type(name, schema.get('items', {}))}]"
        if kind == "object":
            if "properties" in schema:
                return self.table(name, schema, schema.get("description", ""))
            more = schema.get("additionalProperties")
            return f"Mapping[str, {self.type(name, more) if isinstance(more, dict) and more else 'Any'}]"
        if kind == "string" and "date" in schema.get("description", ""):
            return "str | date | datetime"
        return PLAIN[kind]


def quoted(doc: str) -> str:
    """Returns a docstring, wrapped."""
    if not doc:
        return ""
    lines = textwrap.wrap(doc.replace("\\", "\\\\"), 96)
    if lines[-1].endswith('"'):
        lines[-1] = lines[-1][:-1] + '\\"'
    return '    """' + "\n    ".join(lines) + '"""\n'


def text() -> str:
    """Returns the text of the module."""
    writer = Writer()
    language = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["file"]
    writer.table(
        "Workflow", language, "A workflow: its tables, as in a TOML file. plume.validate says what is missing."
    )
    return "\n\n".join([HEAD, *writer.classes.values()])


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
