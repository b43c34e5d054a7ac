"""The owner's verbs, each on three images, in one process: none of them loads torch, Hydra or SciPy."""

import subprocess
import sys

import pytest
from samples import class_folders

VERBS = (
    "key new KEY",
    "key show KEY",
    "encrypt photos enc --key-file KEY --image-size 16 --block-size 4",
    "encrypt photos jpeg --key-file KEY --image-size 16 --encryption etc_jpeg --block-size 8",
    "encrypt photos own --key-file KEY --image-size 16 --encryption ele --block-size 4 --key-scope per_image",
    "verify enc",
    "decrypt enc dec --key-file KEY --names photos",
    "rotate enc rot --old-key KEY --new-key test-1",
    "pack enc shards",
    "pack enc packed.npz",
    "report .",
)
PROGRAM = """
import sys
from vitcrypt.cli.main import app
for verb in sys.stdin.read().splitlines():
    app(verb.split(), standalone_mode=False)
    heavy = [name for name in ("torch", "lightning", "hydra", "scipy", "sklearn", "pandas") if name in sys.modules]
    assert not heavy, (verb, heavy)
"""


@pytest.mark.slow
def test_none_of_them_loads_what_only_training_needs(tmp_path):
    for split in ("train", "test"):
        class_folders(tmp_path / "photos" / split, {"cat": 2, "dog": 2}, side=20)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, input="\n".join(VERBS), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "dec").rglob("*.png"))) == 8
