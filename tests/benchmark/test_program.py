"""A stranger's scheme gets its card: every step ends, the card says what broke, and it resumes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from program import environment

from vitcrypt.benchmark import plan, program

SCHEMES = Path(__file__).parent / "schemes"
TINY = plan.Budget(64, 40, {"vit_micro": 1, "resnet18": 1}, 4, 64, 2000, {})


def without_topology(*given):
    """All attacks but the one that takes half a minute: it compares all pairs of 3,072 places."""
    return [step for step in plan.attacks(*given) if step.name != "topology"]


@pytest.mark.slow
def test_a_card_of_a_stranger_is_complete_and_made_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(plan.BUDGETS, "10m", TINY)
    tiny = ["model=resnet18", "model.network.width=4", "model.channels_last=false"]
    monkeypatch.setattr(plan, "SMALL", {"resnet18": tiny})
    monkeypatch.setattr(program, "attacks", without_topology)
    file = tmp_path / "stranger.py"
    file.write_text((SCHEMES / "reversed_blocks.py").read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = {"scheme": str(file), "folder": str(tmp_path / "card"), "data": ["data=digits"], "budget": "10m"}
    asked |= {"format": "md", "settings": ["encryption.block_size=8"]}
    program.main([json.dumps(asked)])
    printed = capsys.readouterr().out
    card = json.loads((tmp_path / "card" / "card.json").read_text())
    assert card["scheme"]["block_size"] == 8
    steps = {step["name"]: step for step in card["steps"]}
    assert steps["resnet18 on reversedblocks"]["accuracy"] == pytest.approx(0.1, abs=0.3)
    assert steps["resnet18 on reversedblocks"]["under_another_key"] is not None
    assert steps["linear_map"]["verdict"] == "broken"  # 719 pairs and digits of 64 values
    assert {"link, exact", "link, jpeg90"} < steps.keys()
    assert "attack.observation.gallery=360" in steps["link, exact"]["overrides"], "there are no 2,000 test images"
    assert "is an attack on" in steps["jigsaw"]["not_run"]
    assert any(line.startswith("Broken by linear_map with") for line in card["sentences"])
    assert "reversedblocks: attacks" in printed
    assert (tmp_path / "card" / "card.html").stat().st_size > 10_000
    assert "begin{table}" in (tmp_path / "card" / "card.tex").read_text()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    program.main([json.dumps(asked)])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == before


@pytest.mark.slow
def test_the_process_of_the_stranger_has_no_key_in_its_environment(tmp_path):
    file = tmp_path / "curious.py"
    file.write_text("import os\ndef encrypt(image, key):\n    raise ValueError(' '.join(sorted(os.environ)))\n")
    command = [sys.executable, "-m", "vitcrypt", "benchmark", str(file), "data=digits", "--results", str(tmp_path)]
    secret = {"VITCRYPT_KEY_FILE": "/nowhere/my.key", "WANDB_API_KEY": "secret", "AWS_SECRET_ACCESS_KEY": "secret"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(**secret), check=False)
    assert ended.returncode == 1
    assert "runs the code of" in ended.stderr
    told = ended.stderr.split("curious.encrypt fails", 1)[1]
    assert "PATH" in told
    assert not any(name in told for name in secret)
