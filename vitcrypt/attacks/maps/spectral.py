"""Two sets of series matched by their spectra: which series of ciphertexts is which value of public images.

The leading eigenvectors of the correlations of natural images are smooth maps over the image: brightness, a gradient
down, a gradient across. Paired by rank they place every series roughly; from there a functional map is fitted between
ever more eigenvectors and read off as places again ("ZoomOut", Melzi et al., ACM TOG 38(6), 2019). Signs of
eigenvectors are unknown, and two of nearly one eigenvalue may change their ranks, so several starts are tried. No
block, no neighbourhood and no scheme is known.
"""

import itertools

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

from vitcrypt.attacks.blocks import Floats, Ints
from vitcrypt.attacks.statistics.correlations import standardised
from vitcrypt.attacks.statistics.graph_matching import signs_along_tree

GROWTH = 1.25
STARTS, ENOUGH = 12, 128
"""So many choices of signs are tried, up to so many eigenvectors, which tell the right ones from the wrong ones."""


def signs_of_series(correlations: Floats, nearest: int = 12) -> Floats:
    """Return the signs [S], up to one for all, that make the strongest correlations of every series positive."""
    count = len(correlations)
    strength = np.abs(correlations)
    np.fill_diagonal(strength, 0)
    nearest = min(nearest, count - 1)
    others = np.argpartition(-strength, nearest - 1, 1)[:, :nearest].ravel()
    ones = np.repeat(np.arange(count), nearest)
    # the star around the first series connects what its strongest correlations do not
    star = np.stack([np.zeros(count - 1, int), np.arange(1, count)])
    pairs = np.unique(np.concatenate([np.sort([ones, others], 0), star], 1), axis=1)
    return signs_along_tree(pairs, correlations[pairs[0], pairs[1]], count)


def spectrum(series: Floats, most: int) -> tuple[Floats, Floats]:
    """Return the leading eigenvalues [K] and eigenvectors [S, K] of the correlations of series [S, n], as shares."""
    unit = standardised(series, 1)
    values, vectors = eigsh(unit @ unit.T / unit.shape[1], k=min(most, min(unit.shape) - 1), v0=np.ones(len(unit)))
    order = np.argsort(-values)
    vectors = vectors[:, order] * np.where(vectors[:, order].sum(0) < 0, -1, 1)
    return np.maximum(values[order], 1e-12) / len(unit), vectors * len(unit) ** 0.5


def spectral_places(ours: Floats, public: Floats, first: int = 8, most: int = 256) -> Ints:
    """Return the place of each series, int64 [S]: the public one that it is most like.

    A picture and its mirror image have the same correlations, so either may come out.

    Args:
        ours: [S, n], centred values of n images in an unknown order, signs right.
        public: [S, m], the same of public images, in order.
        first: How many eigenvectors are paired by rank at first, their signs by trying.
        most: How many are used at last; fewer than n and m.
    """
    most = min(most, *(min(series.shape) - 1 for series in (ours, public)))
    first = min(first, most)
    (_, vectors), (public_shares, public_vectors) = (spectrum(series, most) for series in (ours, public))
    start, expected = (_start(*pair) for pair in ((ours, vectors[:, :first]), (public, public_vectors[:, :first])))
    weights = np.sqrt(np.concatenate([public_shares[:first], [1.0, 1.0]]))
    start, expected = start * weights, expected * weights

    def grown(places: Ints, size: float, last: int) -> tuple[Floats, Floats]:
        """Fit maps between more and more eigenvectors; return both sets of points at last."""
        while True:
            count = int(size)
            left, _, right = np.linalg.svd(vectors[:, :count].T @ public_vectors[places, :count])
            scale = public_shares[:count] ** 0.25
            turned, target = vectors[:, :count] @ (left @ right) * scale, public_vectors[:, :count] * scale
            if count >= last:
                return turned, target
            places = cKDTree(target).query(turned)[1] if count < 16 else _nearest(turned, target)
            size = min(last, max(size + 1, size * GROWTH))

    best, least, enough = np.arange(len(ours)), np.inf, min(most, ENOUGH)
    for signs in _likely_signs(start, expected, first):
        turned, target = grown(_nearest(start * signs, expected), first, enough)
        places = _nearest(turned, target)
        if (apart := float(((turned - target[places]) ** 2).sum())) < least:
            best, least = places, apart
    found: Ints = linear_sum_assignment(_costs(*grown(best, enough, most)))[1]
    return found


def _start(series: Floats, vectors: Floats) -> Floats:
    """What places a series roughly: eigenvectors, mean and deviation, the last two standardised."""
    deviations = series.std(1)
    extra = np.stack([series.mean(1) / deviations.mean(), np.log(np.maximum(deviations, 1e-9))], 1)
    return np.concatenate([vectors, extra], 1)


def _likely_signs(ours: Floats, public: Floats, first: int) -> list[Floats]:
    """Choose signs of the eigenvectors beyond the first: those under which the two clouds of points are closest."""
    tree, some = cKDTree(public), ours[:: max(1, len(ours) // 768)]
    tried = [np.array([1, *signs, 1, 1]) for signs in itertools.product((1, -1), repeat=first - 1)]
    return sorted(tried, key=lambda signs: float((tree.query(some * signs)[0] ** 2).mean()))[:STARTS]


def _costs(ours: Floats, public: Floats) -> Floats:
    costs: Floats = (ours**2).sum(1)[:, None] + (public**2).sum(1)[None] - 2 * ours @ public.T
    return costs


def _nearest(ours: Floats, public: Floats) -> Ints:
    nearest: Ints = _costs(ours, public).argmin(1)
    return nearest
