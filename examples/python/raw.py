"""A model plugin without plume's kit: the protocol of docs/reference/protocol.md and nothing else.

plugin_pb2 is what protoc makes of sdk/proto/plume/v1/plugin.proto; put it on $PYTHONPATH.
The model is x' = -x in two variables."""

import contextlib
import io
import math
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import plugin_pb2 as pb
import pyarrow as pa
from google.protobuf import any_pb2

MANIFEST = """
name = "raw-python"
version = "0.1.0"
role = "model"
summary = "Exponential decay, without a kit"

[threading]
concurrent_calls = false
"""
VARIABLES = ["u", "v"]
SOCKET = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR", ""), f"plugin{os.getpid()}")
SCHEMA = pa.schema([pa.field("member", pa.int32(), nullable=False), *((v, pa.float64()) for v in VARIABLES)])


def leave():
    """Ends the process; its socket goes, and the directory of sockets when it was the last one there."""
    with contextlib.suppress(OSError):
        os.unlink(SOCKET)
        os.rmdir(os.path.dirname(SOCKET))
    os._exit(0)


def watch():
    """Waits for the end of standard input, whose other end the host holds for as long as it lives."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    leave()


def describe(request, context):
    return pb.DescribeResponse(manifest=MANIFEST, protocol_minor=0)


def refuse(context, where, what):
    """A status with a plume.v1.Error in the details of a google.rpc.Status, here written by hand."""
    error = any_pb2.Any()
    error.Pack(pb.Error(kind="config", where=where, what=what))
    packed = error.SerializeToString()
    details = b"\x08\x03" + b"\x1a" + bytes([len(packed) & 0x7F | 0x80, len(packed) >> 7]) + packed
    context.set_trailing_metadata([("grpc-status-details-bin", details)])
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, what)


def configure(request, context):
    for name in request.params:
        refuse(context, name, "there are no parameters")
    if request.step:
        refuse(context, "step", "the model has no time step")
    return pb.ConfigureResponse(state=pb.Layout(variables=[pb.Variable(name=v, unit="1") for v in VARIABLES]))


def session(requests, context):
    try:
        for _ in requests:
            pass
    finally:  # the host has closed the stream or, when it was killed, the connection, which raises
        leave()
    yield  # a generator: it has no log records to send


def forecast(frames, context):
    header = next(frames).header
    stream = b""
    for frame in frames:
        stream += frame.ipc
        if frame.HasField("end"):
            break
    factor = math.exp(header.time_from - header.time_to)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, SCHEMA) as writer:
        for batch in pa.ipc.open_stream(stream):
            columns = [pa.array(batch.column(v).to_numpy() * factor) for v in VARIABLES]
            writer.write_batch(pa.record_batch([batch.column("member"), *columns], schema=SCHEMA))
    answer = out.getvalue()
    for at in range(0, len(answer), 1 << 20):
        yield pb.Frame(channel=pb.CHANNEL_ENSEMBLE, ipc=answer[at : at + (1 << 20)])
    yield pb.Frame(end=pb.CallEnd(members=header.members))


def main():
    if os.environ.get("PLUME_PLUGIN") != "plume.v1":
        sys.exit("this is a plugin; plume starts it")
    stopped = threading.Event()
    server = grpc.server(ThreadPoolExecutor(8))
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    for service, methods in {
        "plume.v1.Plugin": {
            "Describe": unary(describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString),
            "Configure": unary(configure, pb.ConfigureRequest.FromString, pb.ConfigureResponse.SerializeToString),
            "Session": stream(session, pb.SessionRequest.FromString, pb.SessionEvent.SerializeToString),
        },
        "plume.v1.Model": {"Forecast": stream(forecast, pb.Frame.FromString, pb.Frame.SerializeToString)},
        "grpc.health.v1.Health": {"Check": unary(lambda request, context: b"\x08\x01")},
        "plugin.GRPCController": {"Shutdown": unary(lambda request, context: stopped.set() or b"")},
    }.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
    server.add_insecure_port(f"unix:{SOCKET}")
    server.start()
    threading.Thread(target=watch, daemon=True).start()
    print(f"1|1|unix|{SOCKET}|grpc|", flush=True)
    stopped.wait()
    server.stop(0.1).wait()
    leave()


if __name__ == "__main__":
    main()
