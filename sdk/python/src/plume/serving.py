"""The one call in a plugin's script."""

from __future__ import annotations

import argparse
import glob
import logging
import os
import signal
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from . import _stdout
from ._program import program
from ._progress import shell
from .errors import ConfigError, PlumeError
from .params import declarations, explain, manifest
from .roles import Plugin

if TYPE_CHECKING:
    from ._server import Do

_THREADS = 64  # calls and sessions at once


def serve(cls: type[Plugin]) -> None:
    """Serves cls until the host ends; all of a script's last line.

    Started by hand the script explains itself: ``--help``, ``--describe`` prints the
    manifest, ``--check`` runs plume's conformance suite on it. Raises RuntimeError in a
    notebook, where there is no script."""
    if shell() is not None:
        name = cls.__name__
        raise RuntimeError(
            f"serve ends a script that plume starts. Here plume.run(..., plugins={{'mine': {name}}}) uses the class, "
            f"plume.testing.check({name}) checks it, and plume.testing calls it with arrays"
        )
    try:
        if _stdout.handshake is None:
            _by_hand(cls)
        _serve(cls, _stdout.handshake)
    except PlumeError as e:
        print(f"this plugin is broken: {e}", file=sys.stderr, flush=True)
        sys.stderr.flush()
        os._exit(1)


# How a workflow names a plugin.
_USES = {"model": "[model]", "operator": "[observations]", "filter": '[[filter]]\nlabel  = "mine"'}


def _by_hand(cls: type[Plugin]) -> NoReturn:
    declared = declarations(cls)
    text, face, script = manifest(cls, declared), cls._face(), sys.argv[0]
    about = f"{face['name']} {face['version']}, a {face['role']} plugin for plume\n{face['summary']}\n"
    is_script = script.endswith(".py")  # and not a command that pip has installed
    way = f'python = "{script}"' if is_script else f'command = ["{script}"]'
    use = f'[plugins]\n{face["name"]} = {{ {way} }}\n\n{_USES[cls._role]}\nplugin = "{face["name"]}"'
    parser = argparse.ArgumentParser(
        prog=f"python {script}" if is_script else script,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=about + "".join(f"\n{line}" for line in explain(declared)),
        epilog="plume starts it by itself. In a workflow, with a path relative to that:\n\n"
        + textwrap.indent(use, "    "),
    )
    parser.add_argument("--check", action="store_true", help="put it through plume's conformance suite")
    parser.add_argument("--describe", action="store_true", help="print its manifest, as plume reads it")
    options = parser.parse_args()
    if options.describe:
        sys.stdout.write(text)
        raise SystemExit(0)
    if options.check:
        raise SystemExit(_check(script))
    parser.print_help(sys.stderr)
    raise SystemExit(2)


def _check(script: str) -> int:
    """Runs the suite, which is part of the program plume, over the socket."""
    import subprocess

    try:
        argv = [program(), "plugins", "test", os.path.abspath(script)]
    except ConfigError as e:
        print(e, file=sys.stderr)
        return 2
    return subprocess.run(argv, env=os.environ | {"PLUME_PYTHON": sys.executable}, check=False).returncode


def _serve(cls: type[Plugin], out: int | None) -> NoReturn:
    from ._server import Server, SessionHandler

    assert out is not None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the host decides
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda *_: _leave())
    plugin, server = Server(cls), _new_server()
    plugin.register(server)
    shutdown = threading.Event()
    _register_go_plugin(server, shutdown)
    network, address, certificate = _listen(server)
    server.start()
    logging.basicConfig(level=logging.INFO, handlers=[SessionHandler(plugin)])
    os.write(out, f"1|1|{network}|{address}|grpc|{certificate}\n".encode())
    threading.Thread(target=_watch_stdin, daemon=True).start()
    while not shutdown.wait(0.05):
        if plugin.host_gone.is_set():
            shutdown.wait(0.2)  # the session ends first in an orderly shutdown too
            break
    server.stop(0.1).wait(0.5)
    _leave()


def _new_server() -> Any:
    import grpc

    return grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.http2.max_frame_size", 1 << 20),
            ("grpc.http2.lookahead_bytes", 4 << 20),
            ("grpc.experimental.tcp_read_chunk_size", 1 << 20),
            ("grpc.experimental.tcp_min_read_chunk_size", 256 << 10),
            ("grpc.experimental.tcp_max_read_chunk_size", 4 << 20),
        ],
    )


def listening(cls: type[Plugin], do: Do, address: str) -> Any:
    """Returns a server of cls that listens, and leaves its calls to do. It goes on when plume
    asks it to end: whoever started it stops it."""
    from ._server import Server

    server = _new_server()
    Server(cls, do).register(server)
    _register_go_plugin(server, threading.Event())
    server.add_insecure_port(address)
    server.start()
    return server


def _listen(server: Any) -> tuple[str, str, str]:
    """Opens the port that the host wants; returns network, address and certificate of
    the handshake. A unix socket is the user's own. TCP is open to others, so both ends
    show certificates there."""
    tcp, host = os.environ.get("PLUME_LISTEN") == "tcp", os.environ.get("PLUGIN_CLIENT_CERT", "")
    if tcp and not host:
        raise ConfigError("TCP needs mutual TLS, but the host shows no certificate", where="$PLUGIN_CLIENT_CERT")
    secure, certificate = None, ""
    if host:
        from ._tls import credentials

        secure, certificate = credentials(host)
    if tcp:
        port = server.add_secure_port("[::]:0", secure)
        return "tcp", f"{_host_name()}:{port}", certificate
    path = os.path.abspath(os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR", ""), f"plugin{os.getpid()}"))
    if secure is None:
        server.add_insecure_port(f"unix:{path}")
    else:
        server.add_secure_port(f"unix:{path}", secure)
    return "unix", path, certificate


def _host_name() -> str:
    """Returns the name other machines know this one by; its own address where it has none."""
    import socket

    try:
        socket.getaddrinfo(name := socket.gethostname(), None)
    except OSError:
        return "127.0.0.1"
    return name


def _register_go_plugin(server: Any, shutdown: threading.Event) -> None:
    """Serves what hashicorp/go-plugin wants of every plugin; empty messages but one."""
    import grpc

    def stop(request: bytes, context: Any) -> bytes:
        shutdown.set()
        return b""

    unary = grpc.unary_unary_rpc_method_handler
    for service, method, handle in (
        ("plugin.GRPCController", "Shutdown", stop),
        ("grpc.health.v1.Health", "Check", lambda request, context: b"\x08\x01"),  # SERVING
    ):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: unary(handle)}),))
    stdio = grpc.unary_stream_rpc_method_handler(lambda request, context: iter(()))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("plugin.GRPCStdio", {"StreamStdio": stdio}),))


def _watch_stdin() -> None:
    """Ends the process when standard input does: the host is gone."""
    while os.read(0, 4096):
        pass
    time.sleep(0.3)  # an orderly shutdown is quicker
    _leave()


def _leave() -> NoReturn:
    """Removes the socket, whose host may not be there to do it, and ends the process."""
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR", "")
    if directory:
        for path in glob.glob(os.path.join(directory, "plugin*")):
            os.unlink(path)
        for empty in (directory, os.path.dirname(directory)):
            try:
                if empty == directory or os.path.basename(empty).startswith("plume-"):
                    os.rmdir(empty)
            except OSError:
                pass  # others are there
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
