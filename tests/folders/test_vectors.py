"""Private features through the whole protocol: folder, file, training, bundle, service, client."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from bundles import VIT, described, network_of
from networks import linear_features
from samples import class_folders, every, some
from torch import nn
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.data import ImageDataModule, Manifest, folder, npz, resize, shards
from vitcrypt.encryption import SCHEMES, Features, ImageEncryption, features
from vitcrypt.encryption.float_files import read_npy, write_npy
from vitcrypt.folders import encrypt_folder, pack_npz, pack_shards, verify_folder
from vitcrypt.keys import Key
from vitcrypt.models import ImageClassifier
from vitcrypt.untrusted.scheme import is_float, own_shape, scheme_values

KEY = Key.test("test-0")
SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return linear_features(tmp_path_factory.mktemp("network") / "public.onnx", SHAPE, 5)[0]


@pytest.fixture(scope="module", params=["blocks", "network"])
def made(request, weights, tmp_path_factory):
    """A place with photographs and the folder and file of vectors that a provider gets, and the owner's scheme."""
    root = tmp_path_factory.mktemp("vectors")
    for first, split in enumerate(("train", "val", "test")):
        class_folders(root / "photos" / split, {"ant": 4, "bee": 3}, first=1000 * first)
    scheme = Features(8, clip=2, sigma=0.5, weights=weights if request.param == "network" else None)
    encrypt_folder(root / "photos", root / "enc", scheme, KEY, 16)
    pack_npz(root / "enc", root / "enc.npz")
    return root, scheme


@pytest.fixture
def provider(monkeypatch):
    """The provider has neither key nor public network."""

    def missing(path):
        raise AssertionError("the provider loads the public network")

    monkeypatch.setattr(features, "_network", missing)


def test_the_vectors_in_folder_file_and_tar_files_are_the_pipeline_s(made, tmp_path):
    root, scheme = made
    plain, encryption = some(folder(str(root / "photos"), 16)), ImageEncryption(scheme, KEY, SHAPE)
    pack_shards(root / "enc", tmp_path / "tars")
    for received in (folder(str(root / "enc"), 16), npz(str(root / "enc.npz")), shards(str(tmp_path / "tars"), 0.0)):
        for one, other in zip(map(every, plain), map(every, some(received)), strict=True):
            assert torch.equal(one["label"], other["label"])
            expected = encryption(resize(one["image"], 16), one["index"])
            assert other["image"].dtype == expected.dtype == torch.float32
            assert torch.allclose(other["image"], expected, atol=1e-5)


def test_a_folder_made_again_stays_as_it_is(made):
    root, scheme = made
    before = {path: path.stat().st_mtime_ns for path in (root / "enc").rglob("*")}
    assert encrypt_folder(root / "photos", root / "enc", scheme, KEY, 16).written == 0
    with pytest.raises(FileExistsError, match="contains another job"):
        encrypt_folder(root / "photos", root / "enc", dataclasses.replace(scheme, sigma=0.4), KEY, 16)
    assert {path: path.stat().st_mtime_ns for path in (root / "enc").rglob("*")} == before


def test_a_manifest_states_what_is_proved_and_no_other_bound_is_believed(made, provider):
    root, scheme = made
    text = (root / "enc" / "manifest.json").read_text()
    manifest = Manifest.read(root / "enc" / "manifest.json")
    assert "public.onnx" not in text
    assert verify_folder(root / "enc") == (manifest, [])
    assert manifest.bounds == manifest.scheme.bounds(SHAPE)
    assert f"epsilon {manifest.bounds['epsilon']:.4g}" in str(manifest)
    stated = dataclasses.replace(manifest, bounds={**manifest.bounds, "epsilon": 0.1})
    with pytest.raises(ValueError, match=r"bounds: it states .*'epsilon': 0\.1"):
        Manifest.read(root, stated.text().encode())
    if scheme.weights:
        with pytest.raises(ValueError, match="set weights to the file of the network with the SHA-256"):
            manifest.scheme.features(torch.zeros(1, *SHAPE, dtype=torch.uint8))


def trained(make_trainer, splits, encryption, received):
    data = ImageDataModule(splits, 16, encryption, received, batch_size=4, augment="none")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(data.shape[0], 2))
    make_trainer(max_epochs=2).fit(ImageClassifier(network, 2, lambda of: torch.optim.SGD(of, lr=0.1)), datamodule=data)
    return torch.cat([value.flatten() for value in network.parameters()])


def test_the_provider_s_network_is_the_one_that_the_key_s_owner_would_train(made, make_trainer, monkeypatch, request):
    root, scheme = made
    owner = trained(make_trainer, folder(str(root / "photos"), 16), ImageEncryption(scheme, KEY, SHAPE), None)
    request.getfixturevalue("provider")
    manifest = Manifest.read(root / "enc" / "manifest.json")
    for splits in (folder(str(root / "enc"), 16), npz(str(root / "enc.npz"))):
        assert torch.allclose(trained(make_trainer, splits, None, manifest), owner, atol=1e-4)


def changed(path, out, name, change):
    with np.load(path) as file:
        arrays = dict(file)
    arrays[name] = change(arrays[name])
    np.savez(out, **arrays)
    return str(out)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda images: images + np.float32(1e-3), "is not the one of the manifest: it was changed"),
        (lambda images: images * np.float32("nan"), "not finite"),
        (lambda images: images * np.float32(1e9), "above 1,000,000 in size"),
        (lambda images: images.astype(float), "must be float32 .*got float64"),
        (lambda images: images[:, 1:], "must be float32"),
        (lambda images: np.zeros((len(images), 16, 16, 3), np.uint8), "must be float32 .*got uint8"),
    ],
)
def test_a_tampered_file_is_refused_by_name(made, tmp_path, change, told, provider):
    root, _ = made
    with pytest.raises(ValueError, match=told) as refused:
        npz(changed(root / "enc.npz", tmp_path / "other.npz", "test_images", change))
    assert "other.npz" in str(refused.value)


def test_a_tampered_vector_of_a_folder_is_found(made, tmp_path, provider):
    root, _ = made
    (path,) = list((root / "enc" / "val" / "ant").iterdir())[:1]
    original = path.read_bytes()
    values = read_npy(original, Manifest.read(root / "enc" / "manifest.json").stored[0])
    bare = io.BytesIO()
    np.save(bare, values.astype(float))
    try:
        for data, told in ((write_npy(values + 1), "changed"), (bare.getvalue(), "damaged"), (b"", "damaged")):
            path.write_bytes(data)
            (wrong,) = verify_folder(root / "enc")[1]
            assert f"val/ant/{path.name}: {told}" in wrong
            with pytest.raises(ValueError, match=f"{path.name} is not the file of the manifest"):
                folder(str(root / "enc"), 16).loaded()
    finally:
        path.write_bytes(original)


def test_npy_files_are_numpy_s():
    values = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    assert np.array_equal(np.load(io.BytesIO(write_npy(values))), values)
    assert np.array_equal(read_npy(write_npy(values), (5, 2, 3)), values)


@pytest.mark.parametrize("name", SCHEMES)
def test_shapes_of_ciphertexts_follow_from_descriptions_as_from_schemes(name):
    described = {"name": name, "block_size": 1 if name in ("pe", "plain") else 4}
    scheme, shape = SCHEMES[name](described["block_size"]), (3, 32, 32)
    made, floats = scheme.output_shape(shape), scheme.properties.dtype == "float32"
    assert is_float(scheme_values(described)) == floats
    expected = made if floats or made != shape else None
    assert own_shape(scheme_values(described), 32) == expected


@pytest.mark.parametrize("made", ["network"], indirect=True)
def test_encrypt_takes_the_values_of_a_scheme_by_name(made, tmp_path, weights):
    root, _ = made
    command = ["encrypt", str(root / "photos"), str(tmp_path / "enc"), "--key-file", "test-0", "--image-size", "16"]
    options = ["--encryption", "features", "--set", f"weights={weights}", "--set", "sigma=0.5", "--set", "clip=2"]
    ran = CliRunner().invoke(app, command + options)
    assert ran.exit_code == 0, ran.output
    scheme = Manifest.read(tmp_path / "enc" / "manifest.json").scheme
    assert (scheme.sigma, scheme.clip, scheme.values) == (0.5, 2.0, 5)
    for wrong in ("sigmas=1", "sigma", "values=4"):
        ran = CliRunner().invoke(app, [*command, *options[:2], "--set", wrong])
        assert "features takes clip=..., code=..., sigma=..., weights=..." in str(ran.exception)


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("made", ["network"], indirect=True)
def test_served_answers_are_the_network_s_on_the_vectors_of_the_owner(made, tmp_path, monkeypatch):
    from fastapi.testclient import TestClient

    from vitcrypt.service import Bundle, Client
    from vitcrypt.service.app import create_app
    from vitcrypt.service.backends import load_backend

    root, scheme = made
    model = {**VIT, "patch_size": 1, "network": {**VIT["network"], "patch_size": 1}}
    values = {"scheme": scheme.to_dict(), "model": model, "classes": ["ant", "bee"]}
    bundle = described(**values)
    network = network_of(bundle)
    bundle.write(tmp_path / "bundle", network)
    served = Bundle.read(tmp_path / "bundle")
    files = sorted((root / "photos" / "test").rglob("*.png"))
    images = torch.from_numpy(np.stack([plain_of(file) for file in files]))
    expected = network(ImageEncryption(scheme, KEY, SHAPE)(images)).softmax(1)
    with TestClient(create_app(served, load_backend(served, "onnx", 1))) as asked:

        def ask(_, method, path, most, headers=None, content=None):
            answer = asked.request(method, path, headers=headers, content=content)
            if answer.status_code != 200:
                raise ValueError(answer.text)
            return answer.content

        monkeypatch.setattr("vitcrypt.service.exchange.Exchange.ask", ask)
        owner = Client("http://127.0.0.1:1", KEY, tmp_path / "bundle" / "client.json", network=scheme.weights)
        for answer, odds in zip(owner.predict(files), expected, strict=True):
            assert answer.label == int(odds.argmax())
            assert answer.probability == pytest.approx(float(odds.max()), abs=1e-4)
        with pytest.raises(ValueError, match=r"asks for features, whose ciphertexts are no images.*--client FILE"):
            Client("http://127.0.0.1:1", KEY, network=scheme.weights)
        with pytest.raises(ValueError, match="give its file, --network FILE"):
            Client("http://127.0.0.1:1", KEY, tmp_path / "bundle" / "client.json")
        shape = (len(files), *served.shape)
        for values, told in ((np.ones((1, 1)), "whole number of images"), (np.full(shape, np.nan), "not finite")):
            with pytest.raises(ValueError, match=told):
                owner.ask(values)


def plain_of(file):
    from vitcrypt.data.decode import read_pixels

    return read_pixels(file, 16)
