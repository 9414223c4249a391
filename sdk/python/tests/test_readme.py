"""The scripts the documentation shows."""

import re

import pytest
from conftest import ROOT, plume


@pytest.mark.parametrize("page", ["README.md", "sdk/python/README.md", "docs/how-to/write-a-plugin.md"])
def test_shown_plugins_pass(page, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    scripts = [b for b in blocks if "serve(" in b]
    assert scripts
    for i, text in enumerate(scripts):
        path = tmp_path / f"shown{i}.py"
        path.write_text(text, encoding="utf-8")
        code, said = plume("plugins", "test", path)
        assert code == 0, said
