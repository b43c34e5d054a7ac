"""Orbit networks: the same answer under every key, and another one for another image."""

import pytest
import torch
from configurations import composed
from torch import nn

from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.job import Job, configured
from vitcrypt.keys import Key
from vitcrypt.models import OrbitNetwork
from vitcrypt.models.networks import build_network

SCHEMES = {"pe": PE(), "le": LE(block_size=4), "ele": ELE(block_size=4), "etc": EtC(block_size=4)}
SCHEMES |= {"proposed": Proposed(block_size=4)}


def network(scheme, **options):
    torch.manual_seed(0)
    made = OrbitNetwork(7, scheme, image_size=16, embed_dim=16, depth=2, num_heads=2, **options).double().eval()
    for parameter in made.parameters():  # far from where all answers are alike
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.5)
    return made


def normalised(images):
    return images.double() / 127.5 - 1


@pytest.fixture(scope="module")
def images():
    """Noise, and what is alike under many keys: one colour, stripes."""
    made = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made[3] = 77
    made[4, :, :, ::2] = made[4, :, :, 1::2]
    made[5] = made[5] % 2 * 255
    return made


@torch.no_grad()
@pytest.mark.parametrize("name", SCHEMES)
def test_logits_of_an_image_are_the_same_under_every_key_and_differ_between_images(name, images):
    trained = network(name)
    plain = trained(normalised(images))
    apart = torch.pdist(plain).min()
    for key in ("test-0", "test-1", "test-2"):
        encryption = ImageEncryption(SCHEMES[name], Key.test(key), (3, 16, 16), "per_image")
        ciphertexts = encryption(images, torch.arange(len(images)))
        assert not torch.equal(ciphertexts[0], images[0])
        torch.testing.assert_close(trained(normalised(ciphertexts)), plain, atol=1e-9, rtol=1e-9)
    assert apart > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", SCHEMES)
def test_a_network_for_one_scheme_is_not_blind_to_the_keys_of_a_larger_one(name, images):
    """Invariance under every map would pass the test above, and be worth nothing."""
    larger = {
        "pe": EtC(block_size=4),
        "le": ELE(block_size=4),
        "ele": ELE(block_size=8),
        "etc": ELE(block_size=4),
        "proposed": PE(),
    }
    encryption = ImageEncryption(larger[name], Key.test("test-0"), (3, 16, 16), "per_image")
    trained = network(name)
    changed = trained(normalised(encryption(images, torch.arange(6)))) - trained(normalised(images))
    assert changed[0].abs().max() > 1e-3


@torch.no_grad()
def test_on_plain_images_it_is_a_transformer_with_places(images):
    trained = network("plain")
    turned = images.flip(3)
    assert (trained(normalised(turned)) - trained(normalised(images)))[0].abs().max() > 1e-3
    assert torch.equal(Plain().invariants(images), images.flatten(1).float())


def test_it_is_built_from_its_description_and_refuses_schemes_and_blocks_that_it_does_not_know():
    values = composed("model=orbit", "encryption=etc", "data=digits", "key_scope=per_image")
    config, _ = configured(Config, values)
    made = build_network(values["model"], config.data.image_size, 10)
    assert made(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert not [name for name in made.state_dict() if "states" in name]
    with torch.device("meta"):  # as shapes are asked for without taking memory
        assert OrbitNetwork(10, "etc").cell.weight.is_meta
    with pytest.raises(ValueError, match=r"scheme=noise; set model=vit_micro"):
        OrbitNetwork(10, "noise")
    values["encryption"]["block_size"] = 8
    with pytest.raises(ValueError, match=r"block_size=4 is not encryption.block_size=8.*set model.patch_size=8 alone"):
        configured(Config, values)


@pytest.mark.parametrize(("scope", "bounds"), [("per_image", {"leakage_bits": 1893.1738053043262}), ("shared", None)])
def test_a_record_names_what_a_ciphertext_leaks_if_each_image_has_a_key_of_its_own(scope, bounds, tmp_path):
    values = composed("model=orbit", "encryption=ele", "data=digits", f"key_scope={scope}", f"results={tmp_path}")
    assert Job.of(Config, values).describe_key((3, 32, 32)).bounds == pytest.approx(bounds)
