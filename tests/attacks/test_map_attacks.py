"""Attacks that know nothing of the scheme: on maps drawn here, on schemes, and on what no fixed map explains."""

import numpy as np
import pytest
import torch
from attacked import PUBLIC, VICTIM, encrypt, scenes

from vitcrypt.attacks import Isometry, LinearMap, Observation, Topology, Trilateration
from vitcrypt.attacks.maps import symbols
from vitcrypt.attacks.maps.pairs import fitted_linear, located, squared_distances
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme, SignedPermutation
from vitcrypt.encryption.cipher import Properties
from vitcrypt.encryption.primitives import from_blocks, to_blocks
from vitcrypt.keys import Key
from vitcrypt.metrics import symmetric_ssim

SIDE, SHAPE = 12, (3, 12, 12)


def drawn(seed: int, size: int = 432) -> SignedPermutation:
    random = np.random.default_rng(seed)
    signs = torch.from_numpy(random.integers(0, 2, size).astype(np.uint8) * 255)
    return SignedPermutation(torch.from_numpy(random.permutation(size)), signs)


def restored(ciphertexts, plain, public) -> float:
    found = Topology()(Observation(Plain(), ciphertexts, public_images=public)).images
    return float(symmetric_ssim(found, plain)[0].median())


@pytest.mark.slow
def test_topology_undoes_any_permutation_with_signs_but_no_noise_and_no_fresh_maps():
    plain, public = scenes(300, VICTIM, SIDE), scenes(600, PUBLIC, SIDE)
    assert restored(drawn(0)(plain), plain, public) > 0.9
    fresh = torch.stack([drawn(i)(image) for i, image in enumerate(plain)])
    assert restored(fresh, plain, public) < 0.3
    white = noise(300, SHAPE, seed=0)
    assert restored(drawn(0)(white), white, noise(600, SHAPE, seed=1)) < 0.2


@pytest.mark.parametrize("attack", [Topology(), Trilateration()], ids=lambda attack: attack.name)
def test_what_does_not_fit_is_refused_before_it_begins(attack, monkeypatch):
    monkeypatch.setattr(symbols, "memory_of", lambda device: 2**20)
    images = noise(4, SHAPE, seed=0)
    with pytest.raises(ValueError, match=r"all 432 symbols .* needs about \d MiB of memory, and there are 1 MiB"):
        attack(Observation(Plain(), images, known=(images, images), public_images=images))


@pytest.mark.parametrize("scheme", [PE(), EtC(4), Proposed(4), LE(4), ELE(4)], ids=str)
def test_a_linear_map_and_an_isometry_are_exact_from_one_pair_more_than_symbols(scheme):
    moved = "nibbles" if isinstance(scheme, LE) else "bytes"
    plain, pairs = noise(3, (3, 8, 8), seed=0), noise(400, (3, 8, 8), seed=1)
    held = Observation(scheme, encrypt(scheme, plain)[0], known=(pairs, encrypt(scheme, pairs)[0]))
    for attack in (LinearMap(moved), Trilateration(moved)):
        assert torch.equal(attack(held).images, plain)
    if moved == "nibbles":
        with pytest.raises(ValueError, match="symbols=nibbles"):
            Trilateration()(held)


def test_a_random_matrix_falls_to_pairs_and_distances_place_a_point():
    random = np.random.default_rng(0)
    matrix, offset = random.normal(size=(20, 20)), random.normal(size=20)
    plain, queries = random.normal(size=(21, 20)), random.normal(size=(5, 20))
    found = fitted_linear(plain @ matrix + offset, plain, queries @ matrix + offset)
    np.testing.assert_allclose(found, queries, atol=1e-8)
    plain[:, :2] = matrix[:2] = 0  # less than all directions: of those that no pair shows nothing is told
    found = fitted_linear(plain @ matrix + offset, plain, queries @ matrix + offset)
    np.testing.assert_allclose(found, np.pad(queries[:, 2:], ((0, 0), (2, 0))), atol=1e-8)
    plain[:, :2] = random.normal(size=(21, 2))
    for public in (None, random.normal(size=(10, 20))):
        np.testing.assert_allclose(located(plain, squared_distances(queries, plain), public), queries, atol=1e-6)


def test_what_is_added_to_all_images_is_taken_away_with_two_pairs():
    plain, added = scenes(9, VICTIM, SIDE), scenes(1, PUBLIC, SIDE)[0] ^ 128
    seen = Observation(Plain(), plain[2:] + added, known=(plain[:2], plain[:2] + added))
    assert torch.equal(LinearMap()(seen).images, plain[2:])


def test_few_pairs_restore_more_with_public_images_and_nothing_with_keys_of_their_own():
    plain, public, pairs = scenes(20, VICTIM, SIDE), scenes(600, PUBLIC, SIDE), scenes(80, (80,), SIDE)
    ciphertexts, known = (drawn(0)(images) for images in (plain, pairs))
    held = {"known": (pairs, known), "public_images": public}
    found = Trilateration()(Observation(Plain(), ciphertexts, **held)).images
    alone = LinearMap()(Observation(Plain(), ciphertexts, known=(pairs, known))).images
    of_prior, of_span = (float(symmetric_ssim(images, plain)[0].median()) for images in (found, alone))
    assert of_prior > max(of_span, 0.5)
    each = ImageEncryption(PE(), Key.test("test-0"), SHAPE, key_scope="per_image")
    held["known"] = (pairs, each(pairs, torch.arange(len(pairs))))
    fresh = Observation(PE(), each(plain, torch.arange(1000, 1020)), **held)
    assert float(symmetric_ssim(LinearMap()(fresh).images, plain)[0].median()) < 0.3
    with pytest.raises(ValueError, match="a map that keeps distances"):
        Trilateration()(fresh)


class Turned(Scheme):
    properties = Properties(dtype="float32")

    def stages(self, shape):
        return {}


def turned(images, matrices):
    blocks = to_blocks(images.float() / 127.5 - 1, 4)
    return from_blocks((blocks.flatten(2) @ torch.from_numpy(matrices).float().mT).view(blocks.shape), (3, 32, 32))


def correlation(plain, public, matrices):
    found = Isometry()(Observation(Turned(4), turned(plain, matrices), public_images=public)).images
    return np.corrcoef(found.flatten(), plain.flatten())[0, 1]


@pytest.mark.slow
def test_isometry_undoes_any_rotation_of_blocks_but_no_noise_and_no_fresh_maps():
    plain, public = scenes(100, VICTIM), scenes(300, PUBLIC)
    random = np.random.default_rng(0)
    matrices = np.linalg.qr(random.normal(size=(100, 48, 48)))[0]
    signs = np.eye(48)[random.permutation(48)] * random.choice((-1, 1), 48)
    assert correlation(plain, public, matrices[0]) > 0.95
    assert correlation(plain, public, signs) > 0.95
    assert abs(correlation(plain, public, matrices)) < 0.3
    white = noise(100, (3, 32, 32), seed=0)
    assert abs(correlation(white, noise(300, (3, 32, 32), seed=1), matrices[0])) < 0.1


def test_isometry_says_what_it_cannot_cut():
    with pytest.raises(ValueError, match="at least 3 x 3 blocks"):
        Isometry()(Observation(Plain(16), scenes(2, VICTIM), public_images=scenes(2, PUBLIC)))
