"""Attacks restore what they are said to restore, and nothing where there is nothing to restore.

Keys and truth are on this side only: an attack sees an Observation.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

import vitcrypt.attacks
from vitcrypt.attacks import (
    FR,
    GAN,
    ITN,
    ChosenPlaintext,
    Jigsaw,
    KnownPlaintext,
    Observation,
    Oracle,
    Reconstruction,
    Statistics,
)
from vitcrypt.attacks.pixel_order import map_to_grid, symmetries
from vitcrypt.attacks.plaintext import noise, probes
from vitcrypt.attacks.puzzle import solve
from vitcrypt.attacks.training import own_cipher
from vitcrypt.data import digits, resize
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import fold, jigsaw_score, key_shares, ssim

SMALL = (3, 32, 32)
VICTIM, PUBLIC = (72, 112, 160), (64, 96, 128, 192)  # sides of the photographs that scenes are cut out of
SCHEMES = [PE(), PE(channel_shuffle=False), LE(4), ELE(4), EtC(4), Proposed(4), LE(8), ELE(8), EtC(8), Proposed(16)]


def photographs(size: int) -> Tensor:
    """The two photographs of scikit-learn, uint8 [2, 3, size, size]."""
    images = [torch.from_numpy(image[:, 106:533].copy()).permute(2, 0, 1) for image in load_sample_images().images]
    return resize(torch.stack(images), size)


def scenes(count: int, sizes: tuple[int, ...]) -> Tensor:
    """Small scenes cut out of the photographs, which are shrunk to several sizes first: uint8 [count, 3, 32, 32]."""
    random = np.random.default_rng(sizes)
    sources = [photographs(size) for size in sizes]
    cut = []
    for _ in range(count):
        source = sources[random.integers(len(sources))]
        y, x = random.integers(0, source.shape[-1] - 31, 2)
        cut.append(source[random.integers(2), :, y : y + 32, x : x + 32])
    return torch.stack(cut)


def encrypt(scheme: Scheme, images: Tensor, key: str = "test-0") -> tuple[Tensor, dict[str, Tensor]]:
    """Ciphertexts, and the subkeys that nobody but the test sees."""
    shape = tuple(images.shape[1:])
    return ImageEncryption(scheme, Key.test(key), shape)(images), scheme.subkeys(Key.test(key), shape)


def oracle(scheme: Scheme, shape: tuple[int, int, int], budget: int, key: str = "test-0") -> Oracle:
    return Oracle(ImageEncryption(scheme, Key.test(key), shape), budget)


# --- the room ---


def test_attacks_import_neither_keys_nor_data_nor_metrics():
    for path in Path(vitcrypt.attacks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("vitcrypt"):
                    assert name.startswith(("vitcrypt.attacks", "vitcrypt.encryption")), f"{path.name} imports {name}"


def test_an_observation_says_what_is_held_and_refuses_what_does_not_fit():
    images = noise(4, SMALL, seed=0)
    held = Observation(LE(4), images, known=(images[:2], images[:2]), oracle=oracle(LE(4), SMALL, 7))
    text = str(held.threat_model)
    assert "LE(block_size=4)" in text
    assert "encrypted images: 2" in text
    assert "key: 7" in text
    with pytest.raises(ValueError, match=r"known plain images must be .*sizes cannot be mixed"):
        Observation(LE(4), images, known=(images[..., :16], images[..., :16]))
    with pytest.raises(ValueError, match="no ciphertext"):
        Observation(LE(4), images[:0])
    with pytest.raises(ValueError, match="3 labels do not belong to 4 ciphertexts"):
        Observation(LE(4), images, labels=torch.zeros(3))
    with pytest.raises(TypeError, match="float32"):
        Observation(LE(4), images.float())
    with pytest.raises(ValueError, match="no pairs"):
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
        (Jigsaw(), {}, "jigsaw is an attack on proposed; this is le"),
        (ChosenPlaintext(), {"shared_key": False, "oracle": Oracle(lambda x: x, 1)}, "one shared key"),
        (Statistics(), {"public_images": noise(2, SMALL, 0)}, "at least 2"),
    ],
)
def test_what_is_missing_is_named(attack, observation, message):
    with pytest.raises(ValueError, match=message):
        attack(Observation(LE(4), noise(1, SMALL, seed=0), **observation))


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
    assert torch.equal(restored, fold(plain))
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


# --- known and chosen plaintext ---


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("key", ["test-0", "test-1"])
def test_chosen_plaintext_gives_the_key(scheme, key):
    plain = noise(2, SMALL, seed=3)
    ciphertexts, subkeys = encrypt(scheme, plain, key)
    asked = oracle(scheme, SMALL, 3, key)
    result = ChosenPlaintext()(Observation(scheme, ciphertexts, oracle=asked))
    assert all(torch.equal(result.subkeys[name], subkeys[name]) for name in subkeys)
    assert torch.equal(result.images, plain)
    # one image, and for ELE as many as tell 96 (or 384) nibbles apart by 8 * 16^(q - 1) signatures
    assert asked.queries == len(probes(scheme, SMALL)) == {ELE(4): 2, ELE(8): 3}.get(scheme, 1)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_known_plaintext_gives_the_key(scheme):
    pairs, plain = scenes(60, PUBLIC), scenes(2, VICTIM)
    known, subkeys = encrypt(scheme, pairs)
    ciphertexts, _ = encrypt(scheme, plain)
    result = KnownPlaintext()(Observation(scheme, ciphertexts, known=(pairs, known)))
    assert result.details["exact"]
    assert key_shares(result.subkeys, subkeys) == dict.fromkeys(subkeys, 1.0)
    assert torch.equal(result.images, plain)


@pytest.mark.parametrize("scheme", [PE(), LE(4), ELE(4), EtC(4), Proposed(4)], ids=str)
def test_what_known_plaintext_calls_certain_is_right(scheme):
    pairs = resize(digits().train.images[:3], 32)  # grey, and the upper half is black: much stays open
    pairs[:, :, :16] = 0
    known, subkeys = encrypt(scheme, pairs)
    observation = Observation(scheme, known[:1], known=(pairs, known))
    result = KnownPlaintext()(observation)
    assert torch.equal(scheme.cipher(result.subkeys, SMALL)(pairs), known)  # it is a key that fits
    shares = key_shares(result.subkeys, subkeys)
    for name, certain in result.details["certain"].items():
        assert shares[name] >= certain
    assert min(result.details["certain"].values()) < 1 or scheme == LE(4)


@pytest.mark.parametrize("scheme", [PE(), LE(4), ELE(4), EtC(4), Proposed(4)], ids=str)
def test_pairs_under_two_keys_are_refused(scheme):
    pairs = scenes(2, PUBLIC)
    known = torch.cat([encrypt(scheme, pairs[:1], "test-0")[0], encrypt(scheme, pairs[1:], "test-1")[0]])
    with pytest.raises(ValueError, match="one key"):
        KnownPlaintext()(Observation(scheme, known, known=(pairs, known)))


# --- jigsaw ---


def test_distances_of_a_grid_give_the_grid():
    side = 6
    grid = np.stack(np.divmod(np.arange(side * side), side), 1)
    shuffled = np.random.default_rng(0).permutation(side * side)
    apart = ((grid[shuffled, None] - grid[None, shuffled]) ** 2).sum(-1).astype(float)
    places = map_to_grid(apart, side)
    assert any(np.array_equal(candidate, shuffled) for candidate in symmetries(places, side))


def test_a_puzzle_with_clear_costs_is_solved():
    random = np.random.default_rng(0)
    order = random.permutation(20)  # 4 x 5
    right, below = random.random((20, 20)) + 1, random.random((20, 20)) + 1
    layout = order.reshape(4, 5)
    right[layout[:, :-1], layout[:, 1:]] = 0.9
    below[layout[:-1], layout[1:]] = 0.9
    assert np.array_equal(solve(right, below, 4, 5), layout)


@pytest.mark.parametrize("count", [1, 2])
def test_jigsaw_gives_both_keys_of_photographs(count):
    plain = photographs(224)[:count]
    ciphertexts, subkeys = encrypt(Proposed(16), plain, "test-5")
    result = Jigsaw()(Observation(Proposed(16), ciphertexts))
    assert torch.equal(result.subkeys["pixel_permutation"], subkeys["pixel_permutation"])
    placed = subkeys["block_permutation"][result.subkeys["block_permutation"].argsort()]
    assert jigsaw_score(placed, 14, 14).neighbour >= 0.9
    assert ssim(plain, result.images).min() > 0.95
    assert ssim(plain, ciphertexts).max() < 0.5


def test_jigsaw_restores_images_under_keys_of_their_own():
    plain = photographs(224)
    encryption = ImageEncryption(Proposed(16), Key.test("test-0"), (3, 224, 224), "per_image")
    ciphertexts = encryption(plain, torch.tensor([4, 9]))
    result = Jigsaw()(Observation(Proposed(16), ciphertexts, shared_key=False))
    assert result.subkeys == {}
    assert ssim(plain, result.images).min() > 0.95


# --- statistics ---


@pytest.mark.parametrize(
    ("scheme", "count", "least"),
    [(PE(), 200, 0.99), (PE(channel_shuffle=False), 200, 0.99), (LE(4), 200, 0.45)],
    ids=str,
)
def test_statistics_recover_keys_of_pe_and_le(scheme, count, least):
    plain, public = scenes(count, VICTIM), scenes(600, PUBLIC)
    ciphertexts, subkeys = encrypt(scheme, plain)
    result = Statistics(starts=10)(Observation(scheme, ciphertexts, public_images=public))
    assert min(key_shares(result.subkeys, subkeys).values()) >= least
    assert ssim(plain, result.images).median() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [EtC(4), ELE(4)], ids=str)
def test_statistics_restore_etc_and_ele_up_to_a_mirror(scheme):
    plain, public = scenes(3000, VICTIM), scenes(3000, PUBLIC)
    ciphertexts, _ = encrypt(scheme, plain)
    images = Statistics(starts=20)(Observation(scheme, ciphertexts, public_images=public)).images[:50]
    best = max(float(ssim(plain[:50], view).median()) for view in (images, images.flip(-1)))
    assert best > 3 * ssim(plain[:50], ciphertexts[:50]).median()
    assert best > 0.3


# --- networks ---


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


# --- nothing comes from nothing ---


@pytest.mark.parametrize(
    ("scheme", "attack", "shape"),
    [
        (PE(), FR(), SMALL),
        (PE(), FR("minimum_difference"), SMALL),
        (Proposed(16), Jigsaw(), (3, 96, 96)),
        (PE(), Statistics(), SMALL),
        (LE(4), Statistics(starts=2), SMALL),
        (EtC(4), Statistics(starts=2), SMALL),
        (LE(4), ITN(width=12, epochs=1, batch_size=16), SMALL),
    ],
    ids=str,
)
def test_white_noise_is_not_restored(scheme, attack, shape):
    plain = noise(24, shape, seed=0)
    ciphertexts, subkeys = encrypt(scheme, plain)
    result = attack(Observation(scheme, ciphertexts, public_images=noise(48, shape, seed=1)))
    assert isinstance(result, Reconstruction)
    floor = max(float(ssim(plain, ciphertexts).median()), float(ssim(plain, plain.roll(1, 0)).median()))
    if not isinstance(attack, FR):  # half of the values are right after folding, even those of noise
        assert ssim(plain, result.images).median() < floor + 0.03
    assert not (result.images == plain).flatten(1).all(1).any()
    for name, share in key_shares(result.subkeys, subkeys).items() if result.subkeys else ():
        assert share < {"negation": 0.6, "nibble_inversion": 0.75}.get(name, 0.35)
