"""The package as a user gets it: installed by pip where nothing else is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PLUME, ROOT, plume

UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|Temporary failure in name resolution|Network is unreachable"
)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with the package and what that needs alone."""
    clean = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", clean], check=True)
    python = clean / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", ROOT / "sdk" / "python"]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode and UNREACHABLE.search(done.stdout + done.stderr):
        pytest.skip("pip reaches no package index")
    assert done.returncode == 0, done.stdout + done.stderr
    return python


def scripts(page):
    """Returns the plugins a page shows."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [b for b in blocks if "serve(" in b]


@pytest.mark.network
def test_the_snippets_of_the_readme_work(python, tmp_path):
    shown = [text for page in ("README.md", "sdk/python/README.md") for text in scripts(page)]
    assert len(shown) == 2
    for i, text in enumerate(shown):
        path = tmp_path / f"shown{i}.py"
        path.write_text(text, encoding="utf-8")
        env = {"PATH": "/usr/bin:/bin", "PLUME": PLUME}
        checked = subprocess.run([python, path, "--check"], env=env, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout.split()[:1]) == (0, ["ok"]), checked.stderr
        code, said = plume("plugins", "describe", path, PLUME_PYTHON=str(python), PYTHONPATH="")
        assert code == 0, said
        assert "rate" in said


@pytest.mark.network
def test_the_package_is_typed_and_whole(python):
    where = subprocess.run(
        [python, "-c", "import plume; print(plume.__file__)"], capture_output=True, text=True, check=True
    ).stdout
    package = Path(where.strip()).parent
    assert (package / "py.typed").exists()
    source = ROOT / "sdk" / "python" / "src" / "plume"
    names = {p.relative_to(source) for p in source.rglob("*.py*") if p.suffix in (".py", ".pyi")}
    assert names <= {p.relative_to(package) for p in package.rglob("*.py*")}
