"""Keeps standard output for the handshake with the host."""

import os
import sys

COOKIE = ("PLUME_PLUGIN", "plume.v1")


def _protect() -> int | None:
    """Returns standard output under another number and points number 1 at standard
    error; None in a process that no host has started.

    What was printed before is still in Python's buffer, and goes to standard error
    as well. Programs that the plugin starts are not plugins: their standard output is
    their own."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        return None
    del os.environ[COOKIE[0]]
    out = os.dup(1)
    os.dup2(2, 1)
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return out


handshake = _protect()
