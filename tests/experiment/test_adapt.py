"""`vitcrypt fold`, the owner's step, and the provider's training from what it wrote."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from configurations import composed
from networks import KINDS, seen, small
from program import finish, results
from safetensors.torch import load_file, save_file
from samples import medmnist
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.encryption import SCHEMES
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.training_run import TrainingRun
from vitcrypt.jobs.atomic import write_new
from vitcrypt.keys import Key
from vitcrypt.models import kind_of, load_weights, widen

SHAPE = (3, 16, 16)
NETWORK = ["model.image_size=16", "model.network.embed_dim=24", "model.network.depth=2", "model.network.num_heads=2"]
RUN = ["data=npz", "data.augment=none", "data.validation=0", "model=vit_micro", *NETWORK, "trainer=cpu"]
RUN += ["trainer.max_epochs=2", "data.batch_size=16"]


def adapt(*arguments, code=0):
    result = CliRunner().invoke(app, ["fold", *map(str, arguments)])
    assert (result.exit_code == 0) == (code == 0), result.output
    return result


@pytest.fixture
def weights(tmp_path):
    network = small(gain=1.5, num_classes=7).float()
    save_file(network.state_dict(), tmp_path / "public.safetensors")
    return tmp_path / "public.safetensors"


@pytest.fixture
def key(tmp_path):
    made = Key.generate()
    made.write(tmp_path / "key.txt")
    return tmp_path / "key.txt"


@pytest.mark.parametrize("name", ["proposed", "pe", "etc", "le", "ele"])
def test_adapted_weights_classify_encrypted_images_as_the_public_ones_do_plain_images(tmp_path, weights, key, name):
    out = tmp_path / "adapted.safetensors"
    told = adapt(weights, out, "--key-file", key, "--encryption", name, "--model", "vit_tiny", *NETWORK).output
    scheme = SCHEMES[name](block_size=1 if name == "pe" else 4)
    kind = KINDS[type(scheme)]
    assert (f"model.patch_embedding={kind}" in told) == (kind != "shared")
    original, adapted = small(num_classes=7), small(seed=1, num_classes=7)
    load_weights(original, weights)
    widen(adapted, kind)
    load_weights(adapted, out)
    images = torch.from_numpy(medmnist(16, 9)["train_images"]).permute(0, 3, 1, 2).contiguous()
    cipher = scheme.cipher(scheme.subkeys(Key.read(key), SHAPE), SHAPE)
    with torch.no_grad():
        apart = original(seen(images)) - adapted(seen(cipher(images)))
    assert apart.abs().max() < 1e-4  # the file is in single precision
    assert torch.equal(original.head.weight, adapted.head.weight)


@pytest.mark.slow
def test_a_provider_without_the_key_trains_what_the_pipeline_trains_with_it(tmp_path, weights, key):
    name = "ele"
    out, scheme = tmp_path / "adapted.safetensors", SCHEMES[name](block_size=4)
    adapt(weights, out, "--key-file", key, "--encryption", name, "--model", "vit_tiny", *NETWORK)
    kind = f"model.patch_embedding={KINDS[type(scheme)]}"
    arrays = medmnist(16, 64, 20)
    np.savez(tmp_path / "plain.npz", **arrays)
    cipher = scheme.cipher(scheme.subkeys(Key.read(key), SHAPE), SHAPE)
    for split in ("train", "test"):
        images = torch.from_numpy(arrays[f"{split}_images"]).permute(0, 3, 1, 2).contiguous()
        arrays[f"{split}_images"] = cipher(images).permute(0, 2, 3, 1).numpy()
    np.savez(tmp_path / "encrypted.npz", **arrays)
    owner = [f"encryption={name}", f"key={key}", "model.fold_key=true", f"model.weights={weights}"]
    finish(*RUN, *owner, kind, f"data.root={tmp_path}/plain.npz", "results=in_pipeline", folder=tmp_path)
    provider = [
        "encryption=received",
        f"model.weights={out}",
        kind,
        f"data.root={tmp_path}/encrypted.npz",
        "results=apart",
    ]
    finish(*RUN, *provider, folder=tmp_path)
    (one,), (other,) = results(tmp_path / "in_pipeline"), results(tmp_path / "apart")
    assert one["weights"]["trained_sha256"] == other["weights"]["trained_sha256"]
    assert one["metrics"] == other["metrics"]
    assert one["weights"]["pretrained_sha256"] != other["weights"]["pretrained_sha256"]


def test_an_existing_file_is_never_overwritten(tmp_path, weights, key):
    out = tmp_path / "there.safetensors"
    out.write_bytes(b"mine")
    said = adapt(weights, out, "--key-file", key, "--model", "vit_tiny", *NETWORK, code=1)
    assert "exists, and nothing is overwritten" in str(said.exception)
    assert out.read_bytes() == b"mine"
    assert list(tmp_path.glob("*.part")) == []


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_new(tmp_path / "new", "no bytes")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "resnet18"], "folds the key into the patches of a ViT, and resnet18 has none"),
        (["--model", "vit_tiny", "--encryption", "plain", *NETWORK], "needs a key.*set encryption=proposed"),
        (["--model", "vit_tiny", "--encryption", "etc", "encryption.block_size=2", *NETWORK], "borders"),
        (["--model", "vit_tiny", "model.image_size=16"], "of another architecture"),
    ],
)
def test_what_cannot_be_adapted_is_refused_and_nothing_written(tmp_path, weights, key, arguments, told):
    result = adapt(weights, tmp_path / "out.safetensors", "--key-file", key, *arguments, code=1)
    with pytest.raises(ValueError, match=told):
        raise result.exception
    assert not (tmp_path / "out.safetensors").exists()


def test_the_pipeline_says_which_patch_embedding_a_scheme_needs(tmp_path, weights):
    np.savez(tmp_path / "plain.npz", **medmnist(16, 64, 20))
    owner = ["encryption=etc", "model.fold_key=true", f"model.weights={weights}", f"data.root={tmp_path}/plain.npz"]
    job = replace(Job.of(Config, composed(*RUN, *owner)), folder=tmp_path / "run")
    with pytest.raises(ValueError, match=r"encryption=etc does to patches; set model\.patch_embedding=per_position"):
        TrainingRun.of(job)


def test_the_file_must_be_named_safetensors(tmp_path, weights, key):
    assert "written as .safetensors" in str(adapt(weights, tmp_path / "out.pth", "--key-file", key, code=1).exception)


def test_a_file_with_another_patch_embedding_says_what_to_type(tmp_path, weights, key):
    out = tmp_path / "out.safetensors"
    adapt(weights, out, "--key-file", key, "--encryption", "ele", "--model", "vit_tiny", *NETWORK)
    with pytest.raises(ValueError, match=r"set model\.patch_embedding=per_position_nibbles"):
        load_weights(small(), out)
    network = small(num_classes=7)
    widen(network, "per_position")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"set model\.patch_embedding=per_position_nibbles"):
        load_weights(network, out)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_public_weights_load_into_a_richer_embedding_or_not_at_all(tmp_path, weights):
    original, network = small(num_classes=7).float(), small(seed=1, num_classes=7).float()
    load_weights(original, weights)
    widen(network, "per_position_nibbles")
    load_weights(network, weights)
    assert kind_of(network) == "per_position_nibbles"
    images = torch.rand(2, *SHAPE).mul(255).round().to(torch.uint8)
    with torch.no_grad():
        assert torch.allclose(original(seen(images, torch.float32)), network(seen(images, torch.float32)), atol=1e-4)
    wrong = {name: value for name, value in load_file(weights).items() if "blocks.1" not in name}
    save_file(wrong, tmp_path / "wrong.safetensors")
    with pytest.raises(ValueError, match="another architecture"):
        load_weights(network, tmp_path / "wrong.safetensors")
    assert kind_of(network) == "per_position_nibbles"
