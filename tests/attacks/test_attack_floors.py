"""Every attack beats all floors where it should, and none restores white noise from ciphertexts alone.

The floors are the untouched ciphertext, an unrelated image, a constant and the mean of public images. Attacks with
pairs or an oracle find the key whatever the images are, so on white noise they do the opposite: they restore it, to the
byte. The control of all is a fresh map of all values for every image: it leaves those nothing, and these see no key.
"""

import pytest
import torch
from attacked import PUBLIC, SMALL, VICTIM, encrypt, oracle, photographs, scenes

from vitcrypt.attacks import (
    FR,
    GAN,
    ITN,
    ChosenPlaintext,
    Jigsaw,
    KnownPlaintext,
    Observation,
    Oracle,
    Propagation,
    Statistics,
)
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.data import digits, resize
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed
from vitcrypt.experiment.score import Truth, floors
from vitcrypt.metrics import key_shares, ssim, symmetric_ssim
from vitcrypt.targets import GROUPS

TRAINED = [  # at a size for seconds; learning rates of `small` and `sia` are the published ones
    ITN("unet", width=4, levels=2, keys="fresh", epochs=8, batch_size=32, learning_rate=0.4),
    GAN("nibbles", width=0.25, epochs=10, batch_size=32),
    GAN("small", width=0.25, epochs=12, batch_size=32),
]

ALONE = [  # on ciphertexts alone, with shapes at which they take seconds
    (PE(), FR(), SMALL),
    (PE(channel_shuffle=False), FR(), SMALL),
    (PE(), FR("minimum_difference"), SMALL),
    (Proposed(16), Jigsaw(), (3, 96, 96)),
    (EtC(4), Jigsaw(), SMALL),
    (PE(), Propagation(), SMALL),
    (PE(), Statistics(), SMALL),
    (LE(4), Statistics(starts=2), SMALL),
    (EtC(4), Statistics(starts=2), SMALL),
    (ELE(8), Statistics(starts=2), (3, 16, 16)),
    *((LE(4), attack, SMALL) for attack in TRAINED),
    (LE(4), ITN(width=12, epochs=1, batch_size=16), SMALL),
    (PE(), ITN("orbit", width=16, epochs=2, batch_size=16), SMALL),
    (LE(4), GAN("sia", width=0.1, label_weight=0, epochs=1, batch_size=16), SMALL),
]
KEYED = [PE(), LE(4), ELE(4), EtC(4), Proposed(4)]
WITH_PAIRS = [KnownPlaintext(), ChosenPlaintext()]
CONTROLLED_ELSEWHERE = {
    "test_map_attacks": ("Topology", "Isometry", "LinearMap", "Trilateration"),
    "test_link": ("Link", "LearnedLink"),
    "test_private_features": ("Decoder",),
    "test_weights_attack": ("Weights",),
}


def named(value):
    chosen = [str(getattr(value, part)) for part in ("variant", "network") if hasattr(value, part)]
    return "-".join([value.name, *chosen]) if hasattr(value, "name") else None


def margin(plain, restored, ciphertexts, public):
    """How far the median SSIM of restored images lies above the best floor."""
    mean = public.float().mean(0).round().to(torch.uint8)
    best = {"restored": restored} | floors(Truth(plain, mean), ciphertexts)
    medians = {name: float(symmetric_ssim(images, plain)[0].median()) for name, images in best.items()}
    return medians.pop("restored") - max(medians.values())


@pytest.mark.parametrize(
    ("attack", "scheme", "plain", "public"),
    [
        (FR(), PE(channel_shuffle=False), lambda: photographs(64), lambda: scenes(50, PUBLIC[1:], 64)),
        (Jigsaw(), Proposed(16), lambda: photographs(96), lambda: scenes(50, PUBLIC[1:], 96)),
        (Statistics(), PE(), lambda: scenes(100, VICTIM), lambda: scenes(300, PUBLIC)),
        (Statistics(starts=5), LE(4), lambda: scenes(100, VICTIM), lambda: scenes(300, PUBLIC)),
    ],
    ids=named,
)
def test_attacks_without_training_beat_all_floors(attack, scheme, plain, public):
    images, others = plain(), public()
    ciphertexts, _ = encrypt(scheme, images)
    restored = attack(Observation(scheme, ciphertexts, public_images=others)).images
    assert margin(images, restored, ciphertexts, others) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("attack", TRAINED, ids=named)
def test_trained_attacks_beat_all_floors_on_le(attack):
    split = digits()
    plain, public = resize(split.test.images, 32), resize(split.train.images[:512], 32)
    ciphertexts, _ = encrypt(LE(4), plain)
    restored = attack(Observation(LE(4), ciphertexts, public_images=public)).images
    assert margin(plain, restored, ciphertexts, public) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "attack", "shape"), ALONE, ids=named)
def test_white_noise_is_not_restored_from_ciphertexts(scheme, attack, shape):
    plain = noise(24, shape, seed=0)
    ciphertexts, subkeys = encrypt(scheme, plain)
    public = noise(48, shape, seed=1)
    result = attack(Observation(scheme, ciphertexts, public_images=public))
    assert margin(plain, result.images, ciphertexts, public) < 0.03
    assert not (result.images == plain).flatten(1).all(1).any()
    for name, share in key_shares(result.subkeys, subkeys).items() if result.subkeys else ():
        assert share < {"negation": 0.6, "nibble_inversion": 0.75}.get(name, 0.35)


def freshly_mapped(images, seed):
    """Each image under a permutation of its values and signs of its own."""
    random = torch.Generator().manual_seed(seed)
    maps = torch.stack([torch.randperm(images[0].numel(), generator=random) for _ in images])
    signs = torch.randint(0, 2, maps.shape, generator=random).to(torch.uint8) * 255
    return (images.flatten(1).gather(1, maps) ^ signs).view_as(images)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "attack", "shape"), ALONE, ids=named)
def test_under_a_fresh_map_for_every_image_nothing_is_restored(scheme, attack, shape):
    plain, public = (resize(scenes(count, sizes), shape[1]) for count, sizes in ((24, VICTIM), (48, PUBLIC)))
    ciphertexts = freshly_mapped(plain, 0)
    restored = attack(Observation(scheme, ciphertexts, public_images=public)).images
    assert margin(plain, restored, ciphertexts, public) < 0.03


@pytest.mark.parametrize("scheme", KEYED, ids=str)
@pytest.mark.parametrize("attack", WITH_PAIRS, ids=lambda attack: attack.name)
def test_pairs_and_answers_under_a_fresh_map_each_are_told_from_those_under_a_key(scheme, attack):
    pairs, asked = scenes(20, PUBLIC), Oracle(lambda images: freshly_mapped(images, 2), 3)
    held = {"known": (pairs, freshly_mapped(pairs, 1)), "oracle": asked}
    with pytest.raises(ValueError, match="no single key of this scheme"):
        attack(Observation(scheme, freshly_mapped(scenes(24, VICTIM), 0), **held))


def test_every_attack_has_its_control():
    here = {type(attack).__name__ for attack in (*(attack for _, attack, _ in ALONE), *WITH_PAIRS)}
    assert here.union(*CONTROLLED_ELSEWHERE.values()) == set(GROUPS["attack.method"]["vitcrypt.attacks"])


@pytest.mark.parametrize("scheme", KEYED, ids=str)
def test_attacks_with_pairs_or_an_oracle_restore_even_white_noise(scheme):
    plain, pairs = noise(3, SMALL, seed=0), noise(20, SMALL, seed=1)
    ciphertexts, _ = encrypt(scheme, plain)
    held = {"known": (pairs, encrypt(scheme, pairs)[0]), "oracle": oracle(scheme, SMALL, 3)}
    for attack in WITH_PAIRS:
        assert torch.equal(attack(Observation(scheme, ciphertexts, **held)).images, plain)
    assert ssim(plain, ciphertexts).median() < 0.1
