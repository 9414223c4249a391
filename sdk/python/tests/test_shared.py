"""Large payloads in memory shared with the host, and everything else in frames."""

import os
import sys
from itertools import chain

import numpy as np
import pytest
from conftest import plume
from plume import ContractError, Layout, ResourceError, Variable, _frames
from plume._proto import plugin_pb2 as pb
from plume._shared import _SIZE, SLOT_BYTES, Memory, features
from plume._transfer import Incoming, Outgoing, Source
from plume._wire import Space

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the feature is for Linux")

WIDE = '''
class Wide(Model):
    """A state that is large for twelve members."""

    variables = [Variable("u", "1", (30_000,)), Variable("p"), Variable("v", "1", (5, 4_000))]
    concurrent_calls = True

    def forecast(self, x, t0, t1, rng):
        assert ("memfd:plume" in open("/proc/self/maps").read()) == {shared}
        return np.cos(x) + 0.1 * rng.normal(1)

{before}
serve(Wide)
'''


@pytest.mark.parametrize("shared", [True, False])
def test_a_wide_model_passes(script, shared):
    """The suite compares calls bit by bit, four of them at once."""
    before = "" if shared else "import plume._shared\nplume._shared.features = list"
    code, said = plume("plugins", "test", script(WIDE.format(shared=shared, before=before)))
    assert code == 0, said


class Host:
    """The host's side of the memory."""

    def __init__(self, name="lake", size=_SIZE):
        self.fd = os.memfd_create("test")
        os.truncate(self.fd, size)
        os.pwrite(self.fd, name.encode(), 0)
        self.path = f"/proc/self/fd/{self.fd}"

    def word(self, slot, which, value=None):
        at = 64 + 128 * slot + 64 * which
        if value is not None:
            os.pwrite(self.fd, value.to_bytes(8, "little"), at)
        return int.from_bytes(os.pread(self.fd, 8, at), "little")

    def fill(self, slot, generation, payload):
        self.word(slot, 0, generation)
        os.pwrite(self.fd, payload, 4096 + slot * SLOT_BYTES)


@pytest.fixture
def host():
    host = Host()
    yield host
    os.close(host.fd)


def test_the_feature_is_offered():
    assert features() == ["shm.v2"]


def test_slots_are_taken_read_and_taken_back(host):
    memory, alive = Memory("lake", host.path), lambda: True
    taken = [memory.take(alive) for _ in range(3)]
    assert taken == [(3, 1), (4, 1), (5, 1)]
    assert memory.take(alive) is None, "three are all there are"
    host.word(4, 1, 1)  # the host has read it
    assert memory.take(alive) == (4, 3)
    memory.take_back(4, 1)  # the call that had it before ends: the slot is another's
    assert host.word(4, 0) == 3
    memory.take_back(3, 1)
    assert host.word(3, 0) == 2
    assert memory.take(alive) == (3, 3)
    memory.fill(3, [memoryview(b"la"), memoryview(b"ke")])
    assert os.pread(host.fd, 4, 4096 + 3 * SLOT_BYTES) == b"lake"


def test_a_late_reader_frees_nothing(host):
    memory = Memory("lake", host.path)
    host.fill(0, 1, b"old")
    assert bytes(memory.received(0, 3, 1)) == b"old"
    host.word(0, 0, 3)  # taken back, and taken again
    assert not memory.done(0, 1)
    assert host.word(0, 1) == 0
    assert memory.done(0, 3)
    assert host.word(0, 1) == 3


@pytest.mark.parametrize(("slot", "length", "generation"), [(3, 1, 1), (-1, 1, 1), (0, SLOT_BYTES + 1, 1), (0, 1, 2)])
def test_slots_that_cannot_be(host, slot, length, generation):
    with pytest.raises(ContractError, match="in slot"):
        Memory("lake", host.path).received(slot, length, generation)


@pytest.mark.parametrize(
    ("name", "size", "want"),
    [("pond", _SIZE, "another file"), ("", _SIZE, "another file"), ("lake", 4096, "has 4096 bytes")],
)
def test_another_file_is_refused(name, size, want):
    host = Host(size=size)
    with pytest.raises(ResourceError, match=want):
        Memory(name, host.path)
    with pytest.raises(ResourceError, match="No such file"):
        Memory(name, "/nowhere")
    os.close(host.fd)


SPACE = Space(Layout((Variable("u", "1", (70_000,)), Variable("p"))))


def request(messages, members=7, memory=None, name=""):
    header = pb.CallHeader(members=members, sends=[1], shm=name)
    end = _frames.end(pb.CallEnd(members=members))
    return Incoming(_frames.field(1, header.SerializeToString()), chain(messages, [end]), {"lake": memory})


def read(r):
    """Returns the one matrix of a request that holds nothing else."""
    read = SPACE.decode(Source(r, 1), 7, "ensemble")
    r.ended(1, "ensemble")
    r.end()
    return read


def matrix(rows=7):
    return np.random.default_rng(1).normal(size=(rows, SPACE.layout.size))


def test_what_is_sent_arrives():
    sent = matrix()
    inline = list(Outgoing(None, lambda: True).channel(1, SPACE.encode(sent)))
    assert len(inline) == 4  # 7 x 70001 x 8 bytes
    for messages in (inline, [m for p in inline for m in cut(p)]):
        assert np.array_equal(read(request(messages)), sent)


def cut(message):
    """The same payload in two frames, cut where neither a value nor a batch ends."""
    whole = _frames.parse(message).ipc
    for part in (whole[:12_345], whole[12_345:]):
        yield _frames.payload(1, [part], len(part))


def test_what_is_sent_arrives_in_slots(host):
    sent, memory = matrix(), Memory("lake", host.path)
    inline = list(Outgoing(None, lambda: True).channel(1, SPACE.encode(sent)))

    def fill():
        for i, message in enumerate(inline):
            piece, generation = _frames.parse(message).ipc, 2 * (i // 3) + 1
            host.fill(i % 3, generation, piece)  # an earlier payload there has been read by now
            yield _frames.shared(1, i % 3, len(piece), generation)

    assert np.array_equal(read(request(fill(), memory=memory, name="lake")), sent)
    assert [host.word(i, 1) for i in range(3)] == [3, 1, 1]

    out = Outgoing(memory, lambda: True)
    stream = b""
    for message in out.channel(1, SPACE.encode(sent)):
        shm = _frames.parse(message).shm
        stream += os.pread(host.fd, shm.length, 4096 + shm.slot * SLOT_BYTES)
        host.word(shm.slot, 1, shm.generation)
    assert stream == b"".join(_frames.parse(m).ipc for m in inline)
    out.take_back()
    assert [host.word(i, 0) % 2 for i in range(3, 6)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("spoil", "want"),
    [
        (lambda m: m[:-1], "got 6 members, want 7|is not an Arrow stream"),
        (lambda m: [*m, m[0]], "more than its header says"),
        (lambda m: [_frames.payload(2, [_frames.parse(m[0]).ipc], 1 << 20), *m[1:]], "is not an Arrow stream"),
        (lambda m: [_frames.shared(1, 0, 5, 1), *m], "of which the call has none"),
        (lambda m: [m[0][:-1], *m[1:]], "is cut"),
    ],
)
def test_broken_requests(spoil, want):
    messages = spoil(list(Outgoing(None, lambda: True).channel(1, SPACE.encode(matrix()))))
    with pytest.raises(ContractError, match=want):
        read(request(messages))


def test_payloads_that_were_taken_back(host):
    memory = Memory("lake", host.path)
    host.fill(0, 3, b"of the next call")
    r = request([_frames.shared(1, 0, 8, 1)], memory=memory, name="lake")
    with pytest.raises(ContractError, match="taken back before it was read"):
        r.readinto(1, memoryview(bytearray(8)))
    with pytest.raises(ContractError, match="no shared memory 'pond'"):
        request([], name="pond")


def test_matrices_are_used_again_when_nothing_refers_to_them():
    space = Space(Layout((Variable("u", "1", (100,)),)))
    first = space.empty(3)
    address, view = first.ctypes.data, first[1:].T
    del first
    other = space.empty(3)
    assert other.ctypes.data != address, "a view is left"
    del view
    assert space.empty(3).ctypes.data == address
    assert space.empty(4).shape == (4, 100)
