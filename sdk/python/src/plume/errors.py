"""Errors that say who must act. They cross to the host as they are."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

_HERE = os.path.dirname(os.path.abspath(__file__))


class PlumeError(Exception):
    """An error of a plugin: where, what happened (got, want), and a hint."""

    kind = "bug"

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint
        self.trace, self.stderr = "", ""
        self.exit_code: int | None = None

    def __str__(self) -> str:
        return (f"{self.where}: " if self.where else "") + self.what + (f"; {self.hint}" if self.hint else "")


class ConfigError(PlumeError):
    """The user must act: a parameter or a combination of them is wrong."""

    kind = "config"


class ShapeError(PlumeError):
    """The user must act: sizes of model, operator and filter do not fit together."""

    kind = "shape"


class DivergedError(PlumeError):
    """The user must act: the numbers left the range where the method works.

    Raised in a ``..._member`` method of a model it concerns that member alone, which
    is listed as failed."""

    kind = "diverged"


class ExternalProgramError(PlumeError):
    """The user must act: a program the plugin called failed."""

    kind = "external-program"

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", exit_code: int | None = None, stderr: str = ""
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.exit_code, self.stderr = exit_code, stderr


class ResourceError(PlumeError):
    """The user must act: memory or disk ran out."""

    kind = "resource"


class TransientError(PlumeError):
    """Nobody must act: the same call may succeed when repeated."""

    kind = "transient"


class ContractError(PlumeError):
    """The author of the plugin must act: it broke a promise."""

    kind = "contract"


def classify(error: BaseException, where: str = "") -> PlumeError:
    """Returns error as a PlumeError. One that the plugin did not classify is a bug,
    placed at its last line outside of this package; its trace begins there. Only the
    trace has more than one line."""
    if isinstance(error, PlumeError):
        error.where = ": ".join(w for w in (where, error.where) if w)
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not _of_kit(f.filename)] or frames
    lines = [f for f in own if "site-packages" not in f.filename] or own
    place = f"{_name(lines[-1].filename)}:{lines[-1].lineno}, in {lines[-1].name}" if lines else ""
    what = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())
    result: PlumeError
    if isinstance(error, MemoryError):
        result = ResourceError(what, hint="fewer members or a smaller state need less memory")
    elif isinstance(error, ValueError) and "read-only" in str(error):
        result = ContractError(f"the call modifies its input: {what}", hint="a request is read-only; work on a copy")
    elif isinstance(error, SystemExit):
        result = PlumeError(what, hint="plume ends the process; raise an error in place of sys.exit")
    else:
        result = PlumeError(what)
    result.where = ": ".join(w for w in (where, place) if w)
    result.trace = "".join(traceback.format_list(own) + traceback.format_exception_only(error))[-8000:]
    return result


def from_first_own_line(error: BaseException) -> BaseException:
    """Returns error with a traceback that begins at its first line outside of this package."""
    at: TracebackType | None = error.__traceback__
    while at is not None and _of_kit(at.tb_frame.f_code.co_filename):
        at = at.tb_next
    return error if at is None else error.with_traceback(at)


def _of_kit(file: str) -> bool:
    return os.path.dirname(os.path.abspath(file)) == _HERE


def _name(file: str) -> str:
    """Returns the name of a file for people; that of a cell of a notebook, such as In[3]."""
    if (ipython := sys.modules.get("IPython")) and (shell := ipython.get_ipython()):
        found = getattr(shell.compile, "format_code_name", lambda _: None)(file)
        if found:
            return str(found[1])
    return os.path.basename(file)
