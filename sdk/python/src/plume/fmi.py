"""The plugin fmi: a Functional Mock-up Unit (FMU) as a model.

Needs fmpy: pip install "plume-da[fmi]". A workflow names it by its command:

    [plugins]
    fmi = { command = ["plume-fmi"] }

    [model]
    plugin = "fmi"
    params = { fmu = "tank.fmu" }
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from . import Array, ConfigError, DivergedError, Forecast, Model, Param, Streams, Variable, serve

_REAL = ("Real", "Float64")


class Fmi(Model):
    """A Functional Mock-up Unit, FMI 2 or 3 for co-simulation, as a model."""

    name = "fmi"
    carries = True
    batched = True
    citations = ({"text": "Functional Mock-up Interface Specification 3.0.1 (2023), https://fmi-standard.org"},)

    fmu: str = Param(path="input", doc="file of the FMU")
    state: list[str] = Param(
        [],
        doc="variables of the FMU that are the state; empty: its continuous states or, if it lists none, its outputs",
    )
    parameters: list[str] = Param(
        [], declares=True, doc='parameters of the FMU and their values, such as "mass = 2.5", which can be estimated'
    )
    outputs: list[str] = Param(
        [], doc="variables of the FMU that can be observed and are not part of the state that filters move"
    )
    memory: str = Param(
        "state", choices=["state", "none"],
        doc="what an FMU keeps besides the state: all that it serialises, or nothing: it starts again in each cycle",
    )  # fmt: skip
    steps: int = Param(1, ge=1, doc="communication steps of a forecast")
    tolerance: float = Param(0.0, ge=0, unit="1", doc="relative tolerance of the FMU's solver; 0: its own choice")

    def setup(self) -> None:
        """Reads the description of the FMU, and starts it."""
        import fmpy

        path = os.path.join(self.dir, self.fmu)
        try:
            about = fmpy.read_model_description(path)
        except Exception as e:
            raise ConfigError(f"cannot be read: {e}", where="fmu") from e
        kind = about.coSimulation
        if kind is None or about.fmiVersion[0] not in "23":
            raise ConfigError(f"is not for co-simulation of FMI 2 or 3, but for {about.fmiVersion}", where="fmu")
        if self.memory == "state" and not (kind.canGetAndSetFMUstate and kind.canSerializeFMUstate):
            raise ConfigError(
                "the FMU cannot serialise its state, so nothing but the variables in state can be kept",
                where="memory", hint='export it so that it can, or write memory = "none" if it remembers nothing else',
            )  # fmt: skip
        known = {v.name: v for v in about.modelVariables if v.type in _REAL and not v.dimensions}
        chosen = [_known(known, name, "state") for name in self.state or _states(about, known)]
        if not chosen:
            raise ConfigError(
                "the FMU lists neither continuous states nor outputs", where="state", hint="name variables"
            )
        outputs = [_known(known, name, "outputs") for name in self.outputs]
        if both := [v.name for v in outputs if v in chosen]:
            raise ConfigError(f"{both[0]} is part of the state", where="outputs", hint="name it in one of them")
        self.variables, self.diagnostics = (
            [Variable(_plain(v.name), v.unit or _type_unit(v) or "1") for v in of] for of in (chosen, outputs)
        )
        parameters = {name: _known(known, name, "parameters") for name in self.declared}
        for name, v in parameters.items():
            if self.memory == "state" and v.variability == "fixed":
                raise ConfigError(
                    f"{name} is fixed in the FMU once it runs",
                    where="parameters",
                    hint='write memory = "none", or choose a tunable one',
                )
        self._used = _Used([v.valueReference for v in (*parameters.values(), *chosen)], about.fmiVersion)
        self._given = _Used([v.valueReference for v in outputs], about.fmiVersion)
        self._units = _Units.of(path, about, self.tolerance)
        try:
            self._units.give(b"", self._units.take(b""))
        except Exception as e:
            raise ConfigError(f"cannot be started here: {e}", where="fmu") from e

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams, carry: Sequence[bytes] = ()) -> Forecast:
        """Does the steps from t0 to t1 with the FMU in the state that each member has left it in."""
        kept, failures = [b""] * len(x), dict[int, str | Exception]()
        rows = np.hstack([*(np.broadcast_to(v, (len(x), 1)) for v in self.declared.values()), x]).tolist()
        states = np.zeros((len(x), len(self.variables) + len(self.diagnostics)))
        for first in range(0, len(x), self._units.most):
            begun = {
                i: self._member(rows[i], t0, t1, carry[i] if carry and self.memory == "state" else b"")
                for i in range(first, min(first + self._units.most, len(x)))
            }
            while begun:  # the same part of all members, then the next: this is kinder to the processor's caches
                for i, member in list(begun.items()):
                    try:
                        next(member)
                        continue
                    except StopIteration as done:
                        values, kept[i] = done.value
                        states[i] = values[len(self.declared) :]
                    except Exception as e:  # of fmpy, for a status of the FMU
                        failures[i] = DivergedError(f"the FMU failed: {e}")
                    del begun[i]
        return Forecast(states, failures, carry=kept)

    def _member(
        self, values: list[float], t0: float, t1: float, carry: bytes
    ) -> Generator[None, None, tuple[list[float], bytes]]:
        """Forecasts a member in parts, and returns its parameters, variables and outputs then, and what it carries."""
        unit, left = self._units.take(carry), b""
        try:
            if carry:
                unit.change(self._used, values)
            else:
                unit.start(t0, self._used.references, values)
            yield
            length = (t1 - t0) / self.steps
            for k in range(self.steps):
                unit.step(t0 + k * length, length)
            yield
            if self.memory == "state":
                left = unit.save()
            yield
            outputs = unit.read(self._given) if self._given.references else []
            return unit.read(self._used) + outputs, left
        finally:
            self._units.give(left, unit)


class _Used:
    """Variables of an FMU, and the arguments with which C reads them."""

    def __init__(self, references: list[int], version: str) -> None:
        count = len(references)
        self.references, self.values = references, (ctypes.c_double * count)()
        numbers = [ctypes.c_size_t(count)] * (2 if version[0] == "3" else 1)
        self.arguments = ((ctypes.c_uint32 * count)(*references), numbers[0], self.values, *numbers[1:])


class _Units:
    """Instances of an FMU that have been used. Each of them is in the state of the member it was last used for, whose
    next step it does if that goes on from there: this saves restoring the state, and changes nothing else."""

    _all: ClassVar[dict[tuple[str, float], _Units]] = {}  # by file and tolerance: some FMUs can be there only once

    def __init__(self, path: str, about: Any, tolerance: float) -> None:
        self._of = (path, about, tolerance)
        self.most = 1 if about.coSimulation.canBeInstantiatedOnlyOncePerProcess else 128
        self._made = 0
        self._by_state: dict[bytes, _Unit] = {}  # the one that was used longest ago first
        self._others: list[_Unit] = []

    @classmethod
    def of(cls, path: str, about: Any, tolerance: float) -> _Units:
        """Returns the instances of an FMU in this process."""
        return cls._all.setdefault((path, tolerance), cls(path, about, tolerance))

    def take(self, carry: bytes) -> _Unit:
        """Returns an instance; if carry is not empty, in that state."""
        if carry and (unit := self._by_state.pop(carry, None)) is not None:
            return unit
        if self._others:
            unit = self._others.pop()
        elif self._made < self.most:
            unit = _Unit(*self._of)
            self._made += 1
        else:
            unit = self._by_state.pop(next(iter(self._by_state)))
        if carry:
            try:
                unit.restore(carry)
            except BaseException:
                self._others.append(unit)
                raise
        return unit

    def give(self, carry: bytes, unit: _Unit) -> None:
        """Takes an instance back, with the state that it is in; empty if that is not known."""
        if not carry or carry in self._by_state:
            self._others.append(unit)
        else:
            self._by_state[carry] = unit


class _Unit:
    """An instance of an FMU."""

    def __init__(self, path: str, about: Any, tolerance: float) -> None:
        from fmpy.fmi2 import FMU2Slave
        from fmpy.fmi3 import FMU3Slave

        self._second = about.fmiVersion[0] == "2"
        made: Any = FMU2Slave if self._second else FMU3Slave
        self._fmu = made(
            guid=about.guid or about.instantiationToken, unzipDirectory=_extracted(path),
            modelIdentifier=about.coSimulation.modelIdentifier, instanceName="plume",
        )  # fmt: skip
        self._fmu.instantiate()
        state = "state" if self._second else "State"
        self._get = self._direct("fmi2GetReal" if self._second else "fmi3GetFloat64")
        self._take, self._size, self._write, self._free = (
            self._direct(f"fmi{about.fmiVersion[0]}{name}FMU{state}{rest}")
            for name, rest in (("Get", ""), ("Serialized", "Size"), ("Serialize", ""), ("Free", ""))
        )
        self._bytes = ctypes.create_string_buffer(0)
        self._set = self._fmu.setReal if self._second else self._fmu.setFloat64
        self._tolerance = tolerance or None
        self._fresh = True
        self._read: tuple[_Used, list[float]] | None = None  # what was read since it has changed

    def _direct(self, name: str) -> Any:
        """Returns a function of the FMU without the layers of fmpy, which cost more than most functions."""
        from fmpy.fmi1 import FMICallException

        def check(status: int) -> None:
            if status > 1:  # worse than a warning
                raise FMICallException(function=name, status=status)

        function = self._fmu.dll[name]
        function.restype = check
        return functools.partial(function, ctypes.c_void_p(self._fmu.component))

    def start(self, time: float, references: list[int], values: list[float]) -> None:
        """Starts the FMU at a time with values."""
        if not self._fresh:
            self._fmu.reset()
        self._fresh, self._read = False, None
        if self._second:
            self._fmu.setupExperiment(tolerance=self._tolerance, startTime=time)
        self._set(references, values)
        if self._second:
            self._fmu.enterInitializationMode()
        else:
            self._fmu.enterInitializationMode(tolerance=self._tolerance, startTime=time)
        self._fmu.exitInitializationMode()

    def restore(self, carry: bytes) -> None:
        """Puts the FMU into the state that save has returned, maybe of another process."""
        if self._fresh:  # an FMU that has not been initialised takes no state
            self.start(0.0, [], [])
        self._read = None
        state = self._fmu.deserializeFMUState(carry)
        self._fmu.setFMUState(state)
        self._fmu.freeFMUState(state)

    def save(self) -> bytes:
        """Returns the state of the FMU."""
        state, size = ctypes.c_void_p(), ctypes.c_size_t()
        self._take(ctypes.byref(state))
        try:
            self._size(state, ctypes.byref(size))
            if len(self._bytes) != size.value:
                self._bytes = ctypes.create_string_buffer(size.value)
            self._write(state, self._bytes, size)
        finally:
            self._free(ctypes.byref(state))
        return self._bytes.raw

    def change(self, used: _Used, values: list[float]) -> None:
        """Sets the values that are others than those of the FMU: it need not begin again for the rest."""
        if values == (now := self.read(used)):
            return
        differ = [(r, v) for r, v, there in zip(used.references, values, now, strict=True) if v != there]
        self._read = None
        self._set([r for r, _ in differ], [v for _, v in differ])

    def read(self, used: _Used) -> list[float]:
        """Returns values of the FMU."""
        if self._read is None or self._read[0] is not used:
            self._get(*used.arguments)
            self._read = used, list(used.values)
        return self._read[1]

    def step(self, time: float, length: float) -> None:
        """Does a communication step."""
        self._read = None
        if (said := self._fmu.doStep(time, length)) and said[1]:  # of FMI 3; FMI 2 has a status for it
            raise RuntimeError(f"it asks to end the simulation at {said[3]:g}, before {time + length:g}")


def _states(about: Any, known: dict[str, Any]) -> list[str]:
    """Returns the continuous states that an FMU lists, or its outputs."""
    states = [u.variable.derivative.name for u in about.derivatives if getattr(u.variable, "derivative", None)]
    return [name for name in states or [u.variable.name for u in about.outputs] if name in known]


def _known(known: dict[str, Any], name: str, where: str) -> Any:
    """Returns the variable of a name: the same name or, without regard to capitals and to what
    is neither letter nor digit, the only one."""
    if name in known:
        return known[name]
    found = [v for v in known.values() if _plain(v.name).lower() == name.lower()]
    if len(found) != 1:
        some = ", ".join(list(known)[:20])
        raise ConfigError(f"the FMU has no real variable {name}", where=where, hint=f"it has {some}")
    return found[0]


def _plain(name: str) -> str:
    """Returns the name of a variable of Plume for one of an FMU, such as C1_v for C1.v."""
    return re.sub(r"\W+", "_", name).strip("_")


def _type_unit(v: Any) -> str:
    return getattr(v.declaredType, "unit", None) or ""


def _extracted(path: str) -> str:
    """Returns a directory with the contents of an FMU, which other processes may use too."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    folder = Path.home() / ".cache" / "plume" / "fmu"
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / digest
    if not there.is_dir():
        with tempfile.TemporaryDirectory(dir=folder) as own, zipfile.ZipFile(path) as archive:
            made = os.path.join(own, digest)
            archive.extractall(made)
            try:
                os.rename(made, there)
            except OSError:
                if not there.is_dir():  # else another process was faster
                    raise
    return str(there)


def main() -> None:
    """Serves the plugin: the program plume-fmi."""
    serve(Fmi)


if __name__ == "__main__":
    main()
