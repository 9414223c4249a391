"""Plugins that are classes of the running program: plume attaches to them over a socket, and
their calls are made in the thread that waits for plume."""

from __future__ import annotations

import contextlib
import inspect
import os
import queue
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from .errors import ConfigError, PlumeError, classify
from .roles import Plugin

T = TypeVar("T")

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_LONGEST = 104  # bytes of the path of a socket, on macOS


class Desk:
    """Where the threads that serve a plugin leave their work for one thread to do, that of the
    cell or script: breakpoints work there, and an interrupt reaches the code of a class."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None  # the last error of a class, as it was raised
        self._tasks: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._lock, self._closed = threading.Lock(), False

    def post(self, work: Callable[[], T]) -> Future[T]:
        """Leaves work to do, and returns where its result will be."""
        result: Future[T] = Future()
        with self._lock:
            if self._closed:
                result.set_exception(PlumeError("the run is over"))
            else:
                self._tasks.put((work, result))
        return result

    def do(self, work: Callable[[], T]) -> T:
        """Returns the result of work of a class when it has been done."""

        def watched() -> T:
            try:
                return work()
            except BaseException as e:
                self.failure = e
                raise

        return self.post(watched).result()

    def close(self) -> None:
        """Says that there is nothing more to do."""
        self._tasks.put(None)

    def serve(self) -> None:
        """Does what is left here until there is nothing more."""
        try:
            while (task := self._tasks.get()) is not None:
                work, result = task
                try:
                    result.set_result(work())
                except BaseException as e:
                    result.set_exception(classify(e))
                    if isinstance(e, KeyboardInterrupt):
                        raise
        finally:
            with self._lock:
                self._closed = True
            while not self._tasks.empty():
                if (task := self._tasks.get()) is not None:
                    task[1].set_exception(PlumeError("the run is over"))


@contextlib.contextmanager
def attached(plugins: Mapping[str, type[Plugin]], desk: Desk) -> Iterator[dict[str, str]]:
    """Serves classes for the time of a run, and yields what plume needs in its environment."""
    if not plugins:
        yield {}
        return
    import grpc

    from .serving import listening

    for name, cls in plugins.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"got {name!r}, want a name of lower-case letters, digits, - and _", where="plugins")
        if not (isinstance(cls, type) and issubclass(cls, Plugin)):
            want = "want a class that is a plume.Model, ObservationOperator or Filter"
            raise ConfigError(f"got {cls!r}, {want}", where=f"plugins: {name}")
    with tempfile.TemporaryDirectory(prefix="plume-", dir=_short()) as folder:  # of mode 0700
        servers: list[grpc.Server] = []
        try:
            for i, (name, cls) in enumerate(plugins.items()):
                socket = os.path.join(folder, str(i))
                servers.append(listening(cls, desk.do, f"unix:{socket}"))
                Path(folder, f"{name}.py").write_text(_source(cls), encoding="utf-8")
                Path(folder, f"{name}.plugin").write_text(f"1|1|unix|{socket}|grpc|\n", encoding="utf-8")
            yield {"PLUME_ATTACH": folder}
        finally:
            for server in servers:
                server.stop(None).wait()


def _short() -> str | None:
    """Returns a directory in which the path of a socket is short enough."""
    return None if len(os.fsencode(tempfile.gettempdir())) < _LONGEST - len("/plume-12345678/1234") else "/tmp"


def _source(cls: type[Plugin]) -> str:
    """Returns the source of a class, with that of its bases outside of the kit. Python cannot
    find a class of a notebook, but its functions."""
    parts = []
    for base in reversed(cls.__mro__):
        if base is object or base.__module__.startswith("plume."):
            continue
        try:
            parts.append(inspect.getsource(base))
        except (OSError, TypeError):
            for value in vars(base).values():
                with contextlib.suppress(OSError, TypeError):
                    parts.append(inspect.getsource(value))
    return "\n".join(parts)
