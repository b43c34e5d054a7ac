"""The theorems of docs/what-is-possible.md, each on cases so small that all images and all keys are gone through."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import timm
import torch
from scipy.stats import norm

from vitcrypt.encryption import ELE, LE, PE, EtC, PEViTRS, Pixelise, Proposed
from vitcrypt.encryption.orbits import of_two_orders
from vitcrypt.encryption.primitives import to_vectors
from vitcrypt.keys import Key
from vitcrypt.models import fold_key

BYTES, NIBBLES = (0, 255), (0, 1, 14, 15)
CASES = {  # scheme, shape, and the values of a byte, closed under complement
    "pe": (PE(), (3, 1, 2), BYTES),
    "pe, four values": (PE(), (3, 1, 1), (0, 7, 248, 255)),
    "pe, signs only": (PE(channel_shuffle=False), (3, 1, 1), (0, 7, 248, 255)),
    "le": (LE(block_size=1), (2, 1, 2), (0, 15, 240, 255)),
    "ele": (ELE(block_size=1), (1, 1, 2), tuple(16 * high + low for high in NIBBLES for low in NIBBLES)),
    "etc": (EtC(block_size=2), (3, 2, 2), BYTES),
    "etc, two blocks": (EtC(block_size=1), (3, 1, 2), BYTES),
    "proposed, three blocks": (Proposed(block_size=2), (1, 2, 6), BYTES),
    "proposed, four pixels": (Proposed(block_size=4), (1, 4, 4), BYTES),
    "pevit_rs": (PEViTRS(block_size=1), (2, 1, 4), BYTES),
}


def all_of(stage):
    """Return all subkeys of a stage, stacked."""
    size = stage.shape[-1]
    single = list(permutations(range(size))) if stage.kind == "permutation" else range(stage.bound)
    count = math.prod(stage.shape[:-1]) if stage.kind == "permutation" else math.prod(stage.shape)
    kind = torch.bool if stage.kind == "bits" else torch.int64
    return torch.tensor(list(product(single, repeat=count)), dtype=kind).view(-1, *stage.shape)


class Small:
    """A scheme's images, numbered, and `table[k, x]`: the number of the ciphertext of image x under key k."""

    def __init__(self, scheme, shape, values):
        self.scheme, self.shape, self.levels = scheme, shape, len(values)
        size, digit = math.prod(shape), np.zeros(256, dtype=np.int64)
        digit[list(values)] = range(len(values))
        self.images = torch.cartesian_prod(*[torch.tensor(values, dtype=torch.uint8)] * size).view(-1, *shape)
        stages = {name: all_of(stage) for name, stage in scheme.stages(shape).items()}
        places = torch.cartesian_prod(*(torch.arange(len(each)) for each in stages.values())).view(-1, len(stages))
        subkeys = {name: each[places[:, i]] for i, (name, each) in enumerate(stages.items())}
        self.keys = len(places)
        assert math.log2(self.keys) == pytest.approx(scheme.key_space_bits(shape))
        if self.keys < len(self.images):
            rows = ({name: each[k] for name, each in subkeys.items()} for k in range(self.keys))
            made = torch.stack([scheme.cipher(row, shape)(self.images) for row in rows])
        else:
            ciphers = scheme.ciphers(subkeys, shape)
            made = torch.stack([ciphers(image.expand(self.keys, *shape)) for image in self.images], 1)
        powers = self.levels ** np.arange(size)[::-1]
        self.table = digit[made.flatten(2).numpy()] @ powers
        self.orbit = np.unique(self.table.min(0), return_inverse=True)[1]

    def joint(self, prior):
        """Return pairs x, y that occur together, and P(x, y), the key uniform."""
        count = len(self.images)
        pairs, times = np.unique(np.arange(count) * count + self.table, return_counts=True)
        x, y = np.divmod(pairs, count)
        return x, y, prior[x] * times / self.keys


LARGER = ("etc, two blocks", "proposed, four pixels")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LARGER)) for name in CASES]
)
def small(request):
    return Small(*CASES[request.param])


@pytest.fixture(scope="module")
def prior(small):
    return np.random.default_rng(0).dirichlet(np.full(len(small.images), 0.2))


def entropy(shares):
    shares = shares[shares > 0]
    return -float(shares @ np.log2(shares))


# A key for each image


def test_the_ciphertext_tells_the_orbit_and_in_it_the_prior_is_as_before(small, prior):
    x, y, both = small.joint(prior)
    posterior = both / np.bincount(y, both)[y]
    orbits = np.bincount(small.orbit, prior)
    np.testing.assert_allclose(posterior, prior[x] / orbits[small.orbit[y]], rtol=1e-9)
    assert (small.orbit[x] == small.orbit[y]).all()


def test_what_leaks_is_the_entropy_of_the_orbit_and_at_most_the_bound(small, prior):
    assert small.scheme.orbits(small.shape, small.levels) == small.orbit.max() + 1
    bound = math.log2(small.orbit.max() + 1)
    even = 1 / np.bincount(small.orbit)[small.orbit] / (small.orbit.max() + 1)  # all orbits alike: the bound is met
    for shares, limit in ((prior, None), (even, bound)):
        _, y, both = small.joint(shares)
        leak = entropy(np.bincount(y, both)) + entropy(shares) - entropy(both)
        assert leak == pytest.approx(entropy(np.bincount(small.orbit, shares)), abs=1e-9)
        assert leak <= bound + 1e-9
        assert limit is None or leak == pytest.approx(limit)


def test_no_guess_of_anything_gains_more_than_the_number_of_orbits(small, prior):
    """Maximal leakage: the sum over y of the largest P(y | x)."""
    x, y, both = small.joint(prior)
    largest = np.zeros(len(small.images))
    np.maximum.at(largest, y, both / prior[x])
    assert largest.sum() == pytest.approx(small.orbit.max() + 1)


def test_the_best_attack_names_the_most_probable_image_of_the_orbit(small, prior):
    _, y, both = small.joint(prior)
    best = np.zeros(len(small.images))
    np.maximum.at(best, y, both)  # over all images, for every ciphertext
    most = np.zeros(small.orbit.max() + 1)
    np.maximum.at(most, small.orbit, prior)
    assert best.sum() == pytest.approx(most.sum())


def test_the_best_classifier_needs_the_orbit_alone(small, prior):
    classes = np.random.default_rng(1).dirichlet([0.3] * 3, len(prior)) * prior[:, None]  # P(image, class)
    x, y, both = small.joint(prior)
    seen = np.stack([np.bincount(y, both * (classes[:, c] / prior)[x], len(prior)) for c in range(3)])
    orbits = np.stack([np.bincount(small.orbit, classes[:, c]) for c in range(3)])
    assert seen.max(0).sum() == pytest.approx(orbits.max(0).sum())


def test_no_bijection_under_fresh_keys_hides_linkage_and_a_map_of_many_to_one_does(small):
    assert (small.orbit[small.table] == small.orbit).all()  # of a gallery with an image of each orbit: its own, always
    means = Pixelise(block_size=2)
    black, other = torch.zeros(1, 2, 2, dtype=torch.uint8), torch.tensor([[[1, 0], [0, 0]]], dtype=torch.uint8)
    cipher = means.cipher({}, (1, 2, 2))
    assert torch.equal(cipher(black), cipher(other))


@pytest.mark.parametrize(("rows", "columns", "kinds"), [(1, 3, 2), (3, 1, 2), (2, 2, 3), (2, 3, 2), (3, 3, 2)])
def test_orbits_of_a_matrix_whose_rows_and_columns_are_reordered_are_no_more_than_the_bound(rows, columns, kinds):
    matrices = np.array(list(product(range(kinds), repeat=rows * columns))).reshape(-1, rows, columns)
    moved = [
        matrices[:, list(r)][:, :, list(c)] for r in permutations(range(rows)) for c in permutations(range(columns))
    ]
    powers = kinds ** np.arange(rows * columns)
    count = len(np.unique(np.min([each.reshape(len(each), -1) @ powers for each in moved], 0)))
    bound = of_two_orders(rows, columns, kinds)
    assert count <= bound <= 2.5 * count
    assert count == bound or min(rows, columns) > 1


def test_per_image_ele_leaks_at_most_1893_bits():
    assert ELE(block_size=4).leak_bits((3, 32, 32)) == pytest.approx(1893.17, abs=0.01)
    for scheme in (PE(), LE(block_size=4), EtC(block_size=4), Proposed(block_size=4)):
        assert 18_000 < scheme.leak_bits((3, 32, 32)) < 24_576
    assert Pixelise().leak_bits((3, 32, 32)) is None


# One key


def test_under_one_key_all_distances_stay(small):
    images = small.images[:200].flatten(1).int()
    if small.scheme.properties.isometry == "nibbles":
        images = torch.cat([images & 15, images >> 4], 1)
    distances = torch.cdist(images.double(), images.double())
    for row in small.table[:: max(1, small.keys // 50)]:
        made = small.images[torch.from_numpy(row[:200])].flatten(1).int()
        if small.scheme.properties.isometry == "nibbles":
            made = torch.cat([made & 15, made >> 4], 1)
        torch.testing.assert_close(torch.cdist(made.double(), made.double()), distances)


def test_pairs_that_span_the_images_determine_the_map(small):
    size = math.prod(small.shape)
    symbols = small.images.flatten(1).int()
    if small.scheme.properties.linear == "nibbles":
        symbols, size = torch.cat([symbols & 15, symbols >> 4], 1), 2 * size
    changed = symbols != symbols[0]
    first = changed.int().argmax(1).where(changed.sum(1) == 1, -1).tolist()  # the one symbol in which an image differs
    spanning = [0, *(first.index(place) for place in range(size))]
    assert len(np.unique(small.table[:, spanning], axis=0)) == len(np.unique(small.table, axis=0))


@pytest.mark.parametrize(("scheme", "shape", "keys"), [(PE(), (3, 1, 1), 48), (EtC(block_size=2), (3, 2, 2), 96)])
def test_one_chosen_image_tells_the_key(scheme, shape, keys):
    image = torch.arange(math.prod(shape), dtype=torch.uint8).view(shape)
    stages = {name: all_of(stage) for name, stage in scheme.stages(shape).items()}
    rows = (dict(zip(stages, row, strict=True)) for row in product(*stages.values()))
    assert len({scheme.cipher(row, shape)(image).numpy().tobytes() for row in rows}) == keys


def test_without_redundancy_no_ciphertext_tells_anything_of_the_key(small):
    assert (np.sort(small.table, 1) == np.arange(len(small.images))).all()  # each key makes each ciphertext once


# A key folded into a network


def test_tokens_of_a_folded_network_are_the_plain_ones_and_give_the_image_back():
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=4, embed_dim=48, depth=1, num_heads=2, num_classes=3
    ).eval()
    torch.nn.init.normal_(network.patch_embed.proj.weight)
    shape = (3, 8, 8)
    scheme = Proposed(block_size=4)
    cipher = scheme.cipher(scheme.subkeys(Key.test("test-0"), shape), shape)
    images = torch.randint(0, 256, (5, *shape), dtype=torch.uint8)
    plain, encrypted = (each.float() / 127.5 - 1 for each in (images, cipher(images)))
    folded = fold_key(network, cipher)
    with torch.no_grad():
        torch.testing.assert_close(folded(encrypted), network(plain), atol=1e-4, rtol=1e-4)
        tokens = folded.patch_embed(encrypted) - network.patch_embed.proj.bias
        weight = network.patch_embed.proj.weight.flatten(1)  # of the public original, [48, 48]
        patches = torch.linalg.solve(weight.double(), tokens.double().transpose(1, 2)).transpose(1, 2)
    patches = patches.view(5, 4, 3, 16).transpose(2, 3).flatten(2)
    order = scheme.subkeys(Key.test("test-0"), shape)["block_permutation"]
    torch.testing.assert_close(patches.float(), to_vectors(plain, 4)[:, order], atol=1e-3, rtol=0)


# Noise


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1, 2, 4, 8])
def test_two_images_at_a_distance_are_confused_as_often_as_the_bound_says(ratio):
    """`ratio`: D / s. The best test errs with probability Phi(-D / 2s)."""
    assert norm.cdf(-ratio / 2) >= math.exp(-(ratio**2) / 4) / 4


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0, 10.0])
def test_what_gaussian_noise_lets_through_and_what_an_estimate_makes_of_it(sigma):
    points = np.arange(8.0)
    y = np.linspace(-12 * sigma - 1, 8 + 12 * sigma, 40_001)
    likelihood = norm.pdf(y[:, None], points, sigma)
    mean = likelihood.mean(1)
    step = y[1] - y[0]
    posterior = likelihood / np.maximum(likelihood.sum(1, keepdims=True), 1e-300)
    leak = 3 + step * (mean * (posterior * np.log2(np.maximum(posterior, 1e-300))).sum(1)).sum()
    assert leak <= 0.5 * math.log2(1 + points.var() / sigma**2) + 1e-9  # the bound that PAC privacy starts from
    success = step * likelihood.max(1).sum() / 8
    told = success * math.log2(8 * success) + (1 - success) * math.log2(max(1 - success, 1e-300) / (7 / 8))
    assert told <= leak + 1e-6  # nobody guesses the image more often than that
    unbiased = step * (likelihood * (y[:, None] - points) ** 2).sum() / 8
    estimate = (posterior * points).sum(1)
    assert unbiased == pytest.approx(sigma**2, rel=1e-3)  # 1 / dFIL
    assert step * (likelihood * (estimate[:, None] - points) ** 2).sum() / 8 < min(sigma**2, points.var() + 1e-9)
