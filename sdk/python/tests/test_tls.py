"""Plugins on TCP: both ends show certificates, and neither talks to anybody else."""

import base64
import os
import ssl
import subprocess
import sys

import grpc
import pytest
from conftest import EXAMPLES, plume
from plume import _tls
from plume._proto import plugin_pb2 as pb

WORKFLOW = """
format = 1

[experiment]
name = "far"
seed = 7

[time]
cycles   = 3
interval = 0.1

[plugins]
python = {{ python = "{script}"{network} }}

[model]
plugin = "python"

[truth]
init = [1.509, -1.531, 25.461]

[observations]
plugin = "obs-nonlinear"
params = {{ operator = "identity" }}
error  = {{ sd = 1.0 }}

[ensemble]
size = 2000
init = {{ dist = "normal", around = "truth", sd = 1.0 }}

[[filter]]
label  = "etkf"
plugin = "filter-enkf"
params = {{ scheme = "etkf" }}

[output]
ensemble = "none"
"""
TCP = ', network = "tcp"'


def run(tmp_path, script, network, *args):
    file = tmp_path / "far.toml"
    file.write_text(WORKFLOW.format(script=script, network=network), encoding="utf-8")
    return plume(*(args or ("run", "--run-dir", tmp_path / ("tcp" if network else "unix"))), file)


def test_the_same_run_over_tcp(tmp_path):
    """2,000 members of three values are large enough for shared memory, which two
    machines have not."""
    for network in (TCP, ""):
        code, said = run(tmp_path, EXAMPLES / "lorenz63.py", network)
        assert code == 0, said
    tables = [next((tmp_path / n).rglob("cycles.arrow")).read_bytes() for n in ("tcp", "unix")]
    assert tables[0] == tables[1]


IMPOSTOR = """
import plume._tls
credentials = plume._tls.credentials

def shows_another(host):
    return credentials(host)[0], credentials(host)[1]

plume._tls.credentials = shows_another
exec(open({lorenz63!r}).read())
"""


def test_the_host_refuses_another_certificate(tmp_path):
    """The handshake announces one certificate, whoever listens there shows another."""
    script = tmp_path / "impostor.py"
    script.write_text(IMPOSTOR.format(lorenz63=str(EXAMPLES / "lorenz63.py")), encoding="utf-8")
    code, said = run(tmp_path, script, TCP, "plan")
    assert code != 0
    assert "failed to verify certificate" in said


class Identity:
    """A key with a certificate, as a host has one."""

    def __init__(self):
        self.key, self.certificate, _ = _tls._certificate()


@pytest.fixture
def served(request, tmp_path):
    """The host a plugin on TCP was told of, and address and certificate it answered."""
    host = Identity()
    env = os.environ | {
        "PLUME_PLUGIN": "plume.v1", "PLUGIN_UNIX_SOCKET_DIR": str(tmp_path), "PLUME_LISTEN": "tcp",
        "PLUGIN_CLIENT_CERT": host.certificate.decode(),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "lorenz63.py")],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    core, version, network, address, protocol, certificate = process.stdout.readline().strip().split("|")
    assert (core, version, network, protocol) == ("1", "1", "tcp", "grpc")
    assert "=" not in certificate
    der = base64.b64decode(certificate + "=" * (-len(certificate) % 4))
    yield host, address, ssl.DER_cert_to_PEM_cert(der).encode()
    process.stdin.close()
    assert process.wait(5) == 0


def describe(address, credentials):
    options = [("grpc.ssl_target_name_override", "localhost")]
    channel = grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address)
    with channel:
        ask = channel.unary_unary("/plume.v1.Plugin/Describe", response_deserializer=pb.DescribeResponse.FromString)
        return ask(b"", timeout=5).manifest


def test_only_the_host_is_let_in(served):
    host, address, certificate = served
    right = grpc.ssl_channel_credentials(certificate, host.key, host.certificate)
    assert "lorenz63-python" in describe(address, right)
    other = Identity()
    for wrong in (
        None,  # no TLS
        grpc.ssl_channel_credentials(certificate),  # no certificate
        grpc.ssl_channel_credentials(certificate, other.key, other.certificate),
        grpc.ssl_channel_credentials(other.certificate, host.key, host.certificate),  # trusts somebody else
    ):
        with pytest.raises(grpc.RpcError) as refused:
            describe(address, wrong)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("certificate", "want"),
    [
        ("", "TCP needs mutual TLS, but the host shows no certificate"),
        ("nonsense", "$PLUGIN_CLIENT_CERT: is no certificate"),
    ],
)
def test_no_tcp_without_certificates(certificate, want):
    env = os.environ | {"PLUME_PLUGIN": "plume.v1", "PLUME_LISTEN": "tcp", "PLUGIN_CLIENT_CERT": certificate}
    script = str(EXAMPLES / "lorenz63.py")
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert want in done.stderr
