"""Calls that follow one another on one stream, and frames that are joined."""

import grpc
import numpy as np
import pytest
from plume import Model, Variable
from plume._frames import end, field, parse, payload
from plume._proto import plugin_pb2 as pb
from plume._server import Server
from plume._wire import Space
from plume.layout import Layout

SPACE = Space(Layout((Variable("x", "1"), Variable("u", "1", (3,)))))


class Twice(Model):
    """Doubles its state."""

    variables = SPACE.layout.variables

    def forecast(self, x, t_from, t_to, rng):
        return 2 * x


class Context:
    """The host's side of a call, of which the status is kept."""

    def __init__(self):
        self.code = None

    def is_active(self):
        return True

    def set_trailing_metadata(self, metadata):
        pass

    def abort(self, code, text):
        self.code = code
        raise RuntimeError(text)


@pytest.fixture
def server():
    s = Server(Twice)
    s.configure(pb.ConfigureRequest(configuration="1"), Context())
    return s


def numbers(members):
    return np.arange(4.0 * members).reshape(members, 4)


def asked(members, configuration="1", series=True):
    """Returns header, payload and end of a call."""
    header = pb.CallHeader(configuration=configuration, members=members, sends=[1], wants=[1], series=series)
    pieces = [memoryview(p).cast("B") for p in SPACE.encode(numbers(members))]
    return (
        field(1, header.SerializeToString()),
        payload(1, pieces, sum(len(p) for p in pieces)),
        end(pb.CallEnd(members=members)),
    )


def doubled(frames, members):
    """Says whether frames, which may be joined, are the answer to asked."""
    want = [memoryview(p).cast("B") for p in SPACE.encode(2 * numbers(members))]
    got = b"".join(f.ipc for f in frames)
    return got == b"".join(want) and frames[-1].end.members == members


def test_a_series_of_joined_frames(server):
    messages = [b"".join(asked(m)) for m in (1, 5, 2)]
    answers = [parse(m) for m in server.call(iter(messages), Context())]
    assert len(answers) == 3  # one message each
    assert all(doubled([a], m) for a, m in zip(answers, (1, 5, 2), strict=True))


def test_a_call_of_a_host_that_joins_nothing(server):
    answers = [parse(m) for m in server.call(iter(asked(3, series=False)), Context())]
    assert len(answers) == 2
    assert doubled(answers, 3)


def test_a_failure_ends_the_stream(server):
    messages = [b"".join(asked(1)), b"".join(asked(1, configuration="2")), b"".join(asked(1))]
    context = Context()
    answers = server.call(iter(messages), context)
    next(answers)
    with pytest.raises(RuntimeError, match="there is no configuration '2'"):
        next(answers)
    assert context.code == grpc.StatusCode.INTERNAL


def test_calls_at_once_have_streams_of_their_own(server):
    assert "series.v1" in server.describe(None, None).features
    server.cls = type("Busy", (Twice,), {"concurrent_calls": True})
    assert "series.v1" not in server.describe(None, None).features
