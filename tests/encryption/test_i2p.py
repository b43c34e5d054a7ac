"""Image to perturbation: the network against layers written out, its file as data, and what anyone can do with it."""

from hashlib import sha256
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from cases import noise
from networks import unet_file
from safetensors.torch import load_file, save_file

from vitcrypt.attacks import ITN, Link, Observation
from vitcrypt.encryption import I2P, ImageEncryption, Scheme
from vitcrypt.keys import Key

SHAPE = (3, 8, 12)


@pytest.fixture
def weights():
    return unet_file()


def by_layers(path, image):
    """Two levels, layer by layer: inside on [0, 1], the batch normalisation by its running statistics."""
    state = load_file(path)

    def layers(x, *names):
        for name in names:
            x = F.conv2d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], padding=1)
            mean, variance = (state[f"{name}.1.running_{part}"][:, None, None] for part in ("mean", "var"))
            scale, shift = (state[f"{name}.1.{part}"][:, None, None] for part in ("weight", "bias"))
            x = ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp_min(0)
        return x

    first = layers(image[None].float() / 255, "down.0.0", "down.0.1")
    halved = first.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
    widened = layers(halved, "down.1.0", "down.1.1").repeat_interleave(2, 2).repeat_interleave(2, 3)
    joined = layers(torch.cat([first, layers(widened, "widen.0")], 1), "up.0.0", "up.0.1")
    out = F.conv2d(joined, state["out.0.weight"], state["out.0.bias"])
    return (255 / (1 + (-out).exp()))[0]


def test_a_ciphertext_is_what_the_layers_make_rounded_alone_and_in_a_batch(weights):
    images, scheme = noise(3, *SHAPE, seed=1), I2P(2, weights)
    one, other = (ImageEncryption(scheme, Key.test(name), SHAPE) for name in ("test-0", "test-1"))
    made = one(images)
    assert made.dtype == torch.uint8
    assert made.float().std() > 1
    for row, image in zip(made, images, strict=True):
        assert float((row - by_layers(weights, image)).abs().max()) < 0.5001
        assert torch.equal(row, one(image))
    assert torch.equal(made, other(images))
    assert not one.state_dict()
    with pytest.raises(ValueError, match="cannot be undone"):
        one.decrypt(made)


def test_it_is_described_by_the_digest_of_its_file_which_the_owner_gives(weights):
    scheme = I2P(2, weights)
    described = scheme.to_dict()
    assert set(described) == {"name", "block_size", "network"}
    received = Scheme.from_dict(described)
    assert received.to_dict() == described
    with pytest.raises(ValueError, match=f"encryption.weights=FILE.* with the SHA-256 {received.network}"):
        ImageEncryption(received, Key.test("test-0"), SHAPE)
    assert I2P(2, weights, received.network).to_dict() == described
    assert str(scheme) == f"I2P(block_size=2, network='{described['network']}')", "no path of where the file lies here"
    with pytest.raises(ValueError, match=rf"has the SHA-256 {received.network}, not {'0' * 64}"):
        I2P(2, weights, "0" * 64)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"more": torch.zeros(1)}, "no U-Net of 2 levels and 4 channels: more"),
        ({"out.0.bias": torch.zeros(3, dtype=torch.float64)}, "no U-Net .*: out.0.bias"),
        ({"out.0.bias": torch.tensor([0.0, float("nan"), 0.0])}, "not finite"),
        ({"down.0.0.0.weight": torch.zeros(257, 3, 3, 3)}, "at most 256 channels"),
        ({"down.0.0.0.weight": torch.zeros(0)}, "at most 256 channels"),
        (None, "no .safetensors file"),
    ],
    ids=str,
)
def test_a_file_that_is_another_thing_is_refused(weights, tmp_path, changed, told):
    path = tmp_path / "other.safetensors"
    if changed is None:
        path.write_bytes(b"\xff" * 100)
    else:
        save_file({**load_file(weights), **changed}, path)
    with pytest.raises(ValueError, match=told):
        I2P(2, str(path)).cipher({}, SHAPE)


def test_what_to_type_is_told(weights, tmp_path):
    for wrong, told in (
        (lambda: I2P(3), "set it to 1, 2, 4, 8, 16"),
        (lambda: I2P(4, weights).cipher({}, SHAPE), "of 2 levels; set encryption.block_size=2"),
        (lambda: I2P(2).cipher({}, SHAPE), "encryption.weights=FILE"),
        (lambda: I2P(2, weights).cipher({}, (1, 8, 12)), "three channels, got 1"),
        (lambda: I2P(2, weights).cipher({}, (3, 8, 9)), "does not divide"),
    ):
        with pytest.raises(ValueError, match=told):
            wrong()
    with pytest.raises(FileNotFoundError, match=r"encryption\.weights=.*does not exist"):
        I2P(2, str(tmp_path / "none")).cipher({}, SHAPE)


def test_whoever_holds_the_network_finds_images_again_and_makes_pairs_of_their_own(weights):
    scheme, images = I2P(2, weights), noise(60, *SHAPE, seed=2)
    made = scheme.cipher({}, SHAPE)(images[:5])
    found = Link(chunk=7)(Observation(scheme, made, gallery=images.flip(0)))
    assert torch.equal(found.images, images[:5])
    attack = ITN("unet", width=4, levels=2, epochs=1, batch_size=16, device="cpu")
    restored = attack(Observation(scheme, made, public_images=images[5:]))
    assert restored.images.shape == made.shape
    assert restored.details["own_pairs"] == 55


def test_a_file_that_changed_or_cannot_be_read_is_noticed(weights, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(Path(weights).read_bytes())
    before = I2P(2, str(path)).to_dict()
    save_file({name: value + 1 for name, value in load_file(weights).items()}, path)
    assert I2P(2, str(path)).to_dict()["network"] == sha256(path.read_bytes()).hexdigest() != before["network"]
    with pytest.raises(ValueError, match=r"encryption\.weights=/dev/zero cannot be read: .* is a device"):
        I2P(2, "/dev/zero").to_dict()
