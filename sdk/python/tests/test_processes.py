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


def test_what_it_starts_is_no_plugin(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text("import subprocess, plume\nsubprocess.run(['env'], check=True)\n", encoding="utf-8")
    env = os.environ | {"PLUME_PLUGIN": "plume.v1", "MARK": "1"}
    ended = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    assert "MARK=1\n" in ended.stderr
    assert "PLUME_PLUGIN" not in ended.stderr


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


LOGS = '''
import logging
import sys
from plume import Model, serve

class Talkative(Model):
    """Says what it does."""

    variables = {"x": "1"}

    def setup(self):
        logging.getLogger("lake").warning("shallow: %g m", 0.5)
        logging.debug("of no interest")
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("as deep as ever")

    def forecast(self, x, t0, t1, rng):
        return x

serve(Talkative)
'''


def test_logging_reaches_the_host(tmp_path):
    import grpc
    from plume._proto import plugin_pb2 as pb

    script = tmp_path / "talkative.py"
    script.write_text(LOGS, encoding="utf-8")
    env = os.environ | {"PLUME_PLUGIN": "plume.v1", "PLUGIN_UNIX_SOCKET_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    path = process.stdout.readline().split("|")[3]
    with grpc.insecure_channel(f"unix:{path}") as channel:
        asked = iter(lambda: time.sleep(60), None)
        session = channel.stream_stream(
            "/plume.v1.Plugin/Session", request_serializer=lambda _: b"",
            response_deserializer=pb.SessionEvent.FromString,
        )(asked)  # fmt: skip
        configure = channel.unary_unary(
            "/plume.v1.Plugin/Configure", request_serializer=pb.ConfigureRequest.SerializeToString
        )
        configure(pb.ConfigureRequest(configuration="1"))
        records = [next(session).log for _ in range(2)]
        assert [(r.level, r.message, r.fields["logger"]) for r in records] == [
            ("warn", "shallow: 0.5 m", "lake"),
            ("error", "as deep as ever", "root"),
        ]
        assert records[1].fields["trace"].endswith("ZeroDivisionError: division by zero")
        session.cancel()
    assert process.wait(5) == 0
