"""The services of a plugin: the protocol on one side, a class on the other."""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
from google.protobuf import any_pb2, json_format

from . import _frames, _wire
from ._proto import plugin_pb2 as pb
from .errors import ConfigError, ContractError, DivergedError, PlumeError, classify
from .layout import Coordinates, Layout, Variable, layout_of
from .params import declarations, manifest, resolve
from .roles import (
    Analysis,
    ErrorModel,
    Filter,
    Forecast,
    Model,
    ObservationOperator,
    Plugin,
    Problem,
    check_finite,
    matrix,
    observed_layout,
)  # fmt: skip
from .streams import Streams, generator

ENSEMBLE, PREDICTED, SIMULATED, OBSERVATIONS, LOG_LIKELIHOOD, GRADIENT = range(1, 7)
_NAMES = ("", "ensemble", "predicted", "simulated", "observations", "log_likelihood", "gradient")

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


class Configuration:
    """A configured plugin with the layouts of its matrices."""

    def __init__(self, plugin: Any, state: Layout, observations: Layout | None) -> None:
        self.plugin, self.state, self.observations = plugin, state, observations

    def layout(self, channel: int) -> Layout:
        layout = self.state if channel in (ENSEMBLE, GRADIENT) else self.observations
        if layout is None or not 0 < channel < len(_NAMES):
            raise ContractError(f"channel {channel} does not belong to this role", where="call")
        return layout


class Server:
    """Answers the services of one plugin class."""

    def __init__(self, cls: type[Plugin]) -> None:
        self.cls, self.declared = cls, declarations(cls)
        self.manifest = manifest(cls, self.declared)
        self.configurations: dict[str, Configuration] = {}
        self.records: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.host_gone = threading.Event()

    def register(self, server: Any) -> None:
        """Makes server answer."""
        role, name = METHODS[self.cls._role]
        unary = grpc.unary_unary_rpc_method_handler
        services: dict[str, dict[str, Any]] = {
            "plume.v1.Plugin": {
                "Describe": unary(lambda _, c: pb.DescribeResponse(manifest=self.manifest, protocol_minor=1),
                                  pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString),
                "Configure": unary(self.configure, pb.ConfigureRequest.FromString,
                                   pb.ConfigureResponse.SerializeToString),
                "Session": grpc.stream_stream_rpc_method_handler(
                    self.session, pb.SessionRequest.FromString, pb.SessionEvent.SerializeToString),
            },
            f"plume.v1.{role}": {name: grpc.stream_stream_rpc_method_handler(self.call, None, None)},
        }  # fmt: skip
        for service, methods in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))

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
            plugin = self.cls()
            for name, value in resolve(self.declared, params_of(request.params)).items():
                setattr(plugin, name, value)
            c, response = _CONFIGURE[self.cls._role](plugin, request)
            self.configurations[request.configuration] = c
            return response
        except Exception as e:
            abort(context, classify(e))

    def call(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Answers one call of the plugin's role."""
        try:
            header, c, pieces = self.receive(messages)
            inputs = {
                channel: _wire.decode(
                    c.layout(channel),
                    pieces.get(channel, []),
                    1 if channel == OBSERVATIONS else header.members,
                    _NAMES[channel],
                )
                for channel in header.sends
            }
            if ENSEMBLE not in inputs:
                raise ContractError("has no ensemble", where="call")
            for m in inputs.values():
                m.flags.writeable = False
            answer, end = _CALL[self.cls._role](c, header, inputs)
            for channel in header.wants:
                if channel not in answer:
                    raise ContractError(f"channel {channel} is not offered", where="call")
                stream = memoryview(_wire.encode(c.layout(channel), answer[channel]))
                for at in range(0, len(stream), _frames.MAX_PAYLOAD):
                    yield _frames.payload(channel, stream[at : at + _frames.MAX_PAYLOAD])
            yield _frames.end(end)
        except Exception as e:
            abort(context, classify(e))

    def receive(self, messages: Iterator[bytes]) -> tuple[Any, Configuration, dict[int, list[Any]]]:
        """Reads a whole request."""
        first = _frames.parse(next(messages, b""))
        if first.header is None:
            raise ContractError("does not start with a CallHeader", where="call")
        if (c := self.configurations.get(first.header.configuration)) is None:
            raise ContractError(f"there is no configuration {first.header.configuration!r}", where="call")
        pieces: dict[int, list[Any]] = {}
        for message in messages:
            frame = _frames.parse(message)
            if len(frame.ipc):
                pieces.setdefault(frame.channel, []).append(frame.ipc)
            if frame.end is not None:
                return first.header, c, pieces
        raise ContractError("ended without a CallEnd", where="call")


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


def params_of(struct: Any) -> dict[str, Any]:
    """Returns the parameters of a request."""
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return values


def layout_from(message: Any) -> Layout:
    """Returns the layout of a message."""
    variables = tuple(Variable(v.name, v.unit, tuple(v.shape), tuple(v.dims)) for v in message.variables)
    if not message.HasField("coordinates"):
        return Layout(variables)
    c = message.coordinates
    points = np.array(c.points).reshape(-1, len(c.dims))
    return Layout(variables, Coordinates(tuple(c.dims), points, tuple(c.period)))


def layout_to(layout: Layout) -> Any:
    """Returns the message of a layout."""
    message = pb.Layout(
        variables=[pb.Variable(name=v.name, shape=v.shape, dims=v.dims, unit=v.unit) for v in layout.variables]
    )
    if (c := layout.coordinates) is not None:
        points = np.asarray(c.points, dtype=float)
        if points.shape != (layout.size, len(c.dims)):
            raise ContractError(f"have shape {points.shape}, want {(layout.size, len(c.dims))}", where="coordinates")
        message.coordinates.dims.extend(c.dims)
        message.coordinates.period.extend(c.period or [0.0] * len(c.dims))
        message.coordinates.points.extend(points.ravel())
    return message


def _configure_model(plugin: Model, r: Any) -> tuple[Configuration, Any]:
    if r.step and not plugin.step:
        raise ConfigError(f"the model has no time step, but {r.step:g} was given", where="step", hint="leave it out")
    if r.step < 0 or not math.isfinite(r.step):
        raise ConfigError(f"must be a number above 0, but is {r.step:g}", where="step")
    plugin.step, plugin.dir = r.step or plugin.step, r.dir
    plugin.setup()
    layout = layout_of(plugin.variables, plugin.coordinates)
    return Configuration(plugin, layout, None), pb.ConfigureResponse(state=layout_to(layout))


def _configure_operator(plugin: ObservationOperator, r: Any) -> tuple[Configuration, Any]:
    if r.error.dist not in plugin.errors:
        raise ConfigError(f'must be one of {", ".join(plugin.errors)}, but is "{r.error.dist}"', where="error.dist")
    sd = np.array(r.error.sd)
    if len(sd) == 0 or not np.all(np.isfinite(sd) & (sd > 0)):
        raise ConfigError(f"must be above 0 and finite, but is {sd.tolist()}", where="error.sd")
    plugin.state, plugin.error = layout_from(r.state), ErrorModel(r.error.dist, sd, r.error.df)
    plugin.setup()
    layout = observed_layout(plugin)
    space = pb.ObservationSpace(layout=layout_to(layout), offers=plugin._offers(layout))
    return Configuration(plugin, plugin.state, layout), pb.ConfigureResponse(observations=space)


def _configure_filter(plugin: Filter, r: Any) -> tuple[Configuration, Any]:
    plugin.state, plugin.observations = layout_from(r.state), layout_from(r.observations.layout)
    plugin.members = r.members
    plugin.setup()
    return Configuration(plugin, plugin.state, plugin.observations), pb.ConfigureResponse(needs=list(plugin.needs))


def _forecast(c: Configuration, h: Any, inputs: dict[int, Any]) -> tuple[dict[int, Any], Any]:
    rng = Streams((h.seed_hi, h.seed_lo), h.first_member, h.members)
    result = c.plugin.forecast(inputs[ENSEMBLE], h.time_from, h.time_to, rng)
    result = result if isinstance(result, Forecast) else Forecast(result)
    m, failed = matrix(result.ensemble, inputs[ENSEMBLE].shape, "forecast"), set(result.failures)
    if not failed <= set(range(h.members)):
        raise ContractError(f"rows {sorted(failed)} are listed as failed; want 0 to {h.members - 1}", where="forecast")
    check_finite(m, c.state, "forecast", failed)
    kept = [i for i in range(h.members) if i not in failed]
    failures = [pb.MemberFailure(member=i, reason=reason) for i, reason in sorted(result.failures.items())]
    end = pb.CallEnd(members=len(kept), failures=failures, metrics=result.metrics)
    return {ENSEMBLE: m[kept] if failed else m}, end


def _observe(c: Configuration, h: Any, inputs: dict[int, Any]) -> tuple[dict[int, Any], Any]:
    p, x, t, layout = c.plugin, inputs[ENSEMBLE], h.time_from, c.layout(PREDICTED)
    shape = (h.members, layout.size)
    predicted = matrix(p.observe(x, t), shape, "observe")
    check_finite(predicted, layout, "observe", set())
    answer = {PREDICTED: predicted}
    if SIMULATED in h.wants:
        rng = Streams((h.seed_hi, h.seed_lo), h.first_member, h.members)
        answer[SIMULATED] = matrix(p.simulate(predicted, x, t, rng), shape, "simulate")
        check_finite(answer[SIMULATED], layout, "simulate", set())
    if LOG_LIKELIHOOD in h.wants:
        if OBSERVATIONS not in inputs:
            raise ContractError("log_likelihood is wanted without observations", where="call")
        y = inputs[OBSERVATIONS][0]
        values = matrix(p.log_likelihood(predicted, x, y, t), shape, "log_likelihood")
        answer[LOG_LIKELIHOOD] = np.where(np.isnan(y), 0.0, values)
        check_finite(answer[LOG_LIKELIHOOD], layout, "log_likelihood", set(), impossible=True)
    end = pb.CallEnd(members=h.members)
    if "error_variance" in p._offers(layout):
        end.error_variance.extend(np.broadcast_to(np.asarray(p.error_variance(), dtype=float), (layout.size,)))
    return answer, end


def _analyse(c: Configuration, h: Any, inputs: dict[int, Any]) -> tuple[dict[int, Any], Any]:
    n = h.members
    try:
        check_finite(inputs[ENSEMBLE], c.state, "forecast ensemble", set())
    except ContractError as e:
        raise DivergedError(e.what, where="forecast ensemble") from None
    weights = np.array(h.log_weights) if h.log_weights else np.full(n, -np.log(n))
    problem = Problem(
        ensemble=inputs[ENSEMBLE], observation=inputs[OBSERVATIONS][0], predicted=inputs.get(PREDICTED),
        simulated=inputs.get(SIMULATED), log_likelihood=inputs.get(LOG_LIKELIHOOD), gradient=inputs.get(GRADIENT),
        error_variance=np.array(h.error_variance) if h.error_variance else None, log_weights=weights,
        carry=h.carry, cycle=h.cycle, time=h.time_from, rng=generator((h.seed_hi, h.seed_lo), 0),
    )  # fmt: skip
    result = c.plugin.analyse(problem)
    result = result if isinstance(result, Analysis) else Analysis(result)
    m = matrix(result.ensemble, inputs[ENSEMBLE].shape, "analyse")
    check_finite(m, c.state, "analyse", set())
    end = pb.CallEnd(members=n, metrics=result.metrics, carry=result.carry)
    if result.log_weights is not None:
        end.log_weights.extend(np.asarray(result.log_weights, dtype=float))
    if result.ancestors is not None:
        end.ancestors.extend(int(i) for i in result.ancestors)
    return {ENSEMBLE: m}, end


_Configure = Callable[[Any, Any], tuple[Configuration, Any]]
_Call = Callable[[Configuration, Any, dict[int, Any]], tuple[dict[int, Any], Any]]
_CONFIGURE: dict[str, _Configure] = {
    "model": _configure_model, "operator": _configure_operator, "filter": _configure_filter,
}  # fmt: skip
_CALL: dict[str, _Call] = {"model": _forecast, "operator": _observe, "filter": _analyse}


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
        self.server.records.put(pb.LogRecord(level=level, message=self.format(record), fields=fields))
