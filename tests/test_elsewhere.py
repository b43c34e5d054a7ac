"""vitcrypt where things are otherwise: no Unix modules, no CUDA packages, packages of others beside it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from program import environment

from vitcrypt.benchmark.candidate import installed_points, load

ROOT = Path(__file__).parent.parent
HIDING = """
import subprocess, sys, types  # the first asks for msvcrt to know where it is
taken = []
sys.modules |= {"fcntl": None, "resource": None}
sys.modules["msvcrt"] = types.SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=lambda *lock: taken.append(lock))
from vitcrypt.cli.main import main
import vitcrypt.service.client, vitcrypt.service.server, vitcrypt.folders.verify, vitcrypt.folders.pack
try:
    main()
finally:
    print("locks:", len(taken))
"""


@pytest.mark.slow
def test_an_owner_encrypts_without_the_modules_that_windows_lacks(tmp_path):
    for name in ("x", "y"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "photos" / name / "image.png")
    encrypt = ["encrypt", "photos", "enc", "--key-file", "k.txt", "--image-size", "16", "--block-size", "4"]
    for arguments in (["key", "new", "k.txt"], encrypt):
        done = subprocess.run(
            [sys.executable, "-c", HIDING, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert int(done.stdout.rsplit("locks:", 1)[1]) > 0
    assert len(list((tmp_path / "enc").rglob("*.png"))) == 2


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the checkout")
def test_nothing_that_is_required_is_of_cuda():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [line for group in project["optional-dependencies"].values() for line in [*group, *project["dependencies"]]]
    assert len(named) > 50
    assert not [line for line in named if any(word in line for word in ("nvidia", "cuda", "+cu"))]


def test_a_package_of_others_offers_schemes_attacks_and_networks(tmp_path, monkeypatch):
    info = tmp_path / "braids-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: braids\nVersion: 1.2\n")
    points = "[vitcrypt.schemes]\nbraid = braids:Braid\nknot = braids:Knot\nlost = braids:Lost\n"
    points += "[vitcrypt.attacks]\nunbraid = braids:Unbraid\n[vitcrypt.models]\nbraidnet = braids:Net\n"
    (info / "entry_points.txt").write_text(points)
    schemes = "from vitcrypt.encryption import PE, Proposed\n\nclass Braid(Proposed):\n    name = 'braid'\n"
    (tmp_path / "braids.py").write_text(f"{schemes}\nclass Knot(PE):\n    name = 'knot'\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {kind: [point.name for point in installed_points(kind)] for kind in ("schemes", "attacks", "models")}
    assert {"braid", "knot"} <= {*found["schemes"]}
    assert "unbraid" in found["attacks"]
    assert "braidnet" in found["models"]
    for name in ("braid", "knot"):
        candidate = load(name)
        assert (candidate.name, candidate.origin) == (name, "braids 1.2")
    with pytest.raises(ValueError, match=r"braids 1\.2: AttributeError"):
        load("lost")
