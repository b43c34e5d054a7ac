"""CONTRIBUTING.md: its scheme works as it stands there, and what its recipes name exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from program import SMALL, finish, results

from vitcrypt.benchmark.claims import parse_claim
from vitcrypt.keys import Key

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text() if (ROOT / "CONTRIBUTING.md").exists() else ""
pytestmark = pytest.mark.skipif(not TEXT, reason="needs the checkout")
RECIPES = dict(part.split("\n", 1) for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:])


def code() -> str:
    return re.search(r"```python\n(.*?)```", RECIPES["A scheme"], re.DOTALL)[1]


def test_there_are_eight_recipes_of_five_steps():
    names = ("scheme", "attack", "network", "data source", "report", "CLI verb", "logger", "claim")
    assert [name.split(" ", 1)[1] for name in RECIPES] == list(names)
    for recipe in RECIPES.values():
        assert re.findall(r"^(\d)\. ", recipe, re.MULTILINE) == list("12345")


def test_every_file_make_target_and_name_in_it_exists():
    for path in set(re.findall(r"`((?:\w+/)+(?:[\w.]+)?|\w+\.(?:md|toml|txt))`", TEXT)):
        folder = path.replace("NAME.yaml", "").replace("NAME.py", "")
        assert (ROOT / folder).exists() or (ROOT / "vitcrypt" / folder).exists(), path
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", TEXT)) <= targets
    for name, path in re.findall(r"`([A-Z]\w+)`[^`]{1,30}`(\w+/[\w/]+\.py)`", TEXT):
        assert name in (ROOT / path).read_text(), f"{name} in {path}"


def test_the_claim_is_one():
    text = re.search(r"```json\n(.*?)```", RECIPES["A claim"], re.DOTALL)[1]
    assert parse_claim(text, "CONTRIBUTING.md").path.parts[0] == "my_scheme"


def test_the_scheme_is_a_bijection_that_depends_on_the_key(tmp_path, monkeypatch):
    (tmp_path / "my_scheme.py").write_text(code())
    monkeypatch.syspath_prepend(tmp_path)
    shape = (3, 8, 8)
    scheme, image = import_module("my_scheme").NegatedBlocks(4), torch.arange(192, dtype=torch.uint8).view(1, *shape)
    one, other = (scheme.cipher(scheme.subkeys(Key.test(name), shape), shape) for name in ("test-0", "test-1"))
    assert torch.equal(one.inverse()(one(image)), image)
    assert set((one(image) ^ image).unique().tolist()) <= {0, 255}
    assert not torch.equal(one(image), other(image))
    assert scheme.key_space_bits(shape) == 4


@pytest.mark.slow
def test_its_command_trains_on_images_under_the_scheme(tmp_path):
    (tmp_path / "my_scheme.py").write_text(code())
    command = re.search(r"vitcrypt run (encryption=.*) data=", RECIPES["A scheme"])[1].replace("'", "")
    printed = finish(*command.split(), *SMALL, folder=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    (result,) = results(tmp_path)
    assert result["config"]["encryption"]["_target_"] == "my_scheme.NegatedBlocks"
    assert "test accuracy" in printed
