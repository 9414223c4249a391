"""Workflows as Python has them, and as plume reads them."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .params import literal

if TYPE_CHECKING:
    from ._workflow_types import Workflow

    Tables = Workflow | Mapping[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@contextlib.contextmanager
def file_of(workflow: str | os.PathLike[str] | Tables) -> Iterator[str]:
    """Has a file with the workflow: its own, or one for the time of the call in the working
    directory, where relative paths start."""
    if not isinstance(workflow, Mapping):
        yield os.fspath(workflow)
        return
    with tempfile.NamedTemporaryFile("w", dir=".", prefix="workflow-", suffix=".toml", encoding="utf-8") as file:
        file.write(to_toml(workflow))
        file.flush()
        yield os.path.basename(file.name)


def options(profile: str, set: Mapping[str, Any] | None, sweep: Mapping[str, Any] | None) -> list[str]:
    """Returns the arguments of a command that override the values of a workflow."""
    given = ["--profile", profile] if profile else []
    for key, value in (set or {}).items():
        given += ["--set", f"{key}={inline(value)}"]
    for key, values in (sweep or {}).items():
        if isinstance(values, str) or not isinstance(values, (Iterable, np.ndarray)):
            raise TypeError(f"sweep: {key}: got {values!r}, want a list of values")
        given += ["--sweep", f"{key}={inline(list(values))}"]
    return given


def to_toml(workflow: Tables) -> str:
    """Returns the TOML text of a workflow given as a dict: strings, numbers, dates, and lists
    and dicts of them. ``format = 1`` is added where it is missing."""
    whole = {"format": 1} | _plain(workflow)
    several = {key for key, value in whole.items() if isinstance(value, list)}
    tables: dict[str, list[dict[str, Any]]] = {}
    for key, value in list(whole.items()):
        if isinstance(value, dict) or (isinstance(value, list) and value and all(isinstance(v, dict) for v in value)):
            tables[key] = [value] if isinstance(value, dict) else value
            del whole[key]
    text = _lines(whole)
    for key, entries in tables.items():
        head = f"[[{_key(key)}]]" if key in several else f"[{_key(key)}]"
        text += "".join(f"\n{head}\n{_lines(entry)}" for entry in entries)
    return text


def _lines(entries: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {inline(value)}\n" for key, value in entries.items())


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else literal(key)


def inline(value: Any) -> str:
    """Returns a value as TOML has it on one line."""
    value = _plain(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {inline(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    return literal(value)


def _plain(value: Any) -> Any:
    """Returns a value without types that TOML does not know; keys whose value is None are
    left out."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, range)):
        return [_plain(v) for v in value]
    if isinstance(value, (bool, int, float, str, datetime.date, datetime.time)):
        return value
    raise TypeError(f"a workflow cannot have {value!r}; want strings, numbers, dates, lists and dicts")
