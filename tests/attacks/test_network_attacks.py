"""Attacks that train a network: GAN and ITN at a size for seconds."""

from dataclasses import replace

import pytest
import torch
from attacked import SCHEMES, SMALL, encrypt

from vitcrypt.attacks import GAN, ITN, Budget, Observation
from vitcrypt.attacks.learned import loop, memory, own_keys, training
from vitcrypt.attacks.learned.networks import BlockInverse
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.data import digits, resize
from vitcrypt.encryption import LE, Plain, Proposed, Scheme
from vitcrypt.metrics import ssim

ATTACKS = [  # with steps and images of 36 public images or 48 ciphertexts
    (ITN(epochs=2, batch_size=16), 6, 36),
    (ITN("unet", width=4, levels=2, keys="fresh", epochs=2, batch_size=16), 6, 36),
    (ITN("orbit", width=8, epochs=2, batch_size=16), 6, 36),
    (GAN("small", width=0.25, epochs=2, batch_size=16), 6, 48),
    (GAN("sia", width=0.1, epochs=2, batch_size=24), 4, 48),
]


def named(attack):
    if isinstance(attack, int):
        return ""
    return f"{attack.name}-{getattr(attack, 'variant', getattr(attack, 'network', ''))}"


def observed(attack=None, ciphertexts: int = 48, public: int = 40) -> Observation:
    """Smaller images for SIA-GAN, which takes long."""
    split, side = digits(), 16 if getattr(attack, "variant", "") == "sia" else 32
    encrypted, _ = encrypt(LE(4), resize(split.test.images[:ciphertexts], side))
    images = resize(split.train.images[:public], side)
    return Observation(LE(4), encrypted, public_images=images, labels=split.test.labels[:ciphertexts])


class KilledError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "steps", "images"), ATTACKS, ids=named)
def test_an_attack_that_was_killed_ends_as_one_that_was_not(attack, steps, images, tmp_path, monkeypatch):
    """Killed in the first epoch and in the second; and no attack touches the global generator."""
    observation, real = observed(attack), loop.step
    torch.manual_seed(1)
    before = torch.get_rng_state()
    unbroken = attack(observation)
    assert torch.equal(torch.get_rng_state(), before)
    assert unbroken.images.dtype == torch.uint8
    assert unbroken.images.shape == observation.ciphertexts.shape
    assert (unbroken.spent.steps, unbroken.spent.images) == (steps, images)

    monkeypatch.setattr(training, "EVERY", 0)
    kept = replace(attack, checkpoint=tmp_path / "attack.ckpt")
    for allowed in (3, 2):
        left = [allowed]

        def step(*arguments, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            real(*arguments)

        monkeypatch.setattr(loop, "step", step)
        with pytest.raises(KilledError):
            kept(observation)
    monkeypatch.setattr(loop, "step", real)
    torch.manual_seed(2)
    resumed = kept(observation)
    assert torch.equal(resumed.images, unbroken.images)
    assert (resumed.spent, resumed.details) == (unbroken.spent, unbroken.details)
    assert resumed.earlier > unbroken.earlier == 0
    with pytest.raises(ValueError, match="checkpoint of another attack; remove it"):
        replace(kept, seed=3)(observation)
    kept.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="or damaged; remove it"):
        kept(observation)


def test_what_is_published_is_counted_for_the_size_of_the_images():
    observation = observed()
    published = [ITN(), ITN("unet"), GAN("small"), GAN("sia")]
    assert [attack._published(observation) for attack in published] == [
        Budget(17_600, 45_000, 31_107),
        Budget(70_400, 45_000, 34_527_171),
        Budget(19_550, 50_000, 31_107 + 136_192),
        Budget(78_200, 50_000, 1_089_216 + 13_361_155),
    ]
    assert GAN("nibbles")._published(observation) is ITN("orbit")._published(observation) is None
    large = Observation(Proposed(16), torch.zeros(1, 3, 224, 224, dtype=torch.uint8))
    assert ITN()._published(large).parameters == 7_500_387
    assert GAN(maps="shared")._published(large).parameters < 20_000_000 < GAN()._published(large).parameters


def test_intercepted_ciphertexts_are_trained_on_and_not_restored():
    attack = GAN("sia", width=0.1, epochs=1, batch_size=24)
    observation = observed(attack)
    rest = {"ciphertexts": observation.ciphertexts[:16], "intercepted": observation.ciphertexts[16:]}
    result = attack(replace(observation, **rest))
    assert result.images.shape[0] == 16
    assert result.spent.images == 48


def test_the_validation_keeps_the_best_network():
    best, network = training.Best(), torch.nn.Linear(1, 1)
    for loss in (3.0, 1.0, 2.0):
        torch.nn.init.constant_(network.weight, loss)
        best.offer(loss, network)
    assert best.network["weight"].item() == best.loss == 1.0


def test_the_learning_rate_falls_where_published(monkeypatch):
    rates = []
    monkeypatch.setattr(loop, "step", lambda optimizer, loss: rates.append(optimizer.param_groups[0]["lr"]))
    ITN("unet", width=4, levels=1, epochs=20, batch_size=64)(observed(ciphertexts=2))
    assert rates == pytest.approx([0.1] * 6 + [0.02] * 6 + [0.004] * 4 + [0.0008] * 4)


def test_memory_is_counted_before_anything_is_built_and_too_much_is_refused(monkeypatch):
    network, batch = BlockInverse(3, 4), noise(4, SMALL, seed=0).float()
    _, on_cpu = memory.kept(network, batch, "cpu")
    with torch.device("meta"):
        _, counted = memory.kept(BlockInverse(3, 4), memory.blank(SMALL, 4), "cpu")
    assert counted == pytest.approx(on_cpu, rel=0.05)
    monkeypatch.setattr(memory, "memory_of", lambda device: 8 * 2**30)
    large = torch.zeros(64, 3, 224, 224, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"needs about .* of the 8.0 GiB of cpu: 6.*set a smaller"):
        GAN(label_weight=0, device="cpu")(Observation(Proposed(16), large, public_images=large))


@pytest.mark.slow
@pytest.mark.parametrize("attack", [ITN(epochs=1), GAN("sia", width=0.1, epochs=1)], ids=named)
def test_the_precision_of_a_gpu_trains_too(attack, monkeypatch):
    """On a GPU networks run in bfloat16; the same on a CPU, so that it is tested anywhere."""
    monkeypatch.setattr(loop, "autocast", lambda device: torch.autocast(device, torch.bfloat16))
    assert attack(observed(attack)).images.float().std() > 0


@pytest.mark.slow
def test_itn_learns_what_needs_no_key():
    """Without encryption the way back is the identity, and a network must find it: range and pairing are right."""
    split = digits()
    plain, public = resize(split.test.images[:32], 16), resize(split.train.images[:256], 16)
    attack = ITN(width=12, epochs=12, batch_size=32, learning_rate=0.1)
    restored = attack(Observation(Plain(), plain, public_images=public)).images
    assert ssim(plain, restored).median() > 0.9


class Negated(Scheme):
    """A scheme that builds its map for one key at a time."""

    def stages(self, shape):
        return Proposed(4).stages(shape)

    def apply(self, subkeys, shape):
        return Proposed(4).apply(subkeys, shape)


@pytest.mark.parametrize("scheme", [*SCHEMES, Plain(), Negated(4)], ids=str)
def test_batches_under_own_keys_are_encrypted_as_the_scheme_does(scheme):
    images = noise(3, SMALL, seed=1)
    subkeys = own_keys.draw(scheme, SMALL, 3, torch.Generator().manual_seed(0))
    encrypted = own_keys.encrypt(scheme, images, subkeys)
    for i, image in enumerate(images):
        cipher = scheme.cipher({name: subkey[i] for name, subkey in subkeys.items()}, SMALL)
        assert torch.equal(encrypted[i], cipher(image))
    if not scheme.is_plain:
        same = images[:1].expand(3, -1, -1, -1)
        assert not torch.equal(*own_keys.encrypt(scheme, same, subkeys)[:2])
