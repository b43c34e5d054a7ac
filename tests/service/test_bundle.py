"""Bundles: whole or not at all, checked file by file, and the network in them is the one that was trained."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from bundles import RESNET, VIT, described, network_of, written
from program import SMALL, finish
from recorded import stored

from vitcrypt.experiment.export import export
from vitcrypt.models import kind_of
from vitcrypt.service import Bundle
from vitcrypt.service.backends import load_backend
from vitcrypt.service.graph import Served, sample_images


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    written(folder)
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def of_timm(name):
    return {"network": {"_target_": "timm.create_model", "model_name": name}, "adaptation": "none", "block_size": 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        VIT,
        RESNET | {"adaptation": "ele"},
        pytest.param(of_timm("test_convnext"), marks=pytest.mark.slow),
    ],
)
def test_every_backend_gives_the_logits_of_the_network_that_was_written(tmp_path, model):
    size = 32 if model.get("patch_size") is None else 16
    changes = {"model": model, "image_size": size}
    network, bundle = network_of(described(**changes)), written(tmp_path / "bundle", **changes)
    images = sample_images(size)
    with torch.inference_mode():
        expected = Served(network)(images).numpy()
    for backend in ("onnx", "torch"):
        run = load_backend(bundle, backend, threads=1)
        for count in (1, 5, 9):
            np.testing.assert_allclose(run(images[:count].numpy()), expected[:count], rtol=1e-3, atol=1e-4)
    state = network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in bundle.network().state_dict().items())


def test_reading_returns_what_was_written(whole):
    bundle = Bundle.read(whole)
    assert bundle == described(folder=whole)
    assert {path.name for path in whole.iterdir()} == {"bundle.json", "client.json", "model.onnx", "model.safetensors"}
    assert not list(whole.parent.glob(".*")), "nothing is left beside it"


def test_a_bundle_is_never_overwritten(copy):
    before = {path: path.read_bytes() for path in copy.iterdir()}
    network = network_of(described())
    with torch.no_grad():
        next(network.parameters()).add_(1)
    with pytest.raises(FileExistsError, match="never overwritten"):
        described().write(copy, network)
    assert {path: path.read_bytes() for path in copy.iterdir()} == before


def test_nothing_stays_of_a_bundle_whose_graph_is_wrong(tmp_path, monkeypatch):
    network = network_of(described())
    monkeypatch.setattr(torch.onnx, "export", lambda served, images, path, **options: path.touch())
    monkeypatch.setattr(
        "vitcrypt.service.graph.onnx_backend", lambda path, threads: lambda images: np.zeros((len(images), 10))
    )
    with pytest.raises(RuntimeError, match="the ONNX graph differs from the network"):
        described().write(tmp_path / "bundle", network)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "client.json"])
def test_a_changed_or_missing_file_is_named(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged or was changed"):
        Bundle.read(copy)
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        Bundle.read(copy)


def edited(folder, **changes):
    described = json.loads((folder / "bundle.json").read_text()) | changes
    (folder / "bundle.json").write_text(json.dumps({name: value for name, value in described.items() if value != ...}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "vitcrypt bundle 2"}, "format: Input should be 'vitcrypt bundle 1'"),
        ({"files": ...}, "files: Field required"),
        ({"files": {"client.json": "0" * 64}}, "files: Dictionary should have at least 3 items"),
        ({"files": {"../client.json": "0" * 64}}, "files.../client.json"),
        ({"image_size": "16"}, "image_size: Input should be a valid integer"),
        ({"image_size": 10**6}, "image_size: Input should be less than or equal to 4096"),
        ({"origin": ...}, "origin: Field required"),
        ({"origin": {"note": "x"}}, "origin.note: Extra inputs"),
        ({"fingerprint": "fedcba9876543210"}, "contradict each other"),
        ({"fingerprint": "a key?"}, "fingerprint: String should match pattern"),
        ({"model": {"adaptation": "none"}}, "model.network: Field required"),
        ({"model": RESNET | {"adaptation": "none", "network": {"_target_": "os.system"}}}, "Input tag 'os.system'"),
    ],
)
def test_a_bundle_that_was_changed_by_hand_is_refused(copy, changes, told):
    edited(copy, **changes)
    with pytest.raises(ValueError, match=re.escape(told)):
        Bundle.read(copy)


def test_the_same_bundle_stays_where_it_is_and_another_is_refused(copy):
    before = {path: path.stat().st_ino for path in copy.iterdir()}
    bundle, network = described(), network_of(described())
    assert bundle.write(copy, network) == Bundle.read(copy)
    with pytest.raises(FileExistsError, match="never overwritten"):
        described(classes=["x", *bundle.classes[1:]]).write(copy, network)
    next(network.parameters()).data += 1
    with pytest.raises(FileExistsError, match="never overwritten"):
        bundle.write(copy, network)
    (copy / "client.json").write_text("{}")
    with pytest.raises(FileExistsError, match="never overwritten"):
        bundle.write(copy, network_of(bundle))
    assert {path: path.stat().st_ino for path in copy.iterdir()} == before


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="vitcrypt export"):
        Bundle.read(tmp_path)


def test_what_is_no_finished_training_is_not_exported(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished run"):
        export(tmp_path, tmp_path / "out")
    stored(tmp_path, {"kind": "attack"})
    with pytest.raises(ValueError, match="of an attack"):
        export(tmp_path, tmp_path / "out")
    stored(tmp_path, {"metrics": {}})
    with pytest.raises(ValueError, match="is incomplete: it lacks identity"):
        export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run on images that came encrypted."""
    folder = tmp_path_factory.mktemp("run")
    finish(*SMALL, "encryption=received", folder=folder)
    return next(folder.rglob("result.json")).parent


@pytest.mark.slow
def test_an_export_that_was_broken_off_between_its_folders_goes_on_and_overwrites_nothing(run, tmp_path):
    out, hub, triton = tmp_path / "out", tmp_path / "hub", tmp_path / "models/digits"
    expected = export(run, out, hub, triton)
    shutil.rmtree(triton)
    assert export(run, out, hub, triton) == expected
    assert (triton / "1/model.onnx").exists()
    (hub / "mine").touch()
    with pytest.raises(FileExistsError, match="hub exists"):
        export(run, out, hub, triton)
    with pytest.raises(FileExistsError, match="another name for --triton"):
        export(run, tmp_path / "other", triton=triton)
    assert (hub / "mine").exists()
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_runs_from_before_there_was_a_choice_of_networks_are_exported_as_what_they_are(run, tmp_path):
    expected = export(run, tmp_path / "now")
    old = shutil.copytree(run, tmp_path / "old")
    result = json.loads((old / "result.json").read_text())
    del result["config"]["model"]["adaptation"], result["config"]["model"]["patch_embedding"]
    stored(old, result)
    exported = export(old, tmp_path / "then")
    assert exported.model == expected.model
    weights = expected.network().state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in exported.network().state_dict().items())


def test_a_bundle_that_does_not_say_its_patch_embedding_has_the_usual_one(copy):
    edited(copy, model={name: value for name, value in VIT.items() if name != "patch_embedding"})
    assert kind_of(Bundle.read(copy).network()) == "shared"


@pytest.mark.slow
def test_a_provider_exports_what_the_manifest_told_him_or_nothing_of_it(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    unknown = export(run, tmp_path / "unknown")
    assert (unknown.scheme, unknown.fingerprint) == (None, None)
    received = {"scheme": {"name": "proposed", "block_size": 4}, "key_scope": "per_image", "interpolation": "bicubic"}
    result = json.loads((run / "result.json").read_text()) | {"received": received}
    stored(run, result | {"key": result["key"] | {"fingerprint": "0123456789abcdef"}})
    known = Bundle.read(export(run, tmp_path / "known").folder)
    assert (known.fingerprint, known.interpolation) == ("0123456789abcdef", "bicubic")
    assert (known.scheme, known.key_scope) == (received["scheme"], "per_image")
    weights, others = known.network().state_dict(), unknown.network().state_dict()
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
