"""What hatchling cannot know by itself: the version, which plume and this package share,
and the program plume of a wheel for one platform."""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.version import Version

SOURCE = Path(__file__).parents[2] / "host" / "internal" / "cli" / "version.go"

# What a program that needs no library of the system runs on. The release notes of Go name
# the oldest macOS.
PLATFORMS = {
    "linux-amd64": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "linux-arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "darwin-amd64": "macosx_12_0_x86_64",
    "darwin-arm64": "macosx_12_0_arm64",
}


def version() -> str:
    """Returns what make dist stamps into plume too, or the version under way, as Python
    writes it: 0.1.0.dev0 for 0.1.0-dev."""
    if given := os.environ.get("PLUME_VERSION"):
        return str(Version(given))
    stated = re.search(r'^const version = "(.*)"$', SOURCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert stated, f"{SOURCE} states no version"
    return str(Version(f"{stated[1]}-dev"))


class ProgramHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes a wheel for one platform of the folder $PLUME_BUILD, which make dist fills and
    names after the platform. Without that the wheel is the Python package alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not (given := os.environ.get("PLUME_BUILD")):
            return
        build = Path(given).resolve()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{PLATFORMS[build.name]}"
        about = build / "share" / "doc" / "plume"
        build_data["shared_scripts"] = {str(build / "bin" / "plume"): "plume"}
        build_data["extra_metadata"] = {str(about / "THIRD-PARTY-LICENSES.txt"): "THIRD-PARTY-LICENSES.txt"}
        build_data["sbom_files"] = [str(about / "plume.cdx.json")]
