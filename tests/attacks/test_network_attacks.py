"""Attacks that train a network: GAN and ITN at a size for seconds."""

import pytest
import torch
from attacked import SCHEMES, SMALL, encrypt

from vitcrypt.attacks import GAN, ITN, Observation
from vitcrypt.attacks.learned.loop import own_cipher
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.data import digits, resize
from vitcrypt.encryption import LE, Plain
from vitcrypt.metrics import ssim


@pytest.mark.parametrize(
    "attack",
    [
        ITN(width=12, epochs=1, batch_size=32),
        ITN("unet", width=4, levels=2, epochs=1, batch_size=32),
        GAN("small", width=0.25, epochs=1, batch_size=32),
        GAN("sia", width=0.25, epochs=1, batch_size=32, label_weight=1.0),
    ],
    ids=lambda attack: f"{attack.name}-{getattr(attack, 'variant', getattr(attack, 'network', ''))}",
)
def test_network_attacks_repeat_and_leave_the_global_generator_alone(attack):
    split = digits()
    plain, public = resize(split.test.images[:48], 32), resize(split.train.images[:64], 32)
    ciphertexts, _ = encrypt(LE(4), plain)
    observation = Observation(LE(4), ciphertexts, public_images=public, labels=split.test.labels[:48])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    images = attack(observation).images
    assert torch.equal(torch.get_rng_state(), before)
    assert images.dtype == torch.uint8
    assert images.shape == plain.shape
    assert torch.equal(images, attack(observation).images)


def test_itn_learns_what_needs_no_key():
    """Without encryption the way back is the identity, and a network must find it: range and pairing are right."""
    split = digits()
    plain, public = resize(split.test.images[:32], 16), resize(split.train.images[:256], 16)
    attack = ITN(width=12, epochs=12, batch_size=32, learning_rate=0.1)
    restored = attack(Observation(Plain(), plain, public_images=public)).images
    assert ssim(plain, restored).median() > 0.9


def test_own_ciphers_are_bijections_and_differ():
    generator = torch.Generator().manual_seed(0)
    for scheme in SCHEMES:
        one, other = (own_cipher(scheme, SMALL, generator) for _ in range(2))
        image = noise(1, SMALL, seed=1)
        assert torch.equal(one.inverse()(one(image)), image)
        assert not torch.equal(one(image), other(image))
