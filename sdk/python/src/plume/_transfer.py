"""The channels of a call on their way in and out, in frames or in shared memory."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _frames
from ._shared import LEAST, Memory
from .errors import ContractError


class Incoming:
    """A request that begins with the message first: its header, and its channels one
    after the other."""

    def __init__(self, first_message: bytes, messages: Iterator[bytes], memories: dict[str, Memory]) -> None:
        self._messages = messages
        first = _frames.parse(first_message)
        if first.header is None:
            raise ContractError("does not start with a CallHeader", where="call")
        self.header: Any = first.header
        self.memory = memories.get(first.header.shm)
        if first.header.shm and self.memory is None:
            raise ContractError(f"there is no shared memory {first.header.shm!r}", where="call")
        self._frame = _frames.Frame()
        self._frames = deque(first.parts())  # that came joined
        self._piece, self._at = self._frame.ipc, 0

    def _more(self, channel: int) -> bool:
        """Says whether there is more of a channel, and goes to the next frame for it."""
        while self._at == len(self._piece):
            if self._frame.channel == 0 and self._frame.end is None:
                self._frame = self._next()
            if self._frame.end is not None or self._frame.channel != channel:
                return False
            self._piece, self._at = self._frame.ipc, 0
            if (shm := self._frame.shm) is not None:
                if self.memory is None:
                    raise ContractError("its payload is in shared memory, of which the call has none", where="frame")
                self._piece = self.memory.received(shm.slot, shm.length, shm.generation)
            if not len(self._piece):
                self._frame = _frames.Frame()
        return True

    def _next(self) -> _frames.Frame:
        """Returns the next frame; those that came joined come one by one."""
        while not self._frames:
            if (message := next(self._messages, None)) is None:
                raise ContractError("ended without a CallEnd", where="call")
            self._frames.extend(_frames.parse(message).parts())
        return self._frames.popleft()

    def _passed(self, n: int) -> None:
        """Goes on by n bytes, and frees the slot that is behind."""
        self._at += n
        if self._at == len(self._piece):
            shm = self._frame.shm
            if shm is not None and self.memory is not None and not self.memory.done(shm.slot, shm.generation):
                raise ContractError("a payload in shared memory was taken back before it was read", where="call")
            self._frame = _frames.Frame()

    def readinto(self, channel: int, room: memoryview) -> int:
        """Fills room with what comes next of a channel, and returns how much that was:
        less than there is room for at its end alone."""
        filled = 0
        while filled < len(room) and self._more(channel):
            k = min(len(room) - filled, len(self._piece) - self._at)
            room[filled : filled + k] = self._piece[self._at : self._at + k]
            filled += k
            self._passed(k)
        return filled

    def read(self, channel: int, n: int) -> bytes:
        """Returns the next n bytes of a channel, fewer at its end alone."""
        if n and self._more(channel) and (end := self._at + n) <= len(self._piece):
            piece = bytes(self._piece[self._at : end])
            self._passed(n)
            return piece
        room = bytearray(n)
        return bytes(room[: self.readinto(channel, memoryview(room))])

    def ended(self, channel: int, name: str) -> None:
        """Checks that nothing follows the end of a channel."""
        if self._at < len(self._piece):
            raise ContractError("goes on after its end", where=f"channel {name}")

    def end(self) -> None:
        """Reads the end of the request."""
        if self._more(0) or self._frame.end is None:
            raise ContractError("holds more than its header says", where="call")


def carry_of(request: Incoming, channel: int, members: int) -> list[bytes]:
    """Reads what members carry: their number, the length of the bytes of each, and the bytes."""
    head = request.read(channel, 8 * (1 + members))
    if len(head) < 8 * (1 + members):
        raise ContractError("ends before all lengths", where="channel carry")
    count, *lengths = struct.unpack(f"<{1 + members}Q", head)
    if count != members:
        raise ContractError(f"is of {count} members, want {members}", where="channel carry")
    carry = [request.read(channel, length) for length in lengths]
    if any(len(b) < length for b, length in zip(carry, lengths, strict=True)):
        raise ContractError("ends before the bytes of all members", where="channel carry")
    return carry


def carry_segments(carry: list[bytes]) -> list[bytes]:
    """Returns what carry_of reads; many small pieces as one."""
    segments = [struct.pack(f"<{1 + len(carry)}Q", len(carry), *map(len, carry)), *carry]
    return [b"".join(segments)] if sum(map(len, carry)) < _frames.MAX_PAYLOAD else segments


class Source:
    """One channel of a request as the file that nanoarrow wants to read, which keeps of an
    exception no more than its text."""

    def __init__(self, request: Incoming, channel: int) -> None:
        self._request, self._channel = request, channel
        self.failed: Exception | None = None

    def readinto(self, room: Any) -> int:
        """Fills room with the next bytes, and returns how many there were."""
        try:
            return self._request.readinto(self._channel, memoryview(room).cast("B"))
        except Exception as e:
            self.failed = e
            raise


class Outgoing:
    """An answer: makes messages of its channels."""

    def __init__(self, memory: Memory | None, alive: Callable[[], bool]) -> None:
        self._memory, self._alive = memory, alive
        self.taken: dict[int, int] = {}  # slots, and the generation each was last taken with

    def channel(self, channel: int, segments: Iterable[Any]) -> Iterator[bytes]:
        """Returns the messages that carry segments, which must not change until the
        call has ended."""
        held: list[memoryview] = []
        size = 0
        for segment in segments:
            view = memoryview(segment).cast("B")
            while len(view):
                head = view[: _frames.MAX_PAYLOAD - size]
                held.append(head)
                view, size = view[len(head) :], size + len(head)
                if size == _frames.MAX_PAYLOAD:
                    yield self._frame(channel, held, size)
                    held, size = [], 0
        if size:
            yield self._frame(channel, held, size)

    def _frame(self, channel: int, pieces: list[memoryview], size: int) -> bytes:
        if self._memory is not None and size >= LEAST and (taken := self._memory.take(self._alive)):
            slot, generation = taken
            self.taken[slot] = generation
            self._memory.fill(slot, pieces)
            return _frames.shared(channel, slot, size, generation)
        return _frames.payload(channel, pieces, size)

    def take_back(self) -> None:
        """Frees the slots of the call, which has ended."""
        for slot, generation in self.taken.items():
            if self._memory is not None:
                self._memory.take_back(slot, generation)
