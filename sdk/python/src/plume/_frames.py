"""plume.v1.Frame, read and written without copying its payload more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ._proto import plugin_pb2 as pb
from .errors import ContractError

MAX_PAYLOAD = 1 << 20
_HEADER, _END, _CHANNEL, _SHM, _IPC = 1, 2, 3, 4, 15


@dataclass
class Frame:
    """One message of a call."""

    header: Any = None
    end: Any = None
    channel: int = 0
    shm: Any = None
    ipc: memoryview = memoryview(b"")  # noqa: RUF009 - immutable

    def parts(self) -> Iterator[Frame]:
        """Returns the payload and the end, of which a frame may hold both."""
        if self.channel:
            yield Frame(channel=self.channel, shm=self.shm, ipc=self.ipc)
        if self.end is not None:
            yield Frame(end=self.end)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def parse(message: bytes) -> Frame:
    """Returns the frame of a message; its payload is a window on it."""
    frame, data, at = Frame(), memoryview(message), 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            number, kind = tag >> 3, tag & 7
            if kind not in (0, 2):
                raise ContractError(f"has a field {number} of kind {kind}", where="frame")
            value, at = _varint(data, at)
            if kind == 0:
                frame.channel = value if number == _CHANNEL else frame.channel
                continue
            body, at = data[at : at + value], at + value
            if at > len(data):
                raise ContractError("is cut", where="frame")
            if number == _HEADER:
                frame.header = pb.CallHeader.FromString(bytes(body))
            elif number == _END:
                frame.end = pb.CallEnd.FromString(bytes(body))
            elif number == _SHM:
                frame.shm = pb.Shared.FromString(bytes(body))
            elif number == _IPC:
                frame.ipc = body
    except IndexError:
        raise ContractError("is cut", where="frame") from None
    return frame


def field(number: int, body: bytes) -> bytes:
    """Returns a length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def varint(value: int) -> bytes:
    """Returns a protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def payload(channel: int, pieces: Iterable[memoryview], size: int) -> bytes:
    """Returns the message that carries pieces, of size bytes, of a channel."""
    return b"".join((varint(_CHANNEL << 3), varint(channel), varint(_IPC << 3 | 2), varint(size), *pieces))


def shared(channel: int, slot: int, length: int, generation: int) -> bytes:
    """Returns the message that says where a piece of a channel lies in shared memory."""
    where = b"".join((varint(1 << 3), varint(slot), varint(2 << 3), varint(length), varint(3 << 3), varint(generation)))
    return varint(_CHANNEL << 3) + varint(channel) + field(_SHM, where)


def end(message: Any) -> bytes:
    """Returns the message that ends an answer."""
    return field(_END, message.SerializeToString())
