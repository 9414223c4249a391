"""Memory shared with the host: the feature shm.v2, as plugin.proto describes it."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from collections.abc import Callable

from .errors import ContractError, ResourceError

SLOTS, SLOT_BYTES, LEAST = 3, 1 << 20, 32 << 10  # LEAST: smaller payloads stay in their frames
_NAME, _STRIDE, _HEAD = 64, 64, 4 << 10
_SIZE = _HEAD + 2 * SLOTS * SLOT_BYTES
_PATIENCE, _PAUSE = 5e-3, 2e-5  # seconds: how long a sender waits for a slot, and between looks


def features() -> list[str]:
    """Returns what of shared memory works on this system."""
    return ["shm.v2"] if sys.platform == "linux" and sys.byteorder == "little" else []


class Memory:
    """The plugin's view: slots 0 to 2 come from the host, 3 to 5 go to it.

    Each word has one writer, and threads of this process take turns. A word lies in
    eight bytes of their own, which CPython reads and writes at once."""

    def __init__(self, name: str, path: str) -> None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                if (size := os.fstat(fd).st_size) != _SIZE:
                    raise ResourceError(f"{path} has {size} bytes; want {_SIZE}", where="shared memory")
                memory = memoryview(mmap.mmap(fd, _SIZE))
            finally:
                os.close(fd)
        except OSError as e:
            raise ResourceError(str(e), where="shared memory") from e
        if not 0 < len(name) <= _NAME or memory[: len(name)] != name.encode():
            raise ResourceError(f"{path} is another file here", where="shared memory")
        words = memory[_NAME : _NAME + 4 * SLOTS * _STRIDE].cast("Q")[:: _STRIDE // 8]
        self._taken, self._read = words[::2], words[1::2]
        self._slots = [memory[at : at + SLOT_BYTES] for at in range(_HEAD, _SIZE, SLOT_BYTES)]
        self._turn = threading.Lock()

    def take(self, alive: Callable[[], bool]) -> tuple[int, int] | None:
        """Returns a slot to send in and its generation, or None: there is none in time."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            with self._turn:
                for slot in range(SLOTS, 2 * SLOTS):
                    taken = self._taken[slot]
                    if taken % 2 == 0 or self._read[slot] == taken:
                        self._taken[slot] = taken + 1 + taken % 2
                        return slot, taken + 1 + taken % 2
            if time.monotonic() > deadline or not alive():
                return None
            time.sleep(_PAUSE)

    def fill(self, slot: int, pieces: list[memoryview]) -> None:
        """Copies pieces into a slot that was taken."""
        into, at = self._slots[slot], 0
        for piece in pieces:
            into[at : at + len(piece)] = piece
            at += len(piece)

    def take_back(self, slot: int, generation: int) -> None:
        """Frees a slot at the end of its call, unless it has been taken again since."""
        with self._turn:
            if self._taken[slot] == generation:
                self._taken[slot] = generation + 1

    def received(self, slot: int, length: int, generation: int) -> memoryview:
        """Returns the payload in a slot that the host says it has filled."""
        if not (0 <= slot < SLOTS and length <= SLOT_BYTES and generation % 2):
            raise ContractError(f"{length} bytes in slot {slot} of generation {generation}", where="frame")
        return self._slots[slot][:length]

    def done(self, slot: int, generation: int) -> bool:
        """Says that a slot has been read; False when it had been taken back, so that
        what was read may be anything."""
        with self._turn:  # two turns: what was read was read before the host hears of it, on any processor
            if self._taken[slot] != generation:
                return False
        with self._turn:
            self._read[slot] = generation
        return True
