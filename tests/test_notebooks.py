"""The notebooks of the documentation run from top to bottom, and hold no output of anyone's machine."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"


@pytest.mark.parametrize("name", ["encrypt_and_look", "break_a_scheme", "bring_your_own_scheme"])
def test_a_notebook_runs(name, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in cells)
    namespace = {"__name__": name}
    for cell in code:
        exec(cell, namespace)


def test_every_notebook_is_one_of_these():
    assert len(list(NOTEBOOKS.glob("*.ipynb"))) == 3
