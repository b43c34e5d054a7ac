"""Jigsaw and second-order statistics: keys from ciphertexts alone."""

import itertools

import numpy as np
import pytest
import torch
from attacked import PUBLIC, VICTIM, encrypt, photographs, scenes

from vitcrypt.attacks import Jigsaw, Observation, Propagation, Statistics
from vitcrypt.attacks.jigsaw.etc import likeliest
from vitcrypt.attacks.jigsaw.pixel_order import map_to_grid, symmetries
from vitcrypt.attacks.jigsaw.puzzle import solve
from vitcrypt.attacks.jigsaw.turned import INVERSE, turned
from vitcrypt.attacks.statistics.graph_matching import match_graphs
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed
from vitcrypt.encryption.primitives import CHANNEL_ORDERS
from vitcrypt.keys import Key
from vitcrypt.metrics import jigsaw_score, key_shares, ssim, symmetric_ssim

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


@pytest.mark.slow
def test_jigsaw_restores_images_under_keys_of_their_own():
    plain = photographs(224)
    encryption = ImageEncryption(Proposed(16), Key.test("test-0"), (3, 224, 224), "per_image")
    ciphertexts = encryption(plain, torch.tensor([4, 9]))
    result = Jigsaw()(Observation(Proposed(16), ciphertexts, shared_key=False))
    assert result.subkeys == {}
    assert ssim(plain, result.images).min() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("columns", [32, 48])
def test_jigsaw_restores_etc_up_to_the_state_of_the_whole_image(columns):
    plain = scenes(8, VICTIM, 48)[:, :, :32, :columns]
    ciphertexts, _ = encrypt(EtC(4), plain)
    result = Jigsaw()(Observation(EtC(4), ciphertexts))
    assert symmetric_ssim(result.images, plain)[0].median() > 0.99
    assert symmetric_ssim(ciphertexts, plain)[0].median() < 0.5


def test_public_images_tell_which_state_it_is():
    public = torch.rand(300, 3, 8, 6, dtype=torch.float64) * torch.tensor([20.0, 30, 40]).view(3, 1, 1)
    public += torch.linspace(-60, 60, 8).view(8, 1) + torch.linspace(-30, 20, 6)
    shown = public[:5].numpy()
    assert likeliest(shown, public[5:].numpy()) == 0
    for state in (24 + 6 + 4, 48 + 1):  # upside down, negated and recoloured; mirrored and recoloured
        changed = turned(shown[:, CHANNEL_ORDERS[state % 6]], state // 12) * (-1) ** (state // 6 % 2)
        assert likeliest(changed, public[5:].numpy()) == INVERSE[state]


# --- propagation ---


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [PE(), PE(channel_shuffle=False)], ids=str)
def test_propagation_restores_pe_up_to_the_state_of_the_whole_image(scheme):
    plain = scenes(8, VICTIM)[:, :, :24]
    ciphertexts, subkeys = encrypt(scheme, plain)
    result = Propagation()(Observation(scheme, ciphertexts))
    assert result.subkeys.keys() == subkeys.keys()
    assert symmetric_ssim(result.images, plain)[0].median() > 0.7
    assert symmetric_ssim(ciphertexts, plain)[0].median() < 0.3


@pytest.mark.slow
def test_propagation_of_ciphertexts_under_keys_of_their_own_goes_one_by_one():
    encryption = ImageEncryption(PE(), Key.test("test-0"), (3, 16, 16), "per_image")
    ciphertexts = encryption(scenes(2, VICTIM, 16), torch.arange(2))
    result = Propagation()(Observation(PE(), ciphertexts, shared_key=False))
    assert result.subkeys == {}
    for one, restored in zip(ciphertexts.split(1), result.images.split(1), strict=True):
        assert torch.equal(Propagation()(Observation(PE(), one)).images, restored)


# --- statistics ---


def test_graphs_are_matched_as_well_as_by_trying_all_assignments():
    random = np.random.default_rng(0)
    for _ in range(5):
        graphs, unary = [tuple(random.normal(size=(2, 6, 6))) for _ in range(2)], random.normal(size=(6, 6))

        def gain(p, graphs=graphs, unary=unary):
            return sum((a * b[np.ix_(p, p)]).sum() for a, b in graphs) + unary[np.arange(6), p].sum()

        best = max(map(list, itertools.permutations(range(6))), key=gain)
        assert gain(match_graphs(graphs, unary, starts=4, patience=20)) == pytest.approx(gain(best))


@pytest.mark.slow
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
    plain, public = scenes(1000, VICTIM), scenes(1000, PUBLIC)
    ciphertexts, _ = encrypt(scheme, plain)
    images = Statistics(starts=10)(Observation(scheme, ciphertexts, public_images=public)).images[:50]
    best = max(float(ssim(plain[:50], view).median()) for view in (images, images.flip(-1)))
    assert best > 3 * ssim(plain[:50], ciphertexts[:50]).median()
    assert best > 0.3
