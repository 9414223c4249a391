"""The workflow language as types, and as text."""

import datetime
import runpy
from pathlib import Path

import numpy as np
import plume as kit
import pytest
from conftest import PLUME, ROOT

tomllib = pytest.importorskip("tomllib")


def test_the_types_are_those_of_the_schema():
    made = runpy.run_path(str(ROOT / "sdk" / "python" / "workflow_types.py"))
    assert made["TARGET"].read_text() == made["text"](), "run python sdk/python/workflow_types.py"
    assert kit.Workflow.__annotations__["time"].__forward_arg__ == "WorkflowTime"


@pytest.mark.parametrize("file", sorted((ROOT / "workflows").glob("*.toml")), ids=lambda f: f.stem)
def test_workflows_are_written_as_they_were_read(file, tmp_path, monkeypatch):
    monkeypatch.setenv("PLUME", PLUME)
    read = tomllib.loads(file.read_text())
    assert tomllib.loads(kit.to_toml(read)) == read


def test_values_of_python_are_those_of_toml():
    text = kit.to_toml(
        {
            "experiment": {"name": 'a "quoted" name', "seed": np.int64(3), "description": None},
            "time": {"start": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "interval": 1e-7},
            "truth": {"init": np.array([1.0, -2.5]), "odd key": True},
            "model": {"params": {"mesh": Path("a/b"), "table": {"x": [1, 2], "y": {}}}},
            "filter": ({"label": "a"}, {"label": "b", "sizes": range(1, 4)}),
        }
    )
    assert tomllib.loads(text) == {
        "format": 1,
        "experiment": {"name": 'a "quoted" name', "seed": 3},
        "time": {"start": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "interval": 1e-7},
        "truth": {"init": [1.0, -2.5], "odd key": True},
        "model": {"params": {"mesh": "a/b", "table": {"x": [1, 2], "y": {}}}},
        "filter": [{"label": "a"}, {"label": "b", "sizes": [1, 2, 3]}],
    }
    with pytest.raises(TypeError, match="a workflow cannot have <object"):
        kit.to_toml({"time": {"cycles": object()}})
