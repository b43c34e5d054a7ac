"""A fixed map of blocks that keeps distances, from ciphertexts alone: moments of blocks turn with the map.

If every block is y = Q x with Q'Q = 1, then of ciphertexts the mean at each place is Q m, the second moments are Q C Q'
and the products of neighbours Q A Q', where m, C and A belong to plain images, and public images tell what those are
like. So Q is the rotation that makes both sets of moments agree best. Signs come from the means, and the order of
nearly equal eigenvalues from the neighbours. No structure of Q is used.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.blocks import Floats

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""Rows and columns from a block to the other of a pair."""
WHITENING = 0.35
"""Moments are divided by this power of the second ones: at 0 brightness alone counts, at 1/2 noise as much."""
MEANS = 3.0
"""Weight of the means beside a set of second moments."""
FLIPPED = 12
"""Of how many leading directions the other sign is tried."""


@dataclass(frozen=True)
class Moments:
    """Of blocks of d values in a grid of places.

    Args:
        means: Mean block of each place, [places, d].
        second: Second moments, not centred, [d, d].
        products: Of a block and each of its `NEIGHBOURS`, [L, d, d].
    """

    means: Floats
    second: Floats
    products: Floats


def moments(blocks: Tensor) -> Moments:
    """Take the moments of blocks [n, rows, columns, d]; the grid has 3 rows and 3 columns at least."""
    values = blocks.cpu().numpy().astype(np.float64)
    rows, columns, size = values.shape[1:]
    products = []
    for down, right in NEIGHBOURS:
        ones = values[:, : rows - down, max(0, -right) : columns - max(0, right)].reshape(-1, size)
        others = values[:, down:, max(0, right) : columns + min(0, right)].reshape(-1, size)
        products.append(ones.T @ others / len(ones))
    flat = values.reshape(-1, size)
    return Moments(values.mean(0).reshape(-1, size), flat.T @ flat / len(flat), np.stack(products))


def estimated_isometry(ours: Moments, public: Moments, most: int = 64) -> Tensor:
    """Return the map Q from plain to encrypted blocks under which the moments agree best, float32 [e, d].

    Args:
        ours: Moments of encrypted blocks of e values.
        public: Of public blocks of d values.
        most: In how many leading directions; what lies in others is lost. Time grows with its cube.
    """
    most = min(most, len(ours.second), len(public.second))
    (ours_turned, our_axes), (public_turned, public_axes) = (_on_axes(side, most) for side in (ours, public))
    turn = _best_turn(ours_turned, public_turned)
    return torch.from_numpy((our_axes @ turn @ public_axes.T).astype(np.float32))


def _on_axes(side: Moments, most: int) -> tuple[Moments, Floats]:
    """Return moments in the leading eigenvectors of the second ones, partly whitened, and these vectors [d, most]."""
    powers, axes = np.linalg.eigh(side.second)
    powers, axes = powers[::-1][:most], axes[:, ::-1][:, :most]
    powers = np.maximum(powers, 1e-7 * powers[0] + 1e-12)
    scale = axes * powers**-WHITENING
    return Moments(side.means @ scale, np.diag(powers ** (1 - 2 * WHITENING)), scale.T @ side.products @ scale), axes


def _best_turn(ours: Moments, public: Moments) -> Floats:
    """Climb from the brightest direction and what neighbours make of it; then try other signs of single directions."""
    agreement = _Agreement(ours, public)
    start = np.zeros_like(ours.second)
    start[0, 0] = np.sign(agreement.means[0, 0]) or 1
    for _ in range(2):
        start += agreement.slope(start)
    turn = agreement.climb(nearest_rotation(start))
    for direction in range(1, min(FLIPPED, len(start))):
        flipped = turn.copy()
        flipped[:, direction] *= -1
        turn = max(turn, agreement.climb(flipped), key=agreement.of)
    return turn


class _Agreement:
    """How well moments agree under a rotation R: a sum of traces of A R B' R' over products, and of M' R of means."""

    def __init__(self, ours: Moments, public: Moments) -> None:
        self.means = MEANS * ours.means.T @ public.means / len(ours.means)
        both = [np.stack([side.second, *side.products, *side.products.mT]) for side in (ours, public)]
        # second moments are symmetric and come once, the others with their transposes
        both[0][0] /= 2
        self._ours, self._public = both[0], both[1].mT

    def slope(self, turn: Floats) -> Floats:
        """Return the gradient of the part of second order, halved at the diagonal moments."""
        slope: Floats = np.tensordot(self._ours, turn @ self._public, ([0, 2], [0, 1]))
        return slope

    def of(self, turn: Floats) -> float:
        """Return the agreement."""
        return float((turn * (self.slope(turn) / 2 + self.means)).sum())

    def climb(self, turn: Floats, steps: int = 60) -> Floats:
        """Follow the gradient; a part of the present rotation is added to it, so that steps go uphill."""
        for _ in range(steps):
            before, turn = turn, nearest_rotation(turn / 10 + self.slope(turn) + self.means)
            if np.abs(turn - before).max() < 1e-3:
                break
        return turn


def nearest_rotation(matrix: Floats) -> Floats:
    """Return the orthogonal matrix that agrees most with one: of rows.T @ targets, it turns rows into targets."""
    left, _, right = np.linalg.svd(matrix)
    rotation: Floats = left @ right
    return rotation
