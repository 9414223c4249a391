"""What the tests share: the program plume, and scripts written for one test."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "python"
PLUME = os.environ.get("PLUME") or str(ROOT / "bin" / "plume")
PROTO = ROOT / "sdk" / "python" / "src" / "plume" / "_proto"  # of the plugin without the kit


def plume(*args, **env):
    """Runs plume and returns its exit code and all it printed."""
    path = os.pathsep.join(filter(None, (str(PROTO), os.environ.get("PYTHONPATH"))))
    env = os.environ | {"PLUME_PYTHON": sys.executable, "PYTHONPATH": path, "NO_COLOR": "1", "PLUME": PLUME} | env
    done = subprocess.run([PLUME, *map(str, args)], env=env, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def script(tmp_path):
    """Writes a plugin's script."""

    def write(text):
        path = tmp_path / "plugin.py"
        path.write_text("import numpy as np\nfrom plume import *\n" + textwrap.dedent(text), encoding="utf-8")
        return path

    return write
