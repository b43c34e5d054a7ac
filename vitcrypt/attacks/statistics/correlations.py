"""What second-order statistics show of series of values: signs, colours, neighbourhood."""

import itertools

import numpy as np
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints
from vitcrypt.attacks.statistics.graph_matching import match_graphs, signs_of

ORDERS = np.array(list(itertools.permutations(range(3))))


def centred(values: Tensor, bits: int = 8) -> Floats:
    """Centre values 0..2^bits - 1, so that a complement is a change of sign."""
    series: Floats = values.numpy().astype(np.float64) - (2**bits - 1) / 2
    return series


def standardised(series: Floats, *axes: int) -> Floats:
    """Subtract the mean and divide by the deviation along axes; constant series become 0."""
    deviations = series - series.mean(axes, keepdims=True)
    units: Floats = deviations / np.maximum(np.sqrt((deviations**2).mean(axes, keepdims=True)), 1e-9)
    return units


def block_correlations(series: Floats) -> list[Floats]:
    """Correlate [S, rows, columns, n] over blocks and images: within blocks, with the right and the lower block."""
    series = standardised(series, 1, 2, 3)

    def between(one: Floats, other: Floats) -> Floats:
        one, other = one.reshape(len(series), -1), other.reshape(len(series), -1)
        return one @ other.T / max(one.shape[1], 1)

    right = between(series[:, :, :-1], series[:, :, 1:])
    return [between(series, series), right, between(series[:, :-1], series[:, 1:])]


def colour_orders(series: Floats, public: Floats, rounds: int = 30) -> Ints:
    """Find the order of the channels of many places.

    What a pixel has beyond its grey value is alike all over an image, so the channels of all places are averaged to a
    reference and each place is ordered to agree with it, in turns. Which reference is red, green or blue is decided by
    the nearest covariance and mean of public images.

    Args:
        series: [places, 3, n], signs already right.
        public: [3, m], mean red, green and blue of public images.
        rounds: How many turns at most.

    Returns:
        int64 [places, 3]: entry c is the series that is channel c.
    """
    colour = series - series.mean(1, keepdims=True)
    best, most = np.zeros((len(series), 3), int), -np.inf
    for start in np.linspace(0, len(series) - 1, 8).astype(int):
        reference = colour[start]
        agreed = -np.inf
        for _ in range(rounds):
            agreement = np.einsum("pcn,dn->pcd", colour, reference, optimize=True)
            gains = agreement[:, ORDERS, np.arange(3)].sum(-1)  # [places, 6]
            orders = ORDERS[gains.argmax(1)]
            reference = np.take_along_axis(colour, orders[:, :, None], 1).mean(0)
            now = float(gains.max(1).sum()) / max(float(np.linalg.norm(reference)), 1e-9)
            if now <= agreed + 1e-9:
                break
            agreed = now
        if (strength := float(np.linalg.norm(reference))) > most:
            best, most = orders, strength
    channels = np.take_along_axis(series, best[:, :, None], 1).mean(0)  # [3, n]
    return best[:, min(ORDERS, key=lambda order: _difference(channels[order], public))]


def _difference(ours: Floats, public: Floats) -> float:
    """Compare colour statistics: deviations of channel differences, and mean differences in units of those."""
    total = 0.0
    for one, other in itertools.combinations(range(3), 2):
        a, b = ours[one] - ours[other], public[one] - public[other]
        total += abs(float(np.log((a.std() + 1) / (b.std() + 1)))) + abs(float(a.mean() - b.mean())) / (b.std() + 1)
    return total


def brighter(signs: Floats, series: Floats, public: Floats) -> Floats:
    """Change all signs if signed series [*signs.shape, ...] are then distributed more like the public values."""
    points = np.linspace(0.005, 0.995, 100)
    ours, theirs = np.quantile((series.T * signs.T).T, points), np.quantile(public, points)
    return -signs if np.abs(-ours[::-1] - theirs).sum() < np.abs(ours - theirs).sum() else signs


def block_layout(means: Floats, public: Floats, starts: int) -> tuple[Ints, Floats]:
    """Find where blocks stand, from the series of their means [N, n], of which some are negated.

    `public` are those [N, m] of public images, at their places; `starts` is for the graph matching. Returns the place
    of each block, int64 [N], and its sign, [N].
    """
    correlations, template = _correlations(means), _correlations(public)
    signs = brighter(signs_of(correlations), means, public)
    brightness = (means.mean(1) * signs)[:, None] - public.mean(1)[None]
    unary = -0.5 * brightness**2 / public.var(1).mean() * len(means)
    return match_graphs([(correlations * np.outer(signs, signs), template)], unary, starts), signs


def value_layout(values: Floats, public: Floats, starts: int) -> tuple[Ints, Floats]:
    """As `block_layout`, from all values of blocks [N, d, n], each in an order of its own; `public` is [N, d, m].

    Means alone place few blocks right from 100 images; where blocks touch, their values tell more.
    """
    means = values.mean(1)
    signs = brighter(signs_of(_correlations(means)), means, public.mean(1))
    few = values.shape[2]
    graphs = zip(_nearness(values * signs[:, None, None], few), _nearness(public, few), strict=True)
    # matched once for all blocks, so it may take longer
    return match_graphs(list(graphs), starts=starts, patience=200), signs


def _correlations(series: Floats) -> Floats:
    """Return the correlations of series [S, n]: [S, S]."""
    unit = standardised(series, 1)
    made: Floats = unit @ unit.T / unit.shape[1]
    return made


def _nearness(values: Floats, few: int) -> list[Floats]:
    """Return how near blocks [N, d, n] are to each other, in four measures that no order within a block changes.

    The largest correlations are over `few` images: they grow with noise, which has to be that of the ciphertexts.
    """
    blocks, size, images = values.shape
    unit, means = standardised(values[:, :, :few], 2), standardised(values.mean(1), 1)
    beyond = standardised(values - values.mean(1, keepdims=True), 2)
    touching, leaning = np.zeros((blocks, blocks)), np.zeros((blocks, blocks))
    for block in range(blocks):
        pairs = (unit[block] @ unit.reshape(blocks * size, -1).T / unit.shape[2]).reshape(size, blocks, size)
        # the values of a side, with those of the side that it touches
        touching[block] = np.sort(pairs.transpose(1, 0, 2).reshape(blocks, -1), 1)[:, -max(1, size // 4) :].mean(1)
        # values of one side lean to what lies there and those of the other side away from it, more if it is near
        slopes = np.sort(beyond[block] @ standardised(means - means[block], 1).T / images, 0)
        leaning[block] = slopes[: size // 2].mean(0) - slopes[-(size // 2) :].mean(0)
    near = _apart(touching)
    return [near, _apart(np.exp(near)), _apart(means @ means.T / images), _apart(leaning)]


def _apart(matrix: Floats) -> Floats:
    """Standardise what lies beside the diagonal, and set that to 0."""
    beside = ~np.eye(len(matrix), dtype=bool)
    made = np.zeros_like(matrix)
    if beside.any():
        made[beside] = standardised(matrix[beside], 0)
    return made
