"""Second-order statistics of nibbles: the keys of LE and ELE."""

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints, nibbles_of
from vitcrypt.attacks.statistics.correlations import (
    block_correlations,
    brighter,
    centred,
    colour_orders,
    standardised,
    value_layout,
)
from vitcrypt.attacks.statistics.graph_matching import match_graphs, signs_of
from vitcrypt.encryption import ELE, LE


def le_subkeys(scheme: LE, ciphertexts: Tensor, public: Tensor, starts: int) -> dict[str, Tensor]:
    """High nibbles correlate, low ones hardly do; each half is matched to the correlations of public images."""
    rows = ciphertexts.shape[-2] // scheme.block_size
    nibbles = (centred(nibbles_of(images, scheme.block_size), 4) for images in (ciphertexts, public))
    ours, theirs = (x.transpose(1, 0, 2).reshape(x.shape[1], rows, -1, x.shape[2]) for x in nibbles)
    size = len(ours) // 2
    correlations = block_correlations(ours)[0]
    high, low = _halves(correlations)
    permutation, inversion = np.zeros(2 * size, int), np.zeros(2 * size, bool)

    expected = theirs[size:]
    signs = brighter(signs_of(correlations[np.ix_(high, high)]), ours[high], expected)
    restored = ours[high] * signs[:, None, None, None]
    graphs = zip(block_correlations(restored), block_correlations(expected), strict=True)
    places = match_graphs(list(graphs), starts=starts)
    permutation[high], inversion[high] = places + size, signs < 0

    places, signs = _low_nibbles(starts, ours[low], restored[places.argsort()], theirs[:size], expected)
    permutation[low], inversion[low] = places, signs < 0
    return {"nibble_permutation": torch.from_numpy(permutation), "nibble_inversion": torch.from_numpy(inversion)}


def _low_nibbles(
    starts: int, ours: Floats, high: Floats, public_low: Floats, public_high: Floats
) -> tuple[Ints, Floats]:
    """Place and sign low nibbles [d, rows, columns, n], the high ones being known.

    Low nibbles of neighbours agree as angles on a circle of 16: the sine of the angle changes sign with a complement,
    the cosine does not. And the high nibbles around a value show whether its low nibble is large or small.
    """
    # centred by 7.5, so +8 = +0.5
    angles, public_angles = (2 * np.pi * (low + 8) / 16 for low in (ours, public_low))
    sines, cosines, public_sines, public_cosines = (
        block_correlations(f(x)) for x in (angles, public_angles) for f in (np.sin, np.cos)
    )
    flat, flat_high, public_flat, public_flat_high = (
        standardised(x.reshape(len(x), -1), 1) for x in (ours, high, public_low, public_high)
    )
    samples = public_flat.shape[1]
    ridge = 1e-3 * np.eye(len(flat_high))
    weights = np.linalg.solve(public_flat_high @ public_flat_high.T / samples + ridge, public_flat_high @ public_flat.T)
    predicted, public_predicted = (standardised((weights.T / samples) @ x, 1) for x in (flat_high, public_flat_high))
    skill = (public_predicted * public_flat).mean(1)
    evidence = flat @ predicted.T / flat.shape[1] * skill  # [nibbles, places], odd in the sign
    # two nibbles are also alike in what the high nibbles show of them
    signs = signs_of(sines[0] + evidence @ evidence.T)
    if (evidence * signs[:, None]).sum() < 0:
        signs = -signs
    signed = [s * np.outer(signs, signs) for s in sines]
    graphs = zip(signed + cosines, public_sines + public_cosines, strict=True)
    return match_graphs(list(graphs), 2 * evidence * signs[:, None], starts), signs


def _halves(correlations: Floats) -> tuple[Ints, Ints]:
    """Tell high nibbles from low ones: high ones correlate."""
    order = np.argsort(-(correlations**2).sum(1), kind="stable")
    half = len(order) // 2
    return np.sort(order[:half]), np.sort(order[half:])


def ele_subkeys(scheme: ELE, ciphertexts: Tensor, public: Tensor, starts: int) -> dict[str, Tensor]:
    """As LE, but block by block: a nibble has one sample an image, not one a block, and blocks must be placed first."""
    ours, theirs = (centred(nibbles_of(images, scheme.block_size), 4) for images in (ciphertexts, public))  # [N, 2d, n]
    blocks, size = len(ours), ours.shape[1] // 2
    unit = standardised(ours, 2)
    halves, signs = [], np.ones((blocks, size))
    for block in range(blocks):
        correlations = unit[block] @ unit[block].T / unit.shape[2]
        high, low = _halves(correlations)
        halves.append((high, low))
        signs[block] = signs_of(correlations[np.ix_(high, high)])
    tops = np.stack([ours[b, high] * signs[b, :, None] for b, (high, _) in enumerate(halves)])  # [N, d, n]
    expected = theirs[:, size:]
    places, flips = value_layout(tops, expected, starts)
    tops, signs = tops * flips[:, None, None], signs * flips[:, None]

    # by plain place from here on
    at = places.argsort()
    tops = tops[at]
    inside = _inside(tops, expected, ciphertexts.shape[-1] // scheme.block_size, starts)
    permutation, inversion = np.zeros((blocks, 2 * size), int), np.zeros((blocks, 2 * size), bool)
    for place in range(blocks):
        high, low = halves[at[place]]
        permutation[place, high], inversion[place, high] = inside[place] + size, signs[at[place]] < 0
        restored = tops[place][inside[place].argsort()]
        held = (ours[at[place]][low], restored, theirs[place, :size], expected[place])
        low_places, low_signs = _low_nibbles(max(1, starts // 4), *(x[:, None, None] for x in held))
        permutation[place, low], inversion[place, low] = low_places, low_signs < 0
    return {
        "nibble_permutation": torch.from_numpy(permutation),
        "nibble_inversion": torch.from_numpy(inversion),
        "block_permutation": torch.from_numpy(places),
    }


def _inside(tops: Floats, public: Floats, columns: int, starts: int) -> Ints:
    """Place the high nibbles of all blocks [N, d, n], signed and at their places: int64 [N, d].

    First by the means of all blocks, then twice by the values of the blocks around, as they have been placed.
    """
    means = (tops.mean(1), public.mean(1))
    blocks = range(len(tops))
    inside = np.stack([_high_places((tops[b], means[0]), (public[b], means[1]), starts) for b in blocks])
    if tops.shape[1] % 3 == 0:
        inside = _recoloured(tops, inside, public)
    row, column = np.divmod(np.arange(len(tops)), columns)
    for _ in range(2):
        placed = np.take_along_axis(tops, inside.argsort(1)[:, :, None], 1)
        for b in blocks:
            around = np.maximum(np.abs(row - row[b]), np.abs(column - column[b])) == 1
            ours, theirs = (values[around].reshape(-1, values.shape[2]) for values in (placed, public))
            inside[b] = _high_places((tops[b], ours), (public[b], theirs), starts)
    return inside


def _high_places(ours: tuple[Floats, Floats], public: tuple[Floats, Floats], starts: int) -> Ints:
    """Place the high nibbles of one block: by each other, and by what else each leans to.

    Both are values of the block [d, n], ours signed and in unknown order, and series elsewhere [M, n].
    """
    graphs, leanings = [], []
    for values, elsewhere in (ours, public):
        unit, mean = standardised(values, 1), values.mean(0)
        graphs.append(unit @ unit.T / unit.shape[1])
        leanings.append(standardised(values - mean, 1) @ standardised(elsewhere - mean, 1).T / unit.shape[1])  # [d, M]
    return match_graphs([(graphs[0], graphs[1])], 2 * leanings[0] @ leanings[1].T, starts)


def _recoloured(tops: Floats, inside: Ints, public: Floats) -> Ints:
    """Exchange the three channels of whole blocks where all blocks together indicate it."""
    ordered = np.take_along_axis(tops, inside.argsort(1)[:, :, None], 1)  # [N, d, n], by place in the block
    channels = ordered.reshape(len(tops), -1, 3, tops.shape[2]).mean(1)  # [N, 3, n]
    reference = public.reshape(len(public), -1, 3, public.shape[2]).mean((0, 1))
    # which channel each is
    target = colour_orders(channels, reference).argsort(1)
    pixel, channel = np.divmod(inside, 3)
    return pixel * 3 + np.take_along_axis(target, channel, 1)
