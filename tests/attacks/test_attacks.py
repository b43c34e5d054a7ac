"""What an attacker holds, and feature reconstruction. An attack sees an Observation, never keys or truth."""

import ast
from pathlib import Path

import pytest
import torch
from attacked import SMALL, encrypt, oracle, photographs

import vitcrypt.attacks
from vitcrypt.attacks import FR, GAN, ITN, ChosenPlaintext, Jigsaw, KnownPlaintext, Observation, Oracle, Statistics
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, Proposed
from vitcrypt.metrics import fold_negative, ssim

# --- the room ---

USED = tuple(f"vitcrypt.{room}" for room in ("attacks", "encryption", "jobs", "lazily", "models", "untrusted"))


def test_attacks_import_neither_keys_nor_data_nor_metrics():
    for path in Path(vitcrypt.attacks.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if names == ["vitcrypt"]:
                names = [f"vitcrypt.{alias.name}" for alias in node.names]
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("vitcrypt"):
                    assert name.startswith(USED), f"{path.name} imports {name}"


def test_an_observation_says_what_is_held_and_refuses_what_does_not_fit():
    images = noise(4, SMALL, seed=0)
    held = Observation(LE(4), images, known=(images[:2], images[:2]), oracle=oracle(LE(4), SMALL, 7))
    text = str(held.threat_model)
    assert "LE(block_size=4)" in text
    assert "encrypted images: 2" in text
    assert "key: 7" in text
    with pytest.raises(ValueError, match=r"known plain images must be of shape \[n, 3, 32, 32\], got \[4, 3, 32, 16\]"):
        Observation(LE(4), images, known=(images[..., :16], images[..., :16]))
    with pytest.raises(ValueError, match=r"public_images must be of shape \[n, 3, 32, 32\]"):
        Observation(LE(4), images, public_images=noise(2, (3, 16, 32), seed=0))
    with pytest.raises(ValueError, match="no ciphertext"):
        Observation(LE(4), images[:0])
    with pytest.raises(ValueError, match="got 3 labels for 4 ciphertexts"):
        Observation(LE(4), images, labels=torch.zeros(3))
    with pytest.raises(TypeError, match="float32"):
        Observation(LE(4), images.float())
    with pytest.raises(ValueError, match="must hold pairs"):
        Observation(LE(4), images, known=(images[:2], images[:1]))
    with pytest.raises(ValueError, match="does not divide"):
        Observation(LE(5), images)


@pytest.mark.parametrize(
    ("attack", "observation", "message"),
    [
        (KnownPlaintext(), {}, "known_plaintext needs known pairs"),
        (ChosenPlaintext(), {}, "chosen_plaintext needs an oracle"),
        (Statistics(), {}, "statistics needs plain images of public origin"),
        (ITN(), {}, "itn needs plain images"),
        (GAN(), {}, "gan needs plain images"),
        (GAN(label_weight=1.0), {"public_images": noise(2, SMALL, 0)}, "gan needs their labels"),
        (Jigsaw(), {}, "jigsaw is an attack on proposed, etc, etc_jpeg; this is le"),
        (ChosenPlaintext(), {"shared_key": False, "oracle": Oracle(lambda x: x, 1)}, "one shared key"),
        (Statistics(), {"shared_key": False, "public_images": noise(2, SMALL, 0)}, "one shared key"),
        (GAN(), {"shared_key": False, "public_images": noise(2, SMALL, 0)}, "one shared key"),
        (KnownPlaintext(), {"shared_key": False, "known": (noise(2, SMALL, 0),) * 2}, "one shared key"),
        (KnownPlaintext(pairs=3), {"known": (noise(2, SMALL, 0),) * 2}, "use 3 known pairs, this observation holds 2"),
        (Statistics(), {"public_images": noise(2, SMALL, 0)}, "needs at least 2, got 1"),
        (GAN("small"), {"public_images": noise(2, SMALL, 0)}, "at least 2 ciphertexts"),
        (GAN(maps="mine"), {"public_images": noise(2, SMALL, 0)}, "'own' or 'shared', got 'mine'"),
        (GAN("dc"), {"public_images": noise(2, SMALL, 0)}, "must be one of sia, small, nibbles; got 'dc'"),
        (ITN("resnet"), {"public_images": noise(2, SMALL, 0)}, "'block', 'unet' or 'orbit', got 'resnet'"),
        (ITN(keys="mine"), {"public_images": noise(2, SMALL, 0)}, "'fixed' or 'fresh', got 'mine'"),
        (ITN(epochs=0), {"public_images": noise(2, SMALL, 0)}, "at least 1 epoch, got epochs=0"),
        (GAN(batch_size=1), {"public_images": noise(2, SMALL, 0)}, "at least 2 images in a batch, got batch_size=1"),
        (ITN(), {"public_images": noise(19, SMALL, 0)}, "at least 20 public images, .* got 19"),
        (ITN("unet", levels=7), {"public_images": noise(2, SMALL, 0)}, "cannot halve 32 x 32 so often"),
    ],
)
def test_what_is_missing_is_named(attack, observation, message):
    with pytest.raises(ValueError, match=message):
        attack(Observation(LE(4), noise(1, SMALL, seed=0), **observation))


@pytest.mark.parametrize(
    ("attack", "scheme", "message"),
    [
        (Statistics(), Proposed(4), "statistics is an attack on pe, le, ele, etc; this is proposed"),
        (GAN("nibbles"), EtC(4), "gan is an attack on le; this is etc"),
        (ITN("orbit"), Horio(4), "orbits of horio are not known.* set network=unet"),
        (GAN("small"), Proposed(4), "at least 24 x 24 pixels, got .16, 16."),
        (GAN(label_weight=0), Proposed(12), "halves images three times; .12, 12. does not allow it"),
    ],
)
def test_what_it_is_no_attack_on_is_named(attack, scheme, message):
    images = noise(2, (3, 12, 12) if scheme.block_size == 12 else (3, 16, 16), seed=0)
    with pytest.raises(ValueError, match=message):
        attack(Observation(scheme, images, public_images=images))


def test_an_oracle_counts_and_stops():
    asked = oracle(ELE(4), SMALL, budget=1)
    with pytest.raises(ValueError, match="needs 2 chosen images, the oracle answers 1"):
        ChosenPlaintext()(Observation(ELE(4), noise(1, SMALL, 0), oracle=asked))
    assert asked.queries == 0


# --- feature reconstruction ---


def test_fr_is_the_folded_image_under_pe_without_shuffle():
    plain = photographs(64)
    ciphertexts, _ = encrypt(PE(channel_shuffle=False), plain)
    restored = FR()(Observation(PE(channel_shuffle=False), ciphertexts)).images
    assert torch.equal(restored, fold_negative(plain))
    assert ssim(plain, restored).median() > ssim(plain, ciphertexts).median() + 0.1


def test_minimum_difference_against_a_slow_literal_loop():
    plain = photographs(24)
    ciphertexts, _ = encrypt(PE(), plain)
    restored = FR("minimum_difference")(Observation(PE(), ciphertexts)).images
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    for image, result in zip(ciphertexts.tolist(), restored.tolist(), strict=True):
        expected = [[[0] * 24 for _ in range(24)] for _ in range(3)]
        for y in range(24):
            for x in range(24):
                value = [image[c][y][x] for c in range(3)]
                if y == x == 0:
                    best = [min(v, 255 - v) for v in value]
                else:
                    near = [expected[c][y - 1][x] if y else expected[c][y][x - 1] for c in range(3)]
                    options = [
                        [value[order[c]] ^ (255 * (sign >> c & 1)) for c in range(3)]
                        for order in orders
                        for sign in range(8)
                    ]
                    best = min(options, key=lambda option: sum(abs(a - b) for a, b in zip(option, near, strict=True)))
                for c in range(3):
                    expected[c][y][x] = best[c]
        assert expected == result
