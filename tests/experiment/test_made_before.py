"""What version 0.1 made is still read: key files, folders, packed files, bundles, results and broken runs."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from program import finish, results

from vitcrypt.folders import decrypt_folder, encrypt_folder, png, rotate_folder, verify_folder
from vitcrypt.keys import Key, open_key
from vitcrypt.report.results import read_results
from vitcrypt.service import Bundle
from vitcrypt.service.backends import load_backend

ARCHIVE = Path(__file__).parents[1] / "made_by_9cbd45c.zip"
SMALL = (
    *("trainer=cpu", "model=vit_tiny", "model.network.embed_dim=16", "model.network.depth=1"),
    *("model.network.num_heads=2", "model.image_size=8", "model.patch_size=4", "model.block_size=4"),
    *("model.batch_size=8", "model.warmup_steps=0"),
)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    for key in folder.glob("*.txt"):
        key.chmod(0o600)
    return folder


@pytest.fixture
def work(old, tmp_path):
    """A copy to work in."""
    return shutil.copytree(old, tmp_path / "old")


@pytest.fixture
def key(old):
    return open_key(str(old / "plain.txt"))


def test_key_files_open(old, key, monkeypatch):
    assert key.fingerprint == "0416395fe05bdd47"
    assert Key.read(old / "sealed.txt", "pässword").fingerprint == "03a7140f4d9fb8c5"


@pytest.mark.parametrize(("name", "images"), [("enc-proposed", 12), ("enc-pe", 12), ("enc-le", 12), ("shards", 12)])
def test_folders_are_complete(old, name, images):
    manifest, wrong = verify_folder(old / name)
    assert (len(manifest.index), wrong) == (images, [])


@pytest.mark.parametrize("name", ["enc-proposed", "enc-pe", "enc-le"])
def test_folders_hold_what_the_same_settings_make_today(old, key, name, tmp_path, monkeypatch):
    monkeypatch.setattr(png, "deflate", png.huffman)  # isal makes other files of the same pixels
    manifest, _ = verify_folder(old / name)
    keep_names = name == "enc-le"
    owner = open_key("test-0") if keep_names else key
    made = encrypt_folder(
        old / "photos",
        tmp_path / "new",
        manifest.scheme,
        owner,
        8,
        key_scope=manifest.key_scope,
        keep_names=name == "enc-le",
    )
    assert made.manifest.sha256 == manifest.sha256
    decrypt_folder(old / name, tmp_path / "plain", owner)
    rotate_folder(old / name, tmp_path / "rotated", owner, open_key("test-5"))
    for folder in ("plain", "rotated"):
        assert verify_folder(tmp_path / folder)[1] == []


def test_bundles_are_served(old):
    bundle = Bundle.read(old / "bundle")
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    onnx, torch = (load_backend(bundle, name, 1)(images) for name in ("onnx", "torch"))
    assert np.allclose(onnx, torch, atol=1e-4)


def test_results_are_reported(old):
    found, broken = read_results(old / "results")
    assert broken == []
    assert sorted(result.identity for result in found) == ["193805b3", "2d60d04d", "3c4843aa", "df894c93"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "identity"),
    [
        (["data=npz", "data.root=d.npz", "key=plain.txt", "model.epochs=2"], "df894c93"),
        (["data=npz", "data.root=d.npz", "encryption=plain", "model.epochs=1"], "193805b3"),
        (["data=folder", "data.root=enc-proposed", "encryption=none", "model.epochs=1"], "3c4843aa"),
    ],
)
def test_finished_runs_are_skipped(work, arguments, identity):
    before = {path: path.stat().st_mtime_ns for path in work.rglob("result.json")}
    printed = finish(*SMALL, *arguments, folder=work)
    assert "finished before, skipped" in printed
    assert identity in printed
    assert {path: path.stat().st_mtime_ns for path in work.rglob("result.json")} == before


@pytest.mark.slow
def test_a_broken_run_is_resumed(work):
    printed = finish(
        *SMALL, "data=npz", "data.root=d.npz", "encryption=le", "model.epochs=60", "results=broken", folder=work
    )
    assert "resuming" in printed
    assert "epoch 60/60" in printed
    assert "epoch 1/60" not in printed
    (result,) = results(work / "broken")
    assert (result["identity"], result["training"]["epochs"]) == ("d4490006", 60)


@pytest.mark.slow
def test_a_finished_run_is_exported(old, tmp_path, vitcrypt):
    (run,) = (old / "results/npz/proposed/vit_tiny").iterdir()
    code, printed = vitcrypt("export", run, tmp_path / "bundle")
    assert code == 0, printed
    new, before = (json.loads((folder / "bundle.json").read_text()) for folder in (tmp_path / "bundle", old / "bundle"))
    assert new["files"]["model.safetensors"] == before["files"]["model.safetensors"]
    assert new["origin"].pop("vitcrypt") != before["origin"].pop("vitcrypt")
    assert {name: value for name, value in new.items() if name != "files"} == {
        name: value for name, value in before.items() if name != "files"
    }
