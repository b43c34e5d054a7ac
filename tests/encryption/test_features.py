"""Private features: the ciphertext against an oracle, its noise, and the two bounds against their definitions."""

import hashlib
import math

import numpy as np
import pytest
import torch
from cases import by_oracle, cipher_of, drawn, noise
from networks import linear_features
from scipy.integrate import quad
from scipy.special import gamma
from scipy.stats import norm

from vitcrypt.encryption import Features, ImageEncryption, features
from vitcrypt.encryption.privacy import gaussian_delta, gaussian_epsilon, leakage_bits
from vitcrypt.keys import Key

SHAPE = (3, 16, 24)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A linear network of 12 values, as an ONNX file."""
    return linear_features(tmp_path_factory.mktemp("network") / "linear.onnx", SHAPE, 5)


def test_ciphertexts_are_the_oracle_s_alone_and_in_batches_and_repeat():
    images, scheme = noise(3, *SHAPE, seed=1), Features(8)
    images[2] = images[0]
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE)
    made = encryption(images)
    assert made.dtype == torch.float32
    assert tuple(made.shape) == (3, 18, 1, 1)
    for row, image in zip(made, images, strict=True):
        assert torch.allclose(row, by_oracle(scheme, drawn(scheme, SHAPE), image), atol=1e-6)
        assert torch.equal(row, encryption(image))
        assert torch.allclose(row, ImageEncryption(scheme, Key.test("test-0"), SHAPE)(image), atol=1e-6)
    assert torch.equal(made[0], made[2])
    with pytest.raises(ValueError, match="cannot be undone"):
        encryption.decrypt(made)


def test_vectors_are_kept_within_their_bound_and_the_same_beyond_it(monkeypatch):
    images, scheme = noise(9, 3, 8, 8, seed=6), Features(4)
    made = cipher_of(scheme, (3, 8, 8))(images)
    monkeypatch.setattr(features, "KEPT", 4 * (features.OVERHEAD + 4 * 12) + 1)
    bounded = scheme.cipher(drawn(scheme, (3, 8, 8)), (3, 8, 8))
    for part in (images, images.flip(0)):
        assert torch.equal(bounded(part), made if part is images else made.flip(0))
        assert len(bounded._made) == 4


def test_subkeys_never_change():
    parts = [drawn(Features(8), SHAPE)[name].numpy().tobytes() for name in ("gaussian", "noise")]
    assert (
        hashlib.sha256(b"".join(parts)).hexdigest()
        == "549a163fc38f6d6604670123f301ba4b4e0aea9174b24ea982a27df5beaaa8dc"
    )


def test_noise_is_gaussian_and_fresh_for_every_image_and_key():
    images = noise(400, 3, 8, 8, seed=2)
    images[200:] = images[:200]
    images[200:, 0, 0, 0] ^= 1  # one bit
    scheme = Features(4, clip=1e-6, sigma=2.0)
    values = cipher_of(scheme, (3, 8, 8))(images).flatten(1).double() / 2
    assert abs(values.mean()) < 0.05
    assert abs(values.var() - 1) < 0.05
    assert abs(values.flatten().abs().median() - norm.ppf(0.75)) < 0.03
    other = cipher_of(scheme, (3, 8, 8), "test-1")(images).flatten(1).double() / 2
    for one, two in ((values[:200], values[200:]), (values, other), (values[:, :6], values[:, 6:])):
        assert abs((one * two).mean()) < 5 / math.sqrt(one.numel())


def test_a_network_s_vectors_are_clipped_and_turned(network):
    path, weight = network
    images = torch.cat([noise(40, *SHAPE, seed=3), torch.full((1, *SHAPE), 128, dtype=torch.uint8)])
    scheme = Features(weights=path, clip=0.1, sigma=0.0)
    made = cipher_of(scheme, SHAPE)(images).flatten(1).double()
    means = (images.double() / 127.5 - 1).unflatten(2, (2, 8)).unflatten(4, (2, 12)).mean((3, 5)).flatten(1)
    vectors = means @ weight.mT
    lengths = vectors.norm(dim=1, keepdim=True)
    assert 0.2 < (lengths > 0.1).double().mean() < 1
    expected = vectors * (0.1 / lengths).clamp_max(1)
    assert torch.allclose(made @ made.mT, expected @ expected.mT, atol=1e-6)  # all that a rotation leaves
    assert not torch.allclose(made, expected, atol=1e-3)
    assert torch.allclose(scheme.invariants(images), scheme.invariants(made[:, :, None, None].float()), atol=1e-6)


def test_the_noise_is_taken_from_what_a_rotation_leaves():
    images = noise(500, 3, 8, 8, seed=4) // (1 + torch.arange(500)[:, None, None, None] % 2).to(torch.uint8)
    scheme = Features(2, clip=2.0, sigma=0.1)
    found = scheme.invariants(cipher_of(scheme, (3, 8, 8))(images))
    assert abs((found.square() - scheme.invariants(images).square()).mean()) < 0.1


@pytest.mark.parametrize(("epsilon", "ratio"), [(0.0, 1.0), (0.5, 0.3), (1.0, 2.0), (5.0, 2.0), (20.0, 6.0)])
def test_delta_is_what_the_definition_integrates_to(epsilon, ratio):
    """The largest of P(S) - e^epsilon Q(S) over all sets: the integral of its positive part, Q one sensitivity away."""

    def above(y):
        return max(0.0, norm.pdf(y, ratio) - math.exp(epsilon) * norm.pdf(y))

    edge = epsilon / ratio + ratio / 2
    expected = quad(above, edge, max(edge, ratio) + 12, limit=200)[0]
    assert gaussian_delta(epsilon, ratio) == pytest.approx(expected, rel=1e-6)
    if epsilon:
        assert gaussian_epsilon(ratio, expected) == pytest.approx(epsilon, rel=1e-6)
    assert gaussian_epsilon(1e-4, 1e-3) == 0
    assert gaussian_epsilon(math.inf) == math.inf


@pytest.mark.parametrize("dimension", [1, 2, 3, 9, 40])
@pytest.mark.parametrize(("clip", "sigma"), [(1.3, 0.7), (0.5, 2.0), (4.0, 1.0)])
def test_leakage_is_what_the_definition_integrates_to(dimension, clip, sigma):
    """The integral of the largest density over all points, of which only the distance from the origin counts."""
    surface = 2 * math.pi ** (dimension / 2) / gamma(dimension / 2)

    def largest(radius):
        beyond = max(0.0, radius - clip)
        log = (dimension - 1) * math.log(max(radius, 1e-300)) - beyond**2 / (2 * sigma**2)
        return surface * math.exp(log - dimension / 2 * math.log(2 * math.pi * sigma**2))

    whole = quad(largest, 0, clip)[0] + quad(largest, clip, clip + 20 * sigma, limit=200)[0]
    assert leakage_bits(dimension, clip, sigma) == pytest.approx(math.log2(whole), abs=1e-6)
    assert leakage_bits(dimension, clip, sigma, 4) == pytest.approx(leakage_bits(dimension, clip, sigma / 2))
    assert leakage_bits(dimension, clip, 0.0) == math.inf


def test_the_best_linkage_there_is_stays_below_the_bound():
    """The most likely of n vectors is the best guess: the nearest. On a circle of them it comes near to the bound."""
    angles, random = 2 * np.pi * np.arange(16) / 16, np.random.default_rng(0)
    gallery = np.stack([np.cos(angles), np.sin(angles)], 1)
    for sigma in (0.15, 0.3, 1.0):
        noisy = np.repeat(gallery, 500, 0) + sigma * random.normal(size=(8000, 2))
        nearest = np.square(noisy[:, None] - gallery).sum(2).argmin(1)
        linked, bound = float((nearest == np.arange(8000) // 500).mean()), 2 ** leakage_bits(2, 1.0, sigma) / 16
        assert linked <= min(1, bound) + 0.02
        assert linked > 0.3 * min(1, bound)


def test_bounds_are_stated_of_what_is_encrypted(network):
    bounds = Features(weights=network[0], clip=3.0, sigma=1.0).bounds(SHAPE)
    assert bounds == {"epsilon": gaussian_epsilon(6), "delta": 1e-5, "leakage_bits": leakage_bits(5, 3, 1)}
    assert Features(sigma=0.0).bounds(SHAPE) == {}


def test_a_code_says_which_value_is_the_largest_and_nothing_else(network):
    path, weight = network
    images = noise(60, *SHAPE, seed=5)
    scheme = Features(weights=path, clip=2.0, sigma=0.0, code=True)
    made = cipher_of(scheme, SHAPE)(images).flatten(1).double()
    means = (images.double() / 127.5 - 1).unflatten(2, (2, 8)).unflatten(4, (2, 12)).mean((3, 5)).flatten(1)
    largest = (means @ weight.mT).argmax(1)
    assert len(largest.unique()) > 2
    alike = largest[:, None] == largest
    assert torch.allclose(made @ made.mT, 4.0 * alike.double(), atol=1e-5)
    assert scheme.bounds(SHAPE) == {"leakage_bits": math.log2(5)}
    noisy = Features(weights=path, clip=1.0, sigma=1.0, code=True).bounds(SHAPE)
    assert noisy["epsilon"] == gaussian_epsilon(math.sqrt(2))
    assert noisy["leakage_bits"] == min(math.log2(5), leakage_bits(5, 1, 1))


def elsewhere(folder):
    """Return a network whose weights are said to lie in another file."""
    onnx = pytest.importorskip("onnx")
    file = onnx.load(linear_features(folder / "whole.onnx", SHAPE, 5)[0])
    file.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    (folder / "elsewhere.onnx").write_bytes(file.SerializeToString())
    return str(folder / "elsewhere.onnx")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: Features(sigma=-1.0), "sigma is a number from 0 on; got -1.0"),
        (lambda path: Features(clip=0), "clip is a number above 0; got 0"),
        (lambda path: Features(7).check_shape(SHAPE), "block_size=7 does not divide"),
        (lambda path: Features(weights=f"{path}/none.onnx").bounds(SHAPE), "none.onnx does not exist"),
        (lambda path: Features(weights="/dev/zero").bounds(SHAPE), "is a device, not a regular file"),
        (lambda path: Features(weights=elsewhere(path)).bounds(SHAPE), "keeps weights in other files"),
        (lambda path: Features(weights=__file__).bounds(SHAPE), "is no ONNX file"),
        (lambda path: cipher_of(Features(8), SHAPE)(noise(*SHAPE).float()), "encrypted as uint8"),
        (
            lambda path: ImageEncryption(Features(8), Key.test("test-0"), SHAPE, "per_image"),
            "not for key_scope=per_image",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, make, told):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=told):
        make(tmp_path)
