"""The three roles a plugin may play. A subclass declares and computes; the rest is here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._tables import Dates
from .errors import ConfigError, ContractError, DivergedError, TransientError, classify
from .layout import Coordinates, Declared, Layout, layout_of
from .params import declarations, resolve
from .streams import Streams

Array = NDArray[np.float64]
"""An array of float64, in annotations."""


class Plugin:
    """What all roles have in common.

    The first line of the class's docstring is the summary. Parameters are attributes
    declared with Param; in an instance they hold their values. A call must be a pure
    function of its arguments: the same arguments, the same bytes."""

    name: ClassVar[str] = ""  # default: the class's name in lower case, words joined by -
    version: ClassVar[str] = "0.1.0"
    citations: ClassVar[Sequence[Mapping[str, str]]] = ()  # {"text": ..., "doi": ...}
    example: ClassVar[Mapping[str, Any]] = {}  # params, state, interval: where the suite starts
    concurrent_calls: ClassVar[bool] = False  # several calls at once are safe
    independent_members: ClassVar[bool] = True  # members may be split over calls
    max_members_per_call: ClassVar[int] = 0  # more are split over calls; 0: any number in one call
    _role: ClassVar[str] = ""
    _one_of: ClassVar[Sequence[str]] = ()  # methods of which a plugin has at least one

    def __init__(self, **params: Any) -> None:
        """Sets parameters, and the others to their defaults; raises ConfigError."""
        self._set(params)

    @classmethod
    def _made(cls, params: Mapping[str, Any]) -> Plugin:
        """Returns a plugin with parameters; a class may have a constructor that does not take them."""
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()):
            return cls(**params)
        plugin = cls()
        plugin._set(params)
        return plugin

    def _set(self, params: Mapping[str, Any]) -> None:
        for name, value in resolve(declarations(type(self)), dict(params)).items():
            setattr(self, name, value)

    def setup(self) -> None:
        """Called when the parameters are set; raises ConfigError for bad combinations."""

    @classmethod
    def _has_own(cls, method: str) -> bool:
        """Says whether a plugin overrides a method of its role."""
        base = next(c for c in reversed(cls.__mro__) if method in vars(c))
        return getattr(cls, method) is not vars(base)[method]

    @classmethod
    def _face(cls) -> dict[str, Any]:
        name = cls.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        summary = (vars(cls).get("__doc__") or "").strip().splitlines()
        if not summary:
            raise ContractError("has no docstring", where=f"class {cls.__name__}", hint="its first line is the summary")
        if not any(cls._has_own(method) for method in cls._one_of):
            raise ContractError(f"has no method {' or '.join(cls._one_of)}", where=f"class {cls.__name__}")
        return {"name": name, "version": cls.version, "role": cls._role, "summary": summary[0].rstrip(".")}


@dataclass
class Forecast:
    """What a model may return in place of the ensemble alone.

    Rows of failed members, {row: reason}, are left out. A reason is a text or an
    exception; a TransientError says that the same call may succeed when repeated. carry is
    what a model with carries = True keeps of each member: bytes by row."""

    ensemble: ArrayLike
    failures: Mapping[int, str | Exception] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    carry: Sequence[bytes] | None = None


class Model(Plugin):
    """Moves ensembles forward in time. Override forecast or forecast_member.

    variables says what a state is, {"name": "unit"} for scalars or a list of Variable;
    it may be set in setup. step is the default time step, None for a model without;
    in an instance it is the one to use. dir is what relative paths are relative to, and dates
    says which dates the times are, None where they have none.

    diagnostics says what the model computes with each forecast and does not need for the next one, such as a
    discharge, like variables. forecast returns it after the state, (members, n + d), and does not get it. It
    can be observed, but filters do not move it, and scores leave it out.

    carries says that the model keeps something of each member besides its state, such as a
    restart file, as bytes. forecast is then called with one more argument, the list of what it
    has returned of each member in Forecast(carry=...), and forecast_member with the bytes of its
    member, which it returns next to the state. They are empty for a member that has not been
    forecast before. Plume keeps them with the member: they follow it when a filter resamples,
    and are in checkpoints. Nothing else may be remembered.

    batched says that forecast takes parameters that differ by member in one call: those that the
    workflow estimates are then arrays, (members, 1), in place of numbers, for that call. Without
    it, forecast is called for each member, after setup."""

    variables: Declared = {}
    diagnostics: Declared = {}
    coordinates: Coordinates | None = None
    step: float | None = None
    dir: str = ""
    dates: Dates | None = None
    carries: ClassVar[bool] = False
    batched: ClassVar[bool] = False
    declared: Mapping[str, Any] = {}  # values of the parameters that Param(declares=True) declares
    _size: int = 0  # of a state with its diagnostics, once they are known
    _role, _one_of = "model", ("forecast", "forecast_member")

    @classmethod
    def _face(cls) -> dict[str, Any]:
        if cls.batched and not cls._has_own("forecast"):
            raise ContractError("says batched = True, but has no method forecast", where=f"class {cls.__name__}")
        return super()._face() | ({"step": float(cls.step)} if cls.step else {})

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> ArrayLike | Forecast:
        """Returns the states at t1 of the members x, (members, n), at t0.

        x is read-only. rng holds a random stream for every member."""
        return self._forecast_members(x, t0, t1, rng, [])

    def _forecast_members(self, x: Array, t0: float, t1: float, rng: Streams, carry: Sequence[bytes]) -> Forecast:
        """Forecasts members one by one; carry has what each of them carries, or nothing."""
        size = self._size or x.shape[1]
        rows, failures, kept = np.zeros((len(x), size)), dict[int, Exception](), [b""] * len(carry)
        for i in range(len(x)):
            try:
                state: Any = self.forecast_member(x[i], t0, t1, rng.member(i), *carry[i : i + 1])
                if carry:
                    state, kept[i] = _and_carry(state)
                rows[i] = vector(state, size, "forecast_member")
            except (DivergedError, TransientError) as e:
                failures[i] = e
            except BaseException as e:
                raise classify(e, f"member {rng.numbers[i]}") from e
        return Forecast(rows, failures, carry=kept or None)

    def forecast_member(self, x: Array, t0: float, t1: float, rng: np.random.Generator) -> ArrayLike:
        """Returns the state at t1 of one member x, (n,), at t0."""
        raise NotImplementedError


def _and_carry(answer: Any) -> tuple[Any, bytes]:
    """Returns what forecast_member of a model that carries has returned."""
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], bytes):
        got = type(answer).__name__
        raise ContractError(f"got {got}, want (state, bytes): the model carries", where="forecast_member")
    return answer


@dataclass(frozen=True)
class ErrorModel:
    """The law of the observation error: sd has one value per observed component."""

    dist: str
    sd: Array
    df: float = 0.0


@dataclass
class Observed:
    """What an operator may return in place of the predictions alone."""

    predicted: ArrayLike
    metrics: Mapping[str, float] = field(default_factory=dict)


class ObservationOperator(Plugin):
    """Says what would be observed of a state. Override observe or observe_member, or read
    for an instrument that is a black box.

    variables says what an observation is, and may be set in setup; state is the layout
    observed. With normal errors the kit draws observations and computes likelihoods,
    and with an adjoint their gradient; an operator that declares other errors overrides
    simulate, log_likelihood, error_variance and gradient, those of them it offers."""

    variables: Declared = {}
    coordinates: Coordinates | None = None
    errors: ClassVar[Sequence[str]] = ("normal",)
    state: Layout
    error: ErrorModel
    _role, _one_of = "operator", ("observe", "observe_member", "read")

    @classmethod
    def _face(cls) -> dict[str, Any]:
        return super()._face() | {"errors": list(cls.errors)}

    def observe(self, x: Array, t: float) -> ArrayLike | Observed:
        """Returns h(x), (members, m), of the states x, (members, n)."""
        return self._observe_members(x, t, range(len(x)))

    def _observe_members(self, x: Array, t: float, numbers: Sequence[int]) -> Array:
        """Returns h(x); numbers are those of the members."""
        rows = np.empty((len(x), len(self.error.sd)))
        for i in range(len(x)):
            try:
                rows[i] = vector(self.observe_member(x[i], t), rows.shape[1], "observe_member")
            except BaseException as e:
                raise classify(e, f"member {numbers[i]}") from e
        return rows

    def observe_member(self, x: Array, t: float) -> ArrayLike:
        """Returns h(x), (m,), of one state."""
        raise NotImplementedError

    def read(self, x: Array, t: float, rng: Streams) -> ArrayLike:
        """Returns a reading of every member, with its error, (members, m). Override it in
        place of observe if neither a prediction nor the distribution of the error is known.
        A workflow with repeats predicts with such an operator."""
        raise NotImplementedError

    def simulate(self, predicted: Array, x: Array, t: float, rng: Streams) -> ArrayLike:
        """Returns a draw from p(y | x) for every member, (members, m)."""
        return predicted + self.error.sd * rng.normal(predicted.shape[1])

    def log_likelihood(self, predicted: Array, x: Array, y: Array, t: float) -> ArrayLike:
        """Returns log p(y_j | x), (members, m); the kit puts 0 where y is missing."""
        sd = self.error.sd
        values: Array = -0.5 * ((y - predicted) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
        return values

    def adjoint(self, d: Array, x: Array, t: float) -> ArrayLike:
        """Returns H'd, (members, n): for every member the vector d, (members, m), times
        the transposed derivative of h at x, (members, n)."""
        raise NotImplementedError

    def gradient(self, predicted: Array, x: Array, y: Array, t: float) -> ArrayLike:
        """Returns the gradient of log p(y | x) by x, (members, n). Missing components of
        y do not contribute. With normal errors it is H'((y - h(x)) / sd^2)."""
        return self.adjoint(np.where(np.isnan(y), 0.0, (y - predicted) / self.error.sd**2), x, t)

    def error_variance(self) -> ArrayLike:
        """Returns the variance of y - h(x), (m,)."""
        return self.error.sd**2

    @classmethod
    def _is_black_box(cls) -> bool:
        return not cls._has_own("observe") and not cls._has_own("observe_member")

    def _offers(self, layout: Layout) -> list[str]:
        own, normal = self._has_own, self.error.dist == "normal"
        located = ["coordinates"] if layout.coordinates is not None and self.state.coordinates is not None else []
        if self._is_black_box():
            return ["simulated", *located]
        offers = ["predicted"]
        for name, key in (
            ("simulate", "simulated"), ("log_likelihood", "log_likelihood"), ("error_variance", "error_variance"),
        ):  # fmt: skip
            if normal or own(name):
                offers.append(key)
        if own("gradient") or (normal and own("adjoint") and not own("log_likelihood")):
            offers.append("gradient")
        return offers + located


@dataclass(frozen=True)
class Problem:
    """All a filter knows in one call. What it does not need is None."""

    ensemble: Array  # (N, n), the forecast; (N, (1 + past) n) for a filter that smooths
    observation: Array  # (m,), NaN where missing
    predicted: Array | None  # (N, m)
    simulated: Array | None  # (N, m)
    log_likelihood: Array | None  # (N, m)
    gradient: Array | None  # (N, n)
    error_variance: Array | None  # (m,)
    log_weights: Array  # (N,), normalised
    carry: bytes
    cycle: int
    time: float
    rng: np.random.Generator
    fraction: Array  # (m,), power of each likelihood in this call; 1 unless the filter says fractions = True
    seen: int  # components, the first ones, that an earlier call has used

    def fresh(self) -> NDArray[np.bool_]:
        """Returns which components are not missing and used for the first time.

        A filter with fractions = True is called several times a cycle. What it is given
        is already that of the fraction; inflation, and all that is learnt from innovations,
        belongs to the call in which they are fresh, with error_variance * fraction."""
        return ~np.isnan(self.observation) & (np.arange(self.observation.size) >= self.seen)

    def observed(self) -> tuple[Array, Array, Array]:
        """Returns y, h(x) and the error variances of the components not missing.

        Needs predicted and error_variance."""
        if self.predicted is None or self.error_variance is None:
            raise ContractError("needs are missing", where="observed", hint='needs = ("predicted", "error_variance")')
        seen = ~np.isnan(self.observation)
        return self.observation[seen], self.predicted[:, seen], self.error_variance[seen]


@dataclass
class Analysis:
    """What a filter may return in place of the ensemble alone."""

    ensemble: ArrayLike
    log_weights: ArrayLike | None = None  # None: all equal
    ancestors: Sequence[int] | None = None  # forecast row of each analysis row
    carry: bytes = b""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Filter(Plugin):
    """Turns a forecast ensemble and an observation into an analysis ensemble.

    needs names what has to be filled in a Problem: predicted, simulated,
    log_likelihood, gradient, error_variance, coordinates. It may be set in setup, from
    what the operator offers. fractions says that the filter may be called several times a
    cycle, with a fraction of the likelihood each time; see Problem.fresh. cutoffs says that
    a filter that localizes uses observation_cutoffs. smooths says that it moves states of
    earlier times along: problem.ensemble then has (1 + past) n columns, those of the states
    that are observed and those of the times before, the latest first."""

    fractions: ClassVar[bool] = False
    cutoffs: ClassVar[bool] = False
    smooths: ClassVar[bool] = False
    needs: Sequence[str] = ("predicted",)
    state: Layout
    observations: Layout
    observation_cutoffs: Array  # (m,), where the weight of each is 0; 0: at the filter's own cutoff
    offers: Sequence[str]
    members: int
    past: int  # earlier times whose states the ensemble holds; 0 unless the filter smooths
    _role, _one_of = "filter", ("analyse",)
    independent_members = False

    def analyse(self, problem: Problem) -> ArrayLike | Analysis:
        """Returns the analysis ensemble, (N, n)."""
        raise NotImplementedError


def observed_layout(operator: ObservationOperator) -> Layout:
    """Returns the layout of one observation vector, and spreads sd over it."""
    layout = layout_of(operator.variables, operator.coordinates)
    sd = operator.error.sd
    if len(sd) not in (1, layout.size):
        raise ConfigError(f"has {len(sd)} values; want 1 or {layout.size}", where="error.sd")
    operator.error = ErrorModel(operator.error.dist, np.broadcast_to(sd, (layout.size,)), operator.error.df)
    return layout


def matrix(value: Any, shape: tuple[int, int], where: str) -> Array:
    """Returns what a plugin answered as a matrix; raises ContractError."""
    return _numbers(value, shape, f"(members, values) = {shape}", where)


def vector(value: Any, size: int, where: str) -> Array:
    """Returns what a plugin answered for one member; raises ContractError."""
    return _numbers(value, (size,), f"(values,) = ({size},)", where)


def _numbers(value: Any, shape: tuple[int, ...], want: str, where: str) -> Array:
    if value is None:
        raise ContractError(f"returned nothing; want an array, {want}", where=where)
    if np.ma.is_masked(value):
        raise ContractError("got masked values, want all of them", where=where, hint="fill them in with filled")
    try:
        raw = np.asarray(value)
    except ValueError as e:
        raise ContractError(f"got rows of different lengths, want {want}", where=where) from e
    if raw.dtype.kind not in "fiu":
        raise ContractError(f"got dtype {raw.dtype}, want float64", where=where)
    if raw.shape != shape:
        raise ContractError(f"got shape {raw.shape}, want {want}", where=where)
    return np.ascontiguousarray(raw, dtype=np.float64)


def check_finite(
    m: Array, layout: Layout, where: str, numbers: Sequence[int],
    skip: Container[int] = (), impossible: bool = False, hint: str = "",
) -> None:  # fmt: skip
    """Raises ContractError that names the first value that is not finite, but for rows
    in skip, and -inf where that is allowed. numbers are those of the members."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(m.sum()):  # a sum of finite numbers may overflow, never the reverse
            return
    for i, j in np.argwhere(~np.isfinite(m) & ~(impossible & np.isneginf(m))):
        if int(i) not in skip:
            what = f"member {numbers[i]}, {layout.value_name(int(j))} is {m[i, j]}; want a finite number"
            raise ContractError(what, where=where, hint=hint)
