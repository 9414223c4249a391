"""Plugins tried without a run: the conformance suite, and single calls with arrays.

A call is made as in a run: setup is called first, the input is read-only, and what the plugin
returns is checked. An object made with keywords has checked parameters:

    plume.testing.forecast(Decay(rate=2.0), x, 0.0, 0.5).ensemble
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._calls import (
    CALL,
    CARRY,
    CONFIGURE,
    ENSEMBLE,
    LOG_LIKELIHOOD,
    NAMES,
    OBSERVATIONS,
    PREDICTED,
    SIMULATED,
    Channels,
    layout_to,
)  # fmt: skip
from ._proto import plugin_pb2 as pb
from .errors import ConfigError, ContractError, PlumeError
from .layout import Layout, Variable
from .roles import Analysis, Array, Filter, Forecast, Model, ObservationOperator, Observed, Plugin
from .running import call


@dataclass
class Forecasted(Forecast):
    """What a model returned: an array, and failures by row."""

    ensemble: Array


@dataclass
class Seen(Observed):
    """What an operator returned: an array."""

    predicted: Array


@dataclass
class Analysed(Analysis):
    """What a filter returned: arrays."""

    ensemble: Array
    log_weights: Array | None = None


def check(cls: type[Plugin]) -> None:
    """Runs plume's conformance suite on a class, as plume plugins test does on a script. Raises
    ContractError with a line for every promise that the class breaks."""
    name = cls._face()["name"]
    answer, failure = call(["plugins", "test", name], {name: cls})
    if answer.code:
        faults = answer.objects[-1]["faults"] if answer.objects else [answer.text.removeprefix("error: ")]
        cause = None if isinstance(failure, PlumeError) else failure  # the suite provokes those
        raise ContractError("\n".join(faults), where=f"class {cls.__name__}") from cause


def forecast(
    model: Model, x: ArrayLike, t0: float = 0.0, t1: float = 1.0, *, carry: Sequence[bytes] | None = None, seed: int = 0
) -> Forecasted:
    """Returns the states at t1 of the members x, (members, n), at t0, followed by diagnostics, which
    x may have and need not. Of members that failed all is NaN. carry is what an earlier forecast of a
    model that carries has returned."""
    request = pb.ConfigureRequest(step=model.step if model.step and model.step != type(model).step else 0.0)
    request.dir = model.dir
    if d := model.dates:
        request.dates.start, request.dates.seconds, request.dates.calendar = (
            d["start"],
            d["unit_seconds"],
            d["calendar"],
        )
    c, _ = CONFIGURE["model"](copy.copy(model), request)
    members, size = _matrix(x), c.state.layout.size
    if members.shape[1] + sum(v.size for v in c.state.layout.variables if v.diagnostic) == size:
        members = np.hstack([members, np.zeros((len(members), size - members.shape[1]))])
    header, inputs = _call(members, seed, time_from=t0, time_to=t1)
    if carry is not None:
        inputs[CARRY] = list(carry)
    answer, end = CALL["model"](c, header, inputs)
    failures: dict[int, str | Exception] = {f.member: f.reason for f in end.failures}
    whole = np.full_like(inputs[ENSEMBLE], np.nan)
    kept = [i for i in range(len(whole)) if i not in failures]
    whole[kept] = answer[ENSEMBLE]
    carried = dict(zip(kept, answer.get(CARRY, []), strict=False))
    return Forecasted(
        whole, failures, dict(end.metrics), [carried.get(i, b"") for i in range(len(whole))] if carried else None
    )


def observe(
    operator: ObservationOperator, x: ArrayLike, t: float = 0.0, *, sd: ArrayLike = 1.0, dist: str = "normal",
    df: float = 0.0, state: Layout | None = None, seed: int = 0,
) -> Seen:  # fmt: skip
    """Returns what would be observed of the members x, (members, n); of a black box, one reading
    of each. sd, dist and df are the error model; state is the layout of x, by default one
    variable x."""
    members = _matrix(x)
    request = pb.ConfigureRequest(state=layout_to(state or _one("x", members.shape[1])))
    request.error.dist, request.error.df = dist, df
    request.error.sd.extend(np.atleast_1d(np.asarray(sd, float)))
    c, _ = CONFIGURE["operator"](copy.copy(operator), request)
    channel = SIMULATED if operator._is_black_box() else PREDICTED
    header, inputs = _call(members, seed, time_from=t, wants=[channel])
    answer, end = CALL["operator"](c, header, inputs)
    return Seen(answer[channel], dict(end.metrics))


def analyse(
    filter: Filter, ensemble: ArrayLike, observation: ArrayLike, h: Callable[[Array], ArrayLike] = lambda x: x,
    sd: ArrayLike = 1.0, *, cycle: int = 1, time: float = 0.0, carry: bytes = b"", seed: int = 0,
) -> Analysed:  # fmt: skip
    """Returns the analysis of a filter: of the forecast ensemble, (N, n), and an observation,
    (m,), NaN where missing, that h predicts, (N, n) to (N, m), with normal errors of standard
    deviation sd. Raises ConfigError where the filter needs a gradient or coordinates."""
    x, y = _matrix(ensemble), np.atleast_1d(np.asarray(observation, float))
    predicted = np.asarray(h(x), float).reshape(len(x), -1)
    if predicted.shape[1] != y.size:
        raise ConfigError(f"h predicts {predicted.shape[1]} values, but the observation has {y.size}", where="h")
    spread = np.broadcast_to(np.asarray(sd, float), y.shape)
    noise = np.random.default_rng(seed).standard_normal(predicted.shape)
    likelihood = -0.5 * ((y - predicted) / spread) ** 2 - np.log(spread * np.sqrt(2 * np.pi))
    offered = {
        "predicted": predicted, "simulated": predicted + spread * noise,
        "log_likelihood": np.where(np.isnan(y), 0.0, likelihood), "error_variance": spread**2,
    }  # fmt: skip
    request = pb.ConfigureRequest(state=layout_to(_one("x", x.shape[1])), members=len(x))
    request.observations.layout.CopyFrom(layout_to(_one("y", y.size)))
    request.observations.offers.extend(offered)
    c, made = CONFIGURE["filter"](copy.copy(filter), request)
    if missing := [need for need in made.needs if need not in offered]:
        raise ConfigError(f"the filter needs {', '.join(missing)}, which this function does not make", where="needs")
    header, inputs = _call(x, seed, time_from=time, cycle=cycle, carry=carry)
    header.error_variance.extend(offered["error_variance"] if "error_variance" in made.needs else [])
    inputs[OBSERVATIONS] = _read_only(y[None])
    for channel in (PREDICTED, SIMULATED, LOG_LIKELIHOOD):
        if NAMES[channel] in made.needs:
            inputs[channel] = _read_only(offered[NAMES[channel]])
    answer, end = CALL["filter"](c, header, inputs)
    weights, ancestors = np.array(end.log_weights), list(end.ancestors)
    return Analysed(
        answer[ENSEMBLE], weights if weights.size else None, ancestors or None, end.carry, dict(end.metrics)
    )


def _call(x: Array, seed: int, **about: Any) -> tuple[Any, Channels]:
    """Returns the header of a call for all members, and its inputs."""
    return pb.CallHeader(members=len(x), seed_lo=seed, **about), {ENSEMBLE: _read_only(x)}


def _matrix(x: ArrayLike) -> Array:
    m: Array = np.asarray(x, float)
    if m.ndim != 2:
        raise ConfigError(f"got shape {m.shape}, want (members, values)", where="ensemble")
    return m


def _read_only(values: Array) -> Array:
    view: Array = values.view()
    view.flags.writeable = False
    return view


def _one(name: str, size: int) -> Layout:
    return Layout((Variable(name, "1", (size,)),))
