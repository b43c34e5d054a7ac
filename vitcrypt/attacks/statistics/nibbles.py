"""Second-order statistics of nibbles: the keys of LE and ELE. See `statistics`."""

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.plaintext.recover import nibbles_of
from vitcrypt.attacks.statistics.correlations import (
    block_correlations,
    block_layout,
    brighter_sign,
    colour_orders,
    standardised,
)
from vitcrypt.attacks.statistics.graph_matching import Floats, Ints, match_graphs, signs_of
from vitcrypt.encryption import ELE, LE


def le_subkeys(scheme: LE, ciphertexts: Tensor, public: Tensor, starts: int) -> dict[str, Tensor]:
    """High nibbles correlate, low ones hardly do; each half is matched to the correlations of public images."""
    rows = ciphertexts.shape[-2] // scheme.block_size
    ours, theirs = (_by_block(nibbles_of(images, scheme.block_size), rows) for images in (ciphertexts, public))
    size = len(ours) // 2
    correlations = block_correlations(ours)[0]
    high, low = _halves(correlations)
    permutation, inversion = np.zeros(2 * size, int), np.zeros(2 * size, bool)

    signs = signs_of(correlations[np.ix_(high, high)])
    expected = theirs[size:]
    signs = signs * brighter_sign(ours[high] * signs[:, None, None, None], expected)
    restored = ours[high] * signs[:, None, None, None]
    places, _ = match_graphs(block_correlations(restored), block_correlations(expected), starts=starts)
    permutation[high], inversion[high] = places + size, signs < 0

    places, signs = _low_nibbles(ours[low], restored[places.argsort()], theirs[:size], expected, starts)
    permutation[low], inversion[low] = places, signs < 0
    return {"nibble_permutation": torch.from_numpy(permutation), "nibble_inversion": torch.from_numpy(inversion)}


def _by_block(nibbles: Tensor, rows: int) -> Floats:
    """Arrange [N, 2d, n] as centred [2d, rows, columns, n]."""
    centred = nibbles.numpy().astype(np.float64) - 7.5
    return centred.transpose(1, 0, 2).reshape(centred.shape[1], rows, -1, centred.shape[2])


def _low_nibbles(
    ours: Floats, high: Floats, public_low: Floats, public_high: Floats, starts: int
) -> tuple[Ints, Floats]:
    """Place and sign low nibbles [d, rows, columns, n], the high ones being known.

    Low nibbles of neighbours agree as angles on a circle of 16: the sine of the angle changes sign with a complement,
    the cosine does not. And the high nibbles around a value say whether its low nibble is large or small.
    """
    angles, public_angles = (2 * np.pi * (low + 8) / 16 for low in (ours, public_low))  # centred by 7.5, so +8 = +0.5
    sines, cosines = (block_correlations(f(angles)) for f in (np.sin, np.cos))
    expected_sines, expected_cosines = (block_correlations(f(public_angles)) for f in (np.sin, np.cos))
    flat, flat_high, public_flat, public_flat_high = (
        standardised(x.reshape(len(x), -1), (1,)) for x in (ours, high, public_low, public_high)
    )
    samples = public_flat.shape[1]
    ridge = 1e-3 * np.eye(len(flat_high))
    weights = np.linalg.solve(public_flat_high @ public_flat_high.T / samples + ridge, public_flat_high @ public_flat.T)
    predicted = standardised((weights.T / samples) @ flat_high, (1,))
    skill = (standardised((weights.T / samples) @ public_flat_high, (1,)) * public_flat).mean(1)
    evidence = flat @ predicted.T / flat.shape[1] * skill  # [nibbles, places], odd in the sign
    signs = signs_of(sines[0] + _together(evidence))
    if (evidence * signs[:, None]).sum() < 0:
        signs = -signs
    signed = [s * np.outer(signs, signs) for s in sines]
    unary = 2 * evidence * signs[:, None]
    places, _ = match_graphs(signed + cosines, expected_sines + expected_cosines, unary, starts=starts)
    return places, signs


def _together(evidence: Floats) -> Floats:
    """Return how much two nibbles are alike in what the high nibbles say of them."""
    return evidence @ evidence.T


def _halves(correlations: Floats) -> tuple[Ints, Ints]:
    """Tell high nibbles from low ones: high ones correlate."""
    order = np.argsort(-(correlations**2).sum(1), kind="stable")
    half = len(order) // 2
    return np.sort(order[:half]), np.sort(order[half:])


def ele_subkeys(scheme: ELE, ciphertexts: Tensor, public: Tensor, starts: int) -> dict[str, Tensor]:
    """As LE, but block by block: a nibble has one sample an image, not one a block, and blocks must be placed first."""
    ours, theirs = (
        nibbles_of(images, scheme.block_size).numpy().astype(np.float64) - 7.5 for images in (ciphertexts, public)
    )  # [N, 2d, n]
    blocks, size = len(ours), ours.shape[1] // 2
    unit = standardised(ours, (2,))
    halves, signs = [], np.ones((blocks, size))
    for block in range(blocks):
        correlations = unit[block] @ unit[block].T / unit.shape[2]
        high, low = _halves(correlations)
        halves.append((high, low))
        signs[block] = signs_of(correlations[np.ix_(high, high)])
    tops = np.stack([ours[b, high] * signs[b, :, None] for b, (high, _) in enumerate(halves)])  # [N, d, n]
    places, flips = block_layout(tops.mean(1), theirs[:, size:].mean(1), starts)
    tops, signs = tops * flips[:, None, None], signs * flips[:, None]

    at = places.argsort()
    tops = tops[at]  # by plain place from here on
    inside = np.stack([_high_places(tops, theirs[:, size:], place, starts) for place in range(blocks)])
    if theirs.shape[1] % 6 == 0:
        inside = _recoloured(tops, inside, theirs[:, size:])
    permutation, inversion = np.zeros((blocks, 2 * size), int), np.zeros((blocks, 2 * size), bool)
    for place in range(blocks):
        high, low = halves[at[place]]
        permutation[place, high], inversion[place, high] = inside[place] + size, signs[at[place]] < 0
        restored = tops[place][inside[place].argsort()]
        low_places, low_signs = _low_nibbles(
            ours[at[place]][low][:, None, None],
            restored[:, None, None],
            theirs[place, :size][:, None, None],
            theirs[place, size:][:, None, None],
            max(1, starts // 4),
        )
        permutation[place, low], inversion[place, low] = low_places, low_signs < 0
    return {
        "nibble_permutation": torch.from_numpy(permutation),
        "nibble_inversion": torch.from_numpy(inversion),
        "block_permutation": torch.from_numpy(places),
    }


def _high_places(tops: Floats, public: Floats, place: int, starts: int) -> Ints:
    """Place the high nibbles of one block: by each other, and by which other blocks each leans to.

    Args:
        tops: [N, d, n], signed high nibbles of all blocks at their places, in unknown order within.
        public: [N, d, m], those of public images, in order.
        place: Of the block.
        starts: Starting points of the graph matching.
    """
    graphs, leanings = [], []
    for values in (tops, public):
        unit = standardised(values[place], (1,))
        graphs.append(unit @ unit.T / unit.shape[1])
        means = standardised(values.mean(1), (1,))
        beyond = standardised(values[place] - values[place].mean(0), (1,))
        leanings.append(beyond @ means.T / unit.shape[1])  # [d, N]
    return match_graphs([graphs[0]], [graphs[1]], 2 * leanings[0] @ leanings[1].T, starts=starts)[0]


def _recoloured(tops: Floats, inside: Ints, public: Floats) -> Ints:
    """Exchange the three channels of whole blocks where all blocks together say so."""
    ordered = np.take_along_axis(tops, inside.argsort(1)[:, :, None], 1)  # [N, d, n], by place in the block
    channels = ordered.reshape(len(tops), -1, 3, tops.shape[2]).mean(1)  # [N, 3, n]
    reference = public.reshape(len(public), -1, 3, public.shape[2]).mean((0, 1))
    target = colour_orders(channels, reference).argsort(1)  # which channel each is
    pixel, channel = np.divmod(inside, 3)
    return pixel * 3 + np.take_along_axis(target, channel, 1)
