"""What make dist has put into dist/: installed where there is neither Go nor a compiler,
and judged by the tools of those who take it over."""

import hashlib
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import cffconvert.citation
import pytest
import rattler_build

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
HERE = f"{platform.system().lower()}-{'arm64' if platform.machine() in ('arm64', 'aarch64') else 'amd64'}"
TOOLS = Path(sys.executable).parent
MB = 1_000_000

# A build from the commit of a release has its version; any other says more.
VERSION = re.search(r'const version = "(.*)"', (ROOT / "host/internal/cli/version.go").read_text())[1]
ARCHIVE = next(DIST.glob(f"plume-*-{HERE}.tar.gz"))
WHEELS = sorted(DIST.glob("plume_da-*.whl"))
TAGS = {
    "linux-amd64": {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"},
    "linux-arm64": {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "musllinux_1_1_aarch64"},
    "darwin-amd64": {"macosx_12_0_x86_64"},
    "darwin-arm64": {"macosx_12_0_arm64"},
}


def wheel_of(name):
    """Returns the wheel for a platform, None where it was not built."""
    return next((w for w in WHEELS if set(w.stem.split("-")[-1].split(".")) == TAGS[name]), None)


class Place:
    """A virtual environment in an otherwise empty world: its own programs are all there is."""

    def __init__(self, path):
        self.path, self.bin = path, path / "env" / "bin"
        subprocess.run([sys.executable, "-m", "venv", path / "env"], check=True)
        self.run("pip", "install", "--disable-pip-version-check", "-q", wheel_of(HERE), timeout=600)

    def run(self, program, *args, code=0, timeout=120, **env):
        """Runs a program of the environment in the empty world and returns what it printed."""
        env = {
            "PATH": str(self.bin),
            "HOME": str(self.path),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", ""),
        } | env
        if not env["PIP_CACHE_DIR"]:
            env["PIP_NO_CACHE_DIR"] = "1"
        env |= {
            k: v for k, v in os.environ.items() if k.upper().endswith("_PROXY") or k in ("PIP_INDEX_URL", "PIP_CERT")
        }
        args = [str(self.bin / program), *map(str, args)]
        done = subprocess.run(
            args, cwd=self.path, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("place"))


def test_there_is_no_go_and_no_compiler(place):
    assert not [p for p in ("go", "gcc", "cc", "make", "git") if shutil.which(p, path=str(place.bin))]


def test_the_version_is_one(place):
    said = json.loads(place.run("plume", "version", "--json"))["plume"]
    assert said == VERSION or said.startswith(f"{VERSION}-dev")
    kit = place.run("python", "-c", "import plume; print(plume.__version__)").strip()
    assert kit == said.replace("-dev", ".dev0", 1).replace("-", ".")
    assert cffconvert.citation.Citation((ROOT / "CITATION.cff").read_text()).cffobj["version"] == VERSION
    assert f"\n## {VERSION}" in (ROOT / "CHANGELOG.md").read_text() or said != VERSION


def test_the_first_experiment(place):
    place.run("plume", "init", "demo")
    said = place.run("plume", "run", "demo/workflow.toml")
    assert re.search(r"\n *enkf +50 ", said), said
    place.run("plume", "report", "@last")
    page = next(place.path.glob("runs/*/*/report.html")).read_text(encoding="utf-8")
    assert "uPlot" in page
    assert "enkf" in place.run("plume", "compare", "@last")


def test_its_results_in_python(place):
    show = """if True:
        import plume
        run = plume.open_run("@last")
        rmse = run.table("metrics", "numpy")
        print(sorted(set(rmse["filter"])), run.manifest["status"])
        try:
            run.table("metrics")
        except ImportError as e:
            print(e)
    """
    said = place.run("python", "-c", show)
    assert said.startswith("['climatology', 'diffusion', 'enkf', 'persistence'] ok\n")
    assert 'pip install "plume-da[pandas]"' in said


def test_a_class_of_a_script(place):
    """From a class to its paired comparison, with the program that the wheel has brought and that is not on $PATH."""
    (place.path / "first.py").write_text(
        """if True:
            import plume

            class Mine(plume.Filter):
                '''Returns the forecast.'''

                def analyse(self, problem):
                    return problem.ensemble

            plume.testing.check(Mine)
            twin = {
                "experiment": {"name": "first", "seed": 1},
                "time": {"cycles": 20, "interval": 0.1},
                "model": {"plugin": "lorenz63"},
                "truth": {"init": [1.5, -1.5, 25.5]},
                "observations": {"plugin": "obs-nonlinear", "error": {"sd": 1.0}},
                "ensemble": {"size": 10, "init": {"dist": "normal", "around": "truth", "sd": 2.0}},
                "filter": [{"label": "mine", "plugin": "mine"}, {"label": "etkf", "plugin": "filter-enkf"}],
            }
            run = plume.run(twin, plugins={"mine": Mine})
            print(plume.compare(run, against="etkf").of("mine").difference.value > 0)
        """,
        encoding="utf-8",
    )
    assert place.run("python", "first.py", PATH="/nowhere") == "True\n"


def test_a_plugin_in_python(place):
    """The template's model, in the environment of plume by itself."""
    place.run("plume", "init", "--plugin", "model", "--lang", "python", "pond")
    assert "ok" in place.run("python", "pond/pond.py", "--check")
    place.run("plume", "run", "pond/workflow.toml")
    place.run("plume", "run", "pond/workflow.toml", PATH="/nowhere")  # called by its path, nothing active


def test_a_plugin_without_the_kit_is_told_its_name(place):
    (place.path / "lost.py").write_text("from plume import Lake\n", encoding="utf-8")
    said = place.run("plume", "plugins", "test", "lost.py", code=1)
    assert "install plume-da (the package plume on PyPI is another project) for" in said


def check_kind(program, tag):
    """Checks that a program is for the system and the processor of a tag."""
    intel = "x86_64" in tag
    if program.startswith(b"\x7fELF\x02"):
        assert "manylinux" in tag
        assert int.from_bytes(program[18:20], "little") == (0x3E if intel else 0xB7)
        return
    assert program.startswith(b"\xcf\xfa\xed\xfe"), "neither of Linux nor of macOS"
    processor, commands = struct.unpack_from("<I8xI", program, 4)
    assert processor == (0x01000007 if intel else 0x0100000C)
    at, oldest = 32, None
    for _ in range(commands):
        command, size, _, version = struct.unpack_from("<4I", program, at)
        oldest = f"macosx_{version >> 16}_{version >> 8 & 255}" if command == 0x32 else oldest  # LC_BUILD_VERSION
        at += size
    assert tag.startswith(f"{oldest}_")


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda w: w.stem.split("-")[-1])
def test_wheels(wheel):
    assert wheel.stat().st_size < 25 * MB
    whole = zipfile.ZipFile(wheel)
    (program,) = [i for i in whole.infolist() if i.filename.endswith(".data/scripts/plume")]
    assert program.external_attr >> 16 & 0o111 == 0o111, "not executable"
    assert program.file_size < 55 * MB, "more than the budget of a stripped program"
    names = whole.namelist()
    for wanted in ("licenses/LICENSE", "extra_metadata/THIRD-PARTY-LICENSES.txt", "sboms/plume.cdx.json"):
        assert [n for n in names if n.endswith(f".dist-info/{wanted}")]
    assert "plume/py.typed" in names
    assert not [n for n in names if "tests/" in n or "/test_" in n]
    check_kind(whole.read(program), wheel.stem.split("-")[-1])
    subprocess.run([TOOLS / "twine", "check", "--strict", wheel], check=True)


def test_pip_takes_the_wheel_on_old_and_on_musl_systems(tmp_path):
    if wheel_of("linux-amd64") is None:
        pytest.skip("no wheel for Linux on x86-64")
    for tag in ("manylinux2014_x86_64", "musllinux_1_1_x86_64"):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
        where = ["--platform", tag, "--only-binary=:all:", "--find-links", DIST, "--pre", "-d", tmp_path / tag]
        subprocess.run([*pip, *where, "plume-da"], check=True)
        assert list((tmp_path / tag).glob("*.whl"))


def test_the_archive(tmp_path):
    with tarfile.open(ARCHIVE) as tar:
        assert {(m.uid, m.gid) for m in tar} == {(0, 0)}
        tar.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    plume = subprocess.run([tree / "bin/plume", "version"], env={}, check=True, capture_output=True, text=True)
    assert plume.stdout.startswith(f"plume {VERSION}")
    assert ".TH" in (tree / "share/man/man1/plume-run.1").read_text()
    for shell, file in {"bash": "bash-completion/completions/plume", "zsh": "zsh/site-functions/_plume"}.items():
        said = subprocess.run([shell, "-n", tree / "share" / file], check=False) if shutil.which(shell) else None
        assert said is None or said.returncode == 0
    assert (tree / "share/fish/vendor_completions.d/plume.fish").stat().st_size > 1000
    licences = (tree / "share/doc/plume/THIRD-PARTY-LICENSES.txt").read_text(encoding="utf-8")
    for holder in (
        "The Go Authors",
        "Leon Sorokin",
        "github.com/apache/arrow/go/v17",
        "gonum.org/v1/gonum",
        "SIL OPEN FONT LICENSE",
    ):
        assert holder in licences, holder
    assert (tree / "share/doc/plume/LICENSE").read_text().startswith("                                 Apache License")


def test_the_program_needs_no_library(tmp_path):
    if HERE.startswith("linux"):
        with tarfile.open(ARCHIVE) as tar:
            tar.extractall(tmp_path, filter="data")
        (program,) = tmp_path.glob("*/bin/plume")
        assert b"ld-linux" not in program.read_bytes()[: 1 << 16], "has an interpreter"


def test_checksums():
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {f.name for f in DIST.glob("plume*")}
    for line in lines:
        want, name = line.split()
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == want


def test_sboms():
    for file in DIST.glob("*.cdx.json"):
        bom = json.loads(file.read_text())
        assert bom["bomFormat"] == "CycloneDX"
        assert bom["metadata"]["component"]["version"].startswith(VERSION)
        parts = {c["name"]: c for c in bom["components"]}
        assert {"google.golang.org/grpc", "gonum.org/v1/gonum", "std"} <= set(parts)
        unlicensed = [name for name, c in parts.items() if "evidence" not in c and "licenses" not in c]
        assert set(unlicensed) <= {"std", "github.com/JohnCGriffin/overflow"}  # whose README holds it


def test_the_container_files():
    """No engine builds them here: the linter reads one, and what they name is there."""
    subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], check=True)
    docker, apptainer = (ROOT / "Dockerfile").read_text(), (ROOT / "host/packaging/plume.def").read_text()
    sections = re.findall(r"^%(\w+)$", apptainer, re.MULTILINE)
    assert sections == ["files", "post", "test", "runscript", "labels", "help"]
    base = re.search(r"^FROM (\S+)$", docker, re.MULTILINE)[1]
    assert f"\nFrom: {base}\n" in apptainer
    named = re.search(r"\$\(echo /dist/(.*?whl)\)", docker)[1]
    assert f"/opt/{named}" in apptainer
    if HERE.startswith("linux"):
        script = f"cd {DIST} && echo " + named
        found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        assert DIST / found == wheel_of(HERE)


def test_the_conda_recipe():
    recipe = rattler_build.Stage0Recipe.from_file(str(ROOT / "host/packaging/recipe.yaml"))
    platforms = rattler_build.PlatformConfig(target_platform="linux-64")
    (variant,) = recipe.render(rattler_build.VariantConfig(), rattler_build.RenderConfig(platform=platforms))
    assert (variant.recipe.package.name, str(variant.recipe.package.version)) == ("plume-da", VERSION)
    needed = {str(r) for r in variant.recipe.requirements.to_dict()["run"]}
    project = (ROOT / "sdk/python/pyproject.toml").read_text()
    for requirement in re.search(r"^dependencies = \[(.*)\]$", project, re.MULTILINE)[1].split('", "'):
        name, bounds = re.fullmatch(r'"?([a-z]+)(.*?)"?', requirement).groups()
        assert f"{name} {bounds}" in needed


def test_the_citation():
    cffconvert.citation.Citation((ROOT / "CITATION.cff").read_text()).validate()
