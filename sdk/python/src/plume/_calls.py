"""What a plugin is asked, made of messages, and what it answers, checked."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from google.protobuf import json_format

from ._proto import plugin_pb2 as pb
from ._wire import Space
from .errors import ConfigError, ContractError, DivergedError, TransientError, classify
from .layout import Coordinates, Layout, Variable, state_of
from .params import Declaration, declarations, declared
from .roles import (
    Analysis,
    Array,
    ErrorModel,
    Filter,
    Forecast,
    Model,
    ObservationOperator,
    Observed,
    Problem,
    check_finite,
    matrix,
    observed_layout,
    vector,
)  # fmt: skip
from .streams import Streams, generator

ENSEMBLE, PREDICTED, SIMULATED, OBSERVATIONS, LOG_LIKELIHOOD, GRADIENT, PARAMETERS, CARRY = range(1, 9)
NAMES = ("", "ensemble", "predicted", "simulated", "observations", "log_likelihood", "gradient", "parameters", "carry")
Channels = dict[int, Any]  # matrices, and of CARRY a list of bytes


class Configuration:
    """A configured plugin with the layouts of its matrices."""

    def __init__(
        self, plugin: Any, state: Space, observations: Layout | None, per_member: tuple[str, ...] = ()
    ) -> None:
        self.plugin, self.per_member, self.state = plugin, per_member, state
        self.observations = Space(observations) if observations else None
        self.parameters = Space(Layout(tuple(Variable(name) for name in per_member))) if per_member else None

    def space(self, channel: int) -> Space:
        """Returns what moves the matrix of a channel."""
        own = {ENSEMBLE: self.state, GRADIENT: self.state, PARAMETERS: self.parameters}
        space = own.get(channel, self.observations)
        if space is None or not 0 < channel < CARRY:
            raise ContractError(f"channel {channel} does not belong to this role", where="call")
        return space


def params_of(struct: Any) -> dict[str, Any]:
    """Returns the parameters of a request."""
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return values


def layout_from(message: Any) -> Layout:
    """Returns the layout of a message."""
    variables = tuple(Variable(v.name, v.unit, tuple(v.shape), tuple(v.dims), v.diagnostic) for v in message.variables)
    if not message.HasField("coordinates"):
        return Layout(variables)
    c = message.coordinates
    return Layout(variables, Coordinates(tuple(c.dims), _points(c), tuple(c.period)))


def _points(c: Any) -> Any:
    """Returns the points of coordinates: those that are listed, or those of the rule, see GridPart in plugin.proto."""
    if not c.grid:
        return np.array(c.points).reshape(-1, len(c.dims))
    parts = []
    for part in c.grid:
        value = part.first + part.stride * np.arange(part.count)
        parts.append(np.column_stack([a.spacing * (value // a.every % a.length) + a.origin for a in part.axes]))
    return np.concatenate(parts)


def layout_to(layout: Layout) -> Any:
    """Returns the message of a layout."""
    message = pb.Layout(
        variables=[
            pb.Variable(name=v.name, shape=v.shape, dims=v.dims, unit=v.unit, diagnostic=v.diagnostic)
            for v in layout.variables
        ]
    )
    if (c := layout.coordinates) is not None:
        message.coordinates.dims.extend(c.dims)
        message.coordinates.period.extend(c.period if len(c.period) else [0.0] * len(c.dims))
        message.coordinates.points.extend(np.ravel(c.points))
    return message


def _configure_model(plugin: Model, r: Any) -> tuple[Configuration, Any]:
    if r.step and not plugin.step:
        raise ConfigError(f"the model has no time step, but {r.step:g} was given", where="step", hint="leave it out")
    if r.step < 0 or not math.isfinite(r.step):
        raise ConfigError(f"must be a number above 0, but is {r.step:g}", where="step")
    lists = [getattr(plugin, name) for name, p in declarations(type(plugin)).items() if p.declares]
    plugin.declared = declared(lists)
    for name in r.per_member:
        own = getattr(type(plugin), name, None)
        if name not in plugin.declared and (not isinstance(own, Declaration) or not own.per_member):
            raise ConfigError("cannot have a value for each member of the ensemble", where=name)
    plugin.step, plugin.dir = r.step or plugin.step, r.dir
    if r.HasField("dates"):
        plugin.dates = {"start": r.dates.start, "unit_seconds": r.dates.seconds, "calendar": r.dates.calendar}
    plugin.setup()
    layout = state_of(plugin.variables, plugin.diagnostics, plugin.coordinates)
    plugin._size = layout.size
    space = Space(layout, np.float32 if r.single else np.float64)
    return Configuration(plugin, space, None, tuple(r.per_member)), pb.ConfigureResponse(state=layout_to(layout))


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
    return Configuration(plugin, Space(plugin.state), layout), pb.ConfigureResponse(observations=space)


def _states(state: Layout, past: int) -> Layout:
    """Returns the layout of an ensemble that holds states of earlier times, too."""
    if past == 0:
        return state
    before = (replace(v, name=f"{v.name}@{k + 1}") for k in range(past) for v in state.variables)
    return Layout((*state.variables, *before))


def _configure_filter(plugin: Filter, r: Any) -> tuple[Configuration, Any]:
    plugin.state, plugin.observations = layout_from(r.state), layout_from(r.observations.layout)
    plugin.offers, plugin.members, plugin.past = tuple(r.observations.offers), r.members, r.past
    cutoffs = np.array(r.observations.cutoffs or np.zeros(plugin.observations.size))
    if cutoffs.shape != (plugin.observations.size,):
        raise ContractError(f"{cutoffs.size} cutoffs for {plugin.observations.size} values", where="observations")
    plugin.observation_cutoffs = cutoffs
    if r.past and not plugin.smooths:
        raise ContractError(f"{r.past} earlier times, for a filter that does not smooth", where="configure")
    plugin.setup()
    if isinstance(plugin.needs, str):
        raise ContractError(f'is "{plugin.needs}"', where="needs", hint=f'want a list, ("{plugin.needs}",)')
    return Configuration(plugin, Space(_states(plugin.state, r.past)), plugin.observations), pb.ConfigureResponse(
        needs=list(plugin.needs)
    )


def _numbers(h: Any) -> Sequence[int]:
    """Returns the numbers of the members of a call, by row."""
    if h.numbers and len(h.numbers) != h.members:
        raise ContractError(f"{len(h.numbers)} numbers of {h.members} members", where="call")
    return tuple(h.numbers) or range(h.first_member, h.first_member + h.members)


def _streams(h: Any) -> Streams:
    return Streams((h.seed_hi, h.seed_lo), _numbers(h), h.cycle)


def _metrics(values: Any) -> dict[str, float]:
    """Returns the numbers a plugin reports; raises ContractError."""
    if not isinstance(values, Mapping):
        raise ContractError(f"are {type(values).__name__}, want a dict, {{name: number}}", where="metrics")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, numbers.Real):
            got = f"{type(name).__name__}: {type(value).__name__}"
            raise ContractError(f"{name!r} is {got}, want str: float", where="metrics")
    return {name: float(value) for name, value in values.items()}


_HINT_FAILED = "a member that cannot be computed is listed in Forecast(failures=...)"


def _forecast(c: Configuration, h: Any, inputs: Channels) -> tuple[Channels, Any]:
    x = _without_diagnostics(c.state.layout, inputs[ENSEMBLE])
    carry = inputs.get(CARRY, [b""] * h.members) if c.plugin.carries else []
    if c.per_member and c.plugin.batched:
        result = _ask(_with(c, inputs[PARAMETERS].T[:, :, None]), h, x, _streams(h), carry)
    elif c.per_member:
        result = _forecast_each(c, h, x, inputs[PARAMETERS], carry)
    else:
        result = _ask(c.plugin, h, x, _streams(h), carry)
    if not isinstance(result.failures, Mapping):
        raise ContractError(f"are {result.failures!r}; want a dict, {{row: reason}}", where="failures")
    m, failed = matrix(result.ensemble, (len(x), c.state.layout.size), ""), set(result.failures)
    if wrong := [row for row in failed if row not in range(h.members)]:
        raise ContractError(f"rows {wrong} are listed as failed; want 0 to {h.members - 1}", where="failures")
    check_finite(m, c.state.layout, "", _numbers(h), failed, hint=_HINT_FAILED)
    kept = [i for i in range(h.members) if i not in failed]
    failures = [
        pb.MemberFailure(
            member=i, reason=str(why), retryable=isinstance(why, TransientError), kind=getattr(why, "kind", "")
        )
        for i, why in sorted(result.failures.items())
    ]
    end = pb.CallEnd(members=len(kept), failures=failures, metrics=_metrics(result.metrics))
    answer: Channels = {ENSEMBLE: m[kept] if failed else m}
    if result.carry is not None:
        carried = _carried(c.plugin, result.carry, h.members)
        if any(carried[i] for i in kept):
            answer[CARRY] = [carried[i] for i in kept]
    return answer, end


def _without_diagnostics(layout: Layout, x: Array) -> Array:
    """Returns the columns of x that a model goes on from, read-only like x."""
    kept = sum(v.size for v in layout.variables if not v.diagnostic)
    if kept == layout.size:
        return x
    x = np.ascontiguousarray(x[:, :kept])
    x.flags.writeable = False
    return x


def _ask(plugin: Model, h: Any, x: Array, streams: Streams, carry: list[bytes]) -> Forecast:
    """Returns the forecast of members, of which a model that carries gets what they carry."""
    ask: Any = plugin.forecast  # whose arguments depend on carries
    if plugin.carries and not plugin._has_own("forecast"):
        ask = plugin._forecast_members
    result = ask(x, h.time_from, h.time_to, streams, *([carry] if plugin.carries else []))
    return result if isinstance(result, Forecast) else Forecast(result)


def _carried(plugin: Model, carry: Any, members: int) -> list[bytes]:
    """Returns what members carry; raises ContractError."""
    if not plugin.carries:
        raise ContractError("is returned, but the class does not say carries = True", where="carry")
    if not isinstance(carry, (list, tuple)) or len(carry) != members or not all(isinstance(b, bytes) for b in carry):
        raise ContractError(
            f"got {type(carry).__name__}, want a list with bytes for each of {members} members", where="carry"
        )
    return list(carry)


def _with(c: Configuration, values: Any) -> Model:
    """Returns the model with values of the parameters that differ by member, in their order."""
    own: Model = copy.copy(c.plugin)
    given = dict(zip(c.per_member, values, strict=True))
    own.declared = {**own.declared, **{k: v for k, v in given.items() if k in own.declared}}
    for name in given.keys() - own.declared.keys():
        setattr(own, name, given[name])
    return own


def _forecast_each(c: Configuration, h: Any, x: Array, parameters: Array, carry: list[bytes]) -> Forecast:
    """Forecasts members one by one, each with its own parameters."""
    size = c.state.layout.size
    rows, failures, kept = np.zeros((len(x), size)), dict[int, str | Exception](), [b""] * len(carry)
    for i, number in enumerate(_numbers(h)):
        own = _with(c, map(float, parameters[i]))
        streams = Streams((h.seed_hi, h.seed_lo), (number,), h.cycle)
        try:
            if any(name not in own.declared for name in c.per_member):
                own.setup()
            result = _ask(own, h, x[i : i + 1], streams, carry[i : i + 1])
        except BaseException as e:
            raise classify(e, f"member {number}" if own._has_own("forecast") else "") from e
        rows[i] = matrix(result.ensemble, (1, size), f"member {number}")[0]
        if result.carry is not None:
            kept[i] = _carried(own, result.carry, 1)[0]
        for why in result.failures.values():
            failures[i] = why
    return Forecast(rows, failures, carry=kept or None)


def _observe(c: Configuration, h: Any, inputs: Channels) -> tuple[Channels, Any]:
    p, x, t, layout = c.plugin, inputs[ENSEMBLE], h.time_from, c.space(PREDICTED).layout
    y = inputs[OBSERVATIONS][0] if OBSERVATIONS in inputs else None
    answer: Channels = {}

    def put(channel: int, where: str, values: Any, like: Layout = layout) -> None:
        answer[channel] = matrix(values, (h.members, like.size), where)
        if channel == LOG_LIKELIHOOD and y is not None:
            answer[channel] = np.where(np.isnan(y), 0.0, answer[channel])
        check_finite(answer[channel], like, where, _numbers(h), impossible=channel == LOG_LIKELIHOOD)

    if p._is_black_box():
        if SIMULATED in h.wants:
            put(SIMULATED, "read", p.read(x, t, _streams(h)))
        return answer, pb.CallEnd(members=h.members)
    result = p.observe(x, t) if p._has_own("observe") else p._observe_members(x, t, _numbers(h))
    result = result if isinstance(result, Observed) else Observed(result)
    put(PREDICTED, "", result.predicted)
    predicted = answer[PREDICTED]
    if SIMULATED in h.wants:
        put(SIMULATED, "simulate", p.simulate(predicted, x, t, _streams(h)))
    if y is None and (LOG_LIKELIHOOD in h.wants or GRADIENT in h.wants):
        raise ContractError("log_likelihood or gradient is wanted without observations", where="call")
    if LOG_LIKELIHOOD in h.wants:
        put(LOG_LIKELIHOOD, "log_likelihood", p.log_likelihood(predicted, x, y, t))
    if GRADIENT in h.wants:
        put(GRADIENT, "gradient", p.gradient(predicted, x, y, t), c.state.layout)
    end = pb.CallEnd(members=h.members, metrics=_metrics(result.metrics))
    if "error_variance" in p._offers(layout):
        end.error_variance.extend(np.broadcast_to(np.asarray(p.error_variance(), dtype=float), (layout.size,)))
    return answer, end


def _analyse(c: Configuration, h: Any, inputs: Channels) -> tuple[Channels, Any]:
    n = h.members
    try:
        check_finite(inputs[ENSEMBLE], c.state.layout, "forecast ensemble", _numbers(h))
    except ContractError as e:
        raise DivergedError(e.what, where="forecast ensemble") from None
    weights = np.array(h.log_weights) if h.log_weights else np.full(n, -np.log(n))
    problem = Problem(
        ensemble=inputs[ENSEMBLE], observation=inputs[OBSERVATIONS][0], predicted=inputs.get(PREDICTED),
        simulated=inputs.get(SIMULATED), log_likelihood=inputs.get(LOG_LIKELIHOOD), gradient=inputs.get(GRADIENT),
        error_variance=np.array(h.error_variance) if h.error_variance else None, log_weights=weights,
        fraction=np.array(h.fraction) if h.fraction else np.ones(inputs[OBSERVATIONS].shape[1]), seen=h.seen,
        carry=h.carry, cycle=h.cycle, time=h.time_from, rng=generator((h.seed_hi, h.seed_lo), 0),
    )  # fmt: skip
    result = c.plugin.analyse(problem)
    result = result if isinstance(result, Analysis) else Analysis(result)
    m = matrix(result.ensemble, inputs[ENSEMBLE].shape, "")
    check_finite(m, c.state.layout, "", _numbers(h))
    if not isinstance(result.carry, bytes):
        raise ContractError(f"is {type(result.carry).__name__}, want bytes", where="carry")
    end = pb.CallEnd(members=n, metrics=_metrics(result.metrics), carry=result.carry)
    if result.log_weights is not None:
        end.log_weights.extend(vector(result.log_weights, n, "log_weights"))
    if result.ancestors is not None:
        ancestors = vector(result.ancestors, n, "ancestors")
        if np.any(ancestors % 1):
            raise ContractError("are no whole numbers, want rows of the forecast", where="ancestors")
        end.ancestors.extend(ancestors.astype(int))
    return {ENSEMBLE: m}, end


_Configure = Callable[[Any, Any], tuple[Configuration, Any]]
_Call = Callable[[Configuration, Any, Channels], tuple[Channels, Any]]
CONFIGURE: dict[str, _Configure] = {
    "model": _configure_model, "operator": _configure_operator, "filter": _configure_filter,
}  # fmt: skip
CALL: dict[str, _Call] = {"model": _forecast, "operator": _observe, "filter": _analyse}
