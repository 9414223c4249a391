"""A plugin's process ends with its host."""

import os
import subprocess
import sys
import time

import pytest
from conftest import EXAMPLES


@pytest.fixture
def served(tmp_path):
    """A plugin started as plume starts it, ready, and its standard input."""
    env = os.environ | {"PLUME_PLUGIN": "plume.v1", "PLUGIN_UNIX_SOCKET_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "lorenz63.py")],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line == f"1|1|unix|{tmp_path}/plugin{process.pid}|grpc|\n"
    yield process
    process.kill()
    process.wait()


def test_ends_with_standard_input(served):
    served.stdin.close()
    assert served.wait(5) == 0


def test_ends_with_the_session(served, tmp_path):
    import grpc

    with grpc.insecure_channel(f"unix:{tmp_path}/plugin{served.pid}") as channel:
        asked = iter(lambda: time.sleep(60), None)
        session = channel.stream_stream("/plume.v1.Plugin/Session", request_serializer=lambda _: b"")(asked)
        time.sleep(0.5)
        assert served.poll() is None
        session.cancel()
    assert served.wait(5) == 0


def test_interrupt_is_left_to_the_host(served):
    served.send_signal(2)
    time.sleep(0.2)
    assert served.poll() is None
    served.terminate()
    assert served.wait(5) == 0
