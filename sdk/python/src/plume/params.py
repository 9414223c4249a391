"""Parameters of plugins, and the manifest made of them."""

from __future__ import annotations

import json
import math
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError, ContractError

_NAME = re.compile(r"^[a-z][a-z0-9_-]*$")
_TYPES: dict[Any, str] = {
    float: "float", int: "int", bool: "bool", str: "string",
    list[float]: "floats", list[int]: "ints", list[str]: "strings",
}  # fmt: skip
_AUTO = "auto"
_WANTS = {
    "float": "a number", "int": "an integer", "bool": "true or false", "string": "a string",
    "floats": "a list of numbers", "ints": "a list of integers", "strings": "a list of strings",
}  # fmt: skip
_REQUIRED: Any = object()


@dataclass
class Declaration:
    """A parameter as its class declares it; made by Param."""

    default: Any
    doc: str
    unit: str = ""
    limits: dict[str, float] = field(default_factory=dict)  # min, max, above, below
    choices: list[str] = field(default_factory=list)
    auto: bool = False
    per_member: bool = False
    path: str = ""
    when: dict[str, list[str]] = field(default_factory=dict)
    declares: bool = False
    name: str = ""
    type: str = ""

    def wants(self) -> str:
        """Says in words what values the parameter takes."""
        if self.choices:
            return ("one of " if self.type == "string" else "a list of ") + ", ".join(self.choices)
        words = {"min": ">=", "above": ">", "max": "<=", "below": "<"}
        return (
            ('"auto" or ' if self.auto else "")
            + _WANTS[self.type]
            + " and".join(f" {words[k]} {v:g}" for k, v in self.limits.items())
        )

    def check(self, value: Any) -> Any:
        """Returns value in the parameter's own type, or raises ConfigError."""
        if self.auto and value in (_AUTO, None):
            return None
        if self.type in ("floats", "ints", "strings"):
            if not isinstance(value, list):
                raise self._refusal(value)
            if self.declares:
                declared([value], self)
            return [self._scalar(self.type[:-1], item) for item in value]
        return self._scalar(self.type, value)

    def _scalar(self, kind: str, value: Any) -> Any:
        if kind == "float" and type(value) in (int, float):
            return float(self._in_range(value))
        if kind == "int" and (type(value) is int or (type(value) is float and value.is_integer())):
            return int(self._in_range(value))
        if kind == "bool" and type(value) is bool:
            return value
        if kind == "string" and type(value) is str and (not self.choices or value in self.choices):
            return value
        raise self._refusal(value)

    def _in_range(self, value: float) -> float:
        tests = {
            "min": value.__ge__, "max": value.__le__, "above": value.__gt__, "below": value.__lt__,
        }  # fmt: skip
        if math.isnan(value) or any(tests[k](type(value)(v)) is not True for k, v in self.limits.items()):
            raise self._refusal(value)
        return value

    def _refusal(self, value: Any) -> ConfigError:
        return ConfigError(f"must be {self.wants()}, but is {json.dumps(value, default=str)}", where=self.name)


def Param(
    default: Any = _REQUIRED,
    *,
    doc: str = "",
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    choices: list[str] | None = None,
    auto: bool = False,
    per_member: bool = False,
    path: str = "",
    when: dict[str, list[str]] | None = None,
    declares: bool = False,
) -> Any:
    """Declares a parameter of a plugin:

        rate: float = Param(1.0, unit="1", gt=0, doc="decay rate")

    Its type is the hint: float, int, bool, str, or a list of float, int or str. Without
    a default the workflow must give it. ge, le, gt and lt are limits; choices are those
    of a str or of the items of a list. With auto the word "auto" leaves a number to the
    plugin, where it is None:

        width: float | None = Param("auto", auto=True, gt=0, doc="of the kernels")

    With per_member a number of a model can be estimated: the model is then called for
    one member after the other, with the member's own value set and setup called again.

    path says of a str or a list of them that its values are paths: of files and
    directories that a model reads, "input", or writes, "output", or of a program with its
    arguments, "program". A run refuses to be resumed when what it reads has changed.
    Relative paths start at dir:

        mesh: str = Param(path="input", doc="file of the mesh")

    when lists, by the names of parameters before this one, the choices with which it
    applies. Where it does not, it stays at its default; plume refuses any other value:

        cutoff: float = Param(0.0, ge=0, when={"scheme": ["local"]}, doc="of the taper")

    declares says of a list of str of a model that its items, "NAME = NUMBER", are parameters
    themselves, which can be estimated. The model finds their values in declared, of each
    member where they are estimated; setup is not called again for them.
    """
    limits = {"min": ge, "above": gt, "max": le, "below": lt}
    bounds = {k: v for k, v in limits.items() if v is not None}
    return Declaration(default, doc, unit, bounds, choices or [], auto, per_member, path, when or {}, declares)


def declarations(cls: type) -> dict[str, Declaration]:
    """Returns the parameters cls declares, in order; raises ContractError."""
    found: dict[str, Declaration] = {}
    for base in reversed(cls.__mro__):
        found |= {k: v for k, v in vars(base).items() if isinstance(v, Declaration)}
    hints = typing.get_type_hints(cls) if found else {}
    faults = []
    for name, p in found.items():
        hint = hints.get(name)
        if p.auto and hint == (float | None):
            hint = float
        p.name, p.type = name, _TYPES.get(hint, "")
        if not _NAME.match(name):
            faults.append(f"param {name}: name must be lower-case letters, digits and _")
        if not p.doc:
            faults.append(f"param {name}: doc is missing; say what it means: Param(..., doc=...)")
        if not p.type:
            faults.append(f"param {name}: type hint is {hints.get(name)}; want float, int, bool, str or a list of them")
        elif p.per_member and p.type != "float":
            faults.append(f"param {name}: per_member is for float, not {p.type}")
        elif p.path and (p.type not in ("string", "strings") or p.choices):
            faults.append(f"param {name}: path is for str and list[str] without choices")
        elif p.path not in ("", "input", "output") and (p.path, p.type) != ("program", "strings"):
            faults.append(
                f'param {name}: path is {literal(p.path)}; want "input", "output" or, of list[str], "program"'
            )
        elif p.auto and p.type != "float":
            faults.append(f"param {name}: auto is for float | None, not {p.type}")
        elif p.default is not _REQUIRED:
            try:
                p.default = p.check(p.default)
            except ConfigError as e:
                faults.append(f"param {name}: default: {e.what}")
        faults += [f"param {name}: {fault}" for fault in _when_faults(p, found)]
    if faults:
        raise ContractError("\n".join(faults), where=f"class {cls.__name__}")
    return found


_DECLARATION = re.compile(r"\s*([a-z][a-z0-9_]*)\s*=\s*(\S+)\s*")


def declared(lists: list[list[str]], by: Declaration | None = None) -> dict[str, float]:
    """Returns the parameters in items such as "rate = 0.5"; raises ConfigError."""
    found: dict[str, float] = {}
    for item in (item for items in lists for item in items):
        parts = _DECLARATION.fullmatch(item) if isinstance(item, str) else None
        try:
            value = float(parts[2]) if parts else math.nan
        except ValueError:
            value = math.nan
        if parts is None or not math.isfinite(value):
            raise ConfigError(f'got {item!r}, want "NAME = NUMBER"', where=by.name if by else "")
        found[parts[1]] = value
    return found


def _when_faults(p: Declaration, declared: dict[str, Declaration]) -> list[str]:
    """Returns what is wrong with the when of p, given all parameters in their order."""
    faults = []
    if p.when and p.default is _REQUIRED:
        faults.append("when requires a default, which the parameter has where it does not apply")
    before = list(declared)[: list(declared).index(p.name)]
    for name, choices in p.when.items():
        if name not in before:
            faults.append(f"when: {name} is not a parameter listed before it")
        elif declared[name].type != "string" or not declared[name].choices:
            faults.append(f"when: {name} has no choices")
        elif not choices or not isinstance(choices, list):
            faults.append(f"when: want a list of choices for {name}")
        else:
            there = declared[name].choices
            faults += [
                f'when: {name} has no choice "{c}", it has {", ".join(there)}' for c in choices if c not in there
            ]
    return faults


def _check_when(p: Declaration, declared: dict[str, Declaration], values: dict[str, Any]) -> None:
    """Raises ConfigError when p has another value than its default, but does not apply."""
    if p.default is _REQUIRED or values[p.name] == p.default:
        return
    for name, choices in p.when.items():
        if values[name] not in choices:
            want = f"{name} = {_either(choices, quote=True)}"
            raise ConfigError(
                f'applies only with {want}, but {name} is "{values[name]}"',
                where=p.name,
                hint=f"leave it at its default, {_default(p)}, or set {want}",
            )


def _either(choices: list[str], quote: bool = False) -> str:
    """Returns choices as words: ode, heun or sde."""
    words = [f'"{c}"' if quote else c for c in choices]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _condition(p: Declaration) -> str:
    """Returns in words when p applies; nothing when it always does."""
    return " and ".join(f"{name} = {_either(choices)}" for name, choices in p.when.items())


def resolve(declared: dict[str, Declaration], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a value for every declared parameter; raises ConfigError."""
    for name in given:
        if name not in declared:
            raise ConfigError("is no parameter", where=name, hint="there are: " + (", ".join(declared) or "none"))
    values = {}
    for name, p in declared.items():
        if name in given:
            values[name] = p.check(given[name])
        elif p.default is _REQUIRED:
            raise ConfigError("is required: " + p.wants(), where=name)
        else:
            values[name] = list(p.default) if isinstance(p.default, list) else p.default
    for p in declared.values():
        _check_when(p, declared, values)
    return values


def explain(declared: dict[str, Declaration]) -> list[str]:
    """Returns descriptions of parameters, as lines for people."""
    groups: dict[str, list[str]] = {}
    for name, p in declared.items():
        standing = "required" if p.default is _REQUIRED else f"default {_default(p)}"
        unit = "; dimensionless" if p.unit == "1" else f"; unit: {p.unit}" if p.unit else ""
        heading = "parameters" + (f" with {_condition(p)}" if p.when else "") + ":"
        lines = groups.setdefault(heading, [])
        lines += [f"  {name}", f"      {p.wants()}; {standing}{unit}", f"      {p.doc}"]
    return [line for heading, lines in groups.items() for line in (heading, *lines)]


def _default(p: Declaration) -> str:
    return literal(_AUTO if p.default is None else p.default)


def literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + " }"
    if isinstance(value, float):
        return "inf" if value == math.inf else "-inf" if value == -math.inf else repr(value)
    return json.dumps(value, ensure_ascii=False)


def _table(header: str, entries: dict[str, Any]) -> str:
    return f"\n{header}\n" + "".join(f"{k} = {literal(v)}\n" for k, v in entries.items())


def manifest(cls: Any, declared: dict[str, Declaration]) -> str:
    """Returns the text of the plugin.toml that cls stands for."""
    face = cls._face() | {k: True for k in ("fractions", "cutoffs", "smooths", "carries") if getattr(cls, k, False)}
    text = "".join(f"{k} = {literal(v)}\n" for k, v in face.items())
    for p in declared.values():
        entries: dict[str, Any] = {"name": p.name, "type": p.type}
        entries |= (
            {"required": True} if p.default is _REQUIRED else {"default": _AUTO if p.default is None else p.default}
        )
        entries |= {k: float(v) for k, v in p.limits.items()}
        entries |= {"choices": p.choices} if p.choices else {}
        entries |= {"auto": True} if p.auto else {}
        entries |= {"per_member": True} if p.per_member else {}
        entries |= {"path": p.path} if p.path else {}
        entries |= {"when": p.when} if p.when else {}
        entries |= {"declares": True} if p.declares else {}
        entries |= {"unit": p.unit} if p.unit else {}
        text += _table("[[param]]", entries | {"doc": p.doc})
    for citation in cls.citations:
        text += _table("[[citation]]", citation)
    threading: dict[str, Any] = {
        "concurrent_calls": cls.concurrent_calls,
        "independent_members": cls.independent_members,
    }
    if cls.max_members_per_call:
        threading["max_members_per_call"] = cls.max_members_per_call
    text += _table("[threading]", threading)
    return text + (_table("[example]", cls.example) if cls.example else "")
