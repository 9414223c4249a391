"""The services of a plugin: the protocol on one side, a class on the other."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf import any_pb2

from . import _frames, _shared
from ._calls import CALL, CARRY, CONFIGURE, ENSEMBLE, NAMES, OBSERVATIONS, Channels, Configuration, params_of
from ._proto import plugin_pb2 as pb
from ._transfer import Incoming, Outgoing, Source, carry_of, carry_segments
from .errors import ContractError, PlumeError, classify
from .params import declarations, manifest
from .roles import Plugin

Do = Callable[[Callable[[], Any]], Any]  # returns what a function without arguments does
_CODES = {
    "config": grpc.StatusCode.INVALID_ARGUMENT,
    "shape": grpc.StatusCode.INVALID_ARGUMENT,
    "diverged": grpc.StatusCode.FAILED_PRECONDITION,
    "resource": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "transient": grpc.StatusCode.UNAVAILABLE,
}
METHODS = {
    "model": ("Model", "Forecast"),
    "operator": ("ObservationOperator", "Observe"),
    "filter": ("Filter", "Analyse"),
}


class Server:
    """Answers the services of one plugin class."""

    def __init__(self, cls: type[Plugin], do: Do | None = None) -> None:
        self.cls, self.declared = cls, declarations(cls)
        self.do = do or (lambda work: work())  # calls of cls: in the thread of the call, or another
        self.manifest = manifest(cls, self.declared)
        self.configurations: dict[str, Configuration] = {}
        self.memories: dict[str, _shared.Memory] = {}
        self.records: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.host_gone = threading.Event()

    def register(self, server: Any) -> None:
        """Makes server answer."""
        role, name = METHODS[self.cls._role]
        unary = grpc.unary_unary_rpc_method_handler
        services: dict[str, dict[str, Any]] = {
            "plume.v1.Plugin": {
                "Describe": unary(self.describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString),
                "Configure": unary(self.configure, pb.ConfigureRequest.FromString,
                                   pb.ConfigureResponse.SerializeToString),
                "Share": unary(self.share, pb.ShareRequest.FromString, pb.ShareResponse.SerializeToString),
                "Session": grpc.stream_stream_rpc_method_handler(
                    self.session, pb.SessionRequest.FromString, pb.SessionEvent.SerializeToString),
            },
            f"plume.v1.{role}": {name: grpc.stream_stream_rpc_method_handler(self.call, None, None)},
        }  # fmt: skip
        for service, methods in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))

    def describe(self, request: Any, context: Any) -> Any:
        """Says what the plugin is."""
        # A stream that waits for its next call has a thread; where calls take turns there is one.
        features = ["grid.v1", "grid.v2", "numbers.v1", "float32.v1", *_shared.features()]
        if not self.cls.concurrent_calls:
            features.append("series.v1")
        return pb.DescribeResponse(manifest=self.manifest, protocol_minor=9, features=features)

    def share(self, request: Any, context: Any) -> Any:
        """Maps memory of the host."""
        try:
            self.memories[request.name] = _shared.Memory(request.name, request.path)
            return pb.ShareResponse()
        except PlumeError as e:
            abort(context, e)

    def session(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """Lasts as long as the host; carries log records."""

        def wait() -> None:
            try:
                for _ in requests:
                    pass
            except Exception:  # the connection is gone
                pass
            self.host_gone.set()
            self.records.put(None)

        threading.Thread(target=wait, daemon=True).start()
        while (record := self.records.get()) is not None:
            yield pb.SessionEvent(log=record)

    def configure(self, request: Any, context: Any) -> Any:
        """Makes one configuration."""
        try:
            c, response = self.do(lambda: CONFIGURE[self.cls._role](self.cls._made(params_of(request.params)), request))
            self.configurations[request.configuration] = c
            return response
        except BaseException as e:  # such as SystemExit, of which gRPC would tell nobody
            abort(context, classify(e))

    def call(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Answers the calls of one stream, one after the other."""
        while (first := next(messages, None)) is not None:
            yield from self.answer(first, messages, context)

    def answer(self, first: bytes, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Answers the call that begins with the message first."""
        taken: Outgoing | None = None
        try:
            request = Incoming(first, messages, self.memories)
            c, inputs = self.receive(request)
            answer, end = self.do(lambda: CALL[self.cls._role](c, request.header, inputs))
            taken = Outgoing(request.memory, context.is_active)
            last = b""  # the message before the end, where that can be joined to it
            for channel in request.header.wants:
                if channel == CARRY and channel not in answer:
                    continue
                if channel not in answer:
                    raise ContractError(f"channel {channel} is not offered", where="call")
                carried = channel == CARRY
                whole = carry_segments(answer[channel]) if carried else c.space(channel).encode(answer[channel])
                for message in taken.channel(channel, whole):
                    if not request.header.series:
                        yield message
                        continue
                    if last:
                        yield last
                    last = message
            inputs.clear()  # for the next call to use their memory
            answer.clear()
            yield last + _frames.end(end)
            if taken.taken:  # the host closes its side when it has read them all
                for _ in messages:
                    pass
        except GeneratorExit:  # the call is over
            raise
        except BaseException as e:
            abort(context, classify(e))
        finally:
            if taken is not None:
                taken.take_back()

    def receive(self, request: Incoming) -> tuple[Configuration, Channels]:
        """Reads a whole request."""
        h = request.header
        if (c := self.configurations.get(h.configuration)) is None:
            raise ContractError(f"there is no configuration {h.configuration!r}", where="call")
        inputs: Channels = {}
        for channel in h.sends:
            if channel == CARRY:
                inputs[channel] = carry_of(request, channel, h.members)
                request.ended(channel, NAMES[channel])
                continue
            rows = 1 if channel == OBSERVATIONS else h.members
            m = c.space(channel).decode(Source(request, channel), rows, NAMES[channel])
            request.ended(channel, NAMES[channel])
            inputs[channel] = m.view()
            inputs[channel].flags.writeable = False
        request.end()
        if ENSEMBLE not in inputs:
            raise ContractError("has no ensemble", where="call")
        return c, inputs


def abort(context: Any, e: PlumeError) -> None:
    """Ends a call with e as the detail of its status."""
    detail = pb.Error(
        kind=e.kind, where=e.where, what=e.what, hint=e.hint, stderr=e.stderr, trace=e.trace, exit_code=e.exit_code
    )
    code = _CODES.get(e.kind, grpc.StatusCode.INTERNAL)
    packed = any_pb2.Any()
    packed.Pack(detail)
    # google.rpc.Status: code, message, details.
    status = _frames.varint(1 << 3) + _frames.varint(code.value[0]) + _frames.field(2, str(e).encode())
    status += _frames.field(3, packed.SerializeToString())
    context.set_trailing_metadata((("grpc-status-details-bin", status),))
    context.abort(code, str(e))


class SessionHandler(logging.Handler):
    """Hands records of Python's logging to the host."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def emit(self, record: logging.LogRecord) -> None:
        level = next(
            n for n, least in (("error", 40), ("warn", 30), ("info", 20), ("debug", 0)) if record.levelno >= least
        )
        fields = {"logger": record.name}
        if record.exc_info:
            fields["trace"] = logging.Formatter().formatException(record.exc_info)
        self.server.records.put(pb.LogRecord(level=level, message=record.getMessage(), fields=fields))
