"""Matching two sets of things by what is between the things: graph matching, and signs from correlations."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def match_graphs(
    ours: list[Floats], theirs: list[Floats], unary: Floats | None = None, starts: int = 20, seed: int = 0
) -> tuple[Ints, float]:
    """Find the assignment under which `ours[g][i, j]` is most like `theirs[g][p[i], p[j]]`, summed over graphs g.

    Fast approximate quadratic assignment (Vogelstein et al., PLoS ONE 2015): gradient steps on doubly stochastic
    matrices, from the barycentre and from points around it; then exchanges of two while they help.

    Args:
        ours: Matrices [S, S], not necessarily symmetric.
        theirs: As many, same sizes.
        unary: [S, S], additional gain of assigning i to p.
        starts: How many starting points.
        seed: Of the starting points.

    Returns:
        p, int64 [S], and the gain, the sum of products (more is better).
    """
    size = len(ours[0])
    flat = np.full((size, size), 1 / size)
    unary = np.zeros_like(flat) if unary is None else unary
    random = np.random.default_rng(seed)
    best, most = np.arange(size), -np.inf
    for start in range(starts):
        relaxed = flat
        if start:
            noise = _balanced(random.random((size, size)))
            relaxed = (flat + noise) / 2
        places = _exchanged(_climbed(relaxed, ours, theirs, unary), ours, theirs, unary)
        if (gain := _gain(places, ours, theirs, unary)) > most:
            best, most = places, gain
    return best, most


def _gain(places: Ints, ours: list[Floats], theirs: list[Floats], unary: Floats) -> float:
    pairs = sum(float((a * b[np.ix_(places, places)]).sum()) for a, b in zip(ours, theirs, strict=True))
    return pairs + float(unary[np.arange(len(places)), places].sum())


def _balanced(matrix: Floats) -> Floats:
    """Make a positive matrix doubly stochastic (Sinkhorn)."""
    for _ in range(10):
        matrix = matrix / matrix.sum(1, keepdims=True)
        matrix = matrix / matrix.sum(0)
    return matrix


def _climbed(relaxed: Floats, ours: list[Floats], theirs: list[Floats], unary: Floats, rounds: int = 30) -> Ints:
    """Frank-Wolfe with exact line search, then projection to a permutation."""
    for _ in range(rounds):
        slope = unary + sum(a @ relaxed @ b.T + a.T @ relaxed @ b for a, b in zip(ours, theirs, strict=True))
        rows, places = linear_sum_assignment(slope, maximize=True)
        corner = np.zeros_like(relaxed)
        corner[rows, places] = 1
        step = corner - relaxed
        curve = sum(float(((a @ step @ b.T) * step).sum()) for a, b in zip(ours, theirs, strict=True))
        rise = float((slope * step).sum())
        length = 1.0 if curve >= 0 or rise + 2 * curve >= 0 else -rise / (2 * curve)
        relaxed = relaxed + length * step
        if rise <= 1e-9 * abs(float((slope * relaxed).sum())):
            break
    return linear_sum_assignment(relaxed, maximize=True)[1]


def _exchanged(places: Ints, ours: list[Floats], theirs: list[Floats], unary: Floats, rounds: int = 200) -> Ints:
    """Exchange two while the gain grows; the best exchange by its first-order gain, checked exactly."""
    places = places.copy()
    gain = _gain(places, ours, theirs, unary)
    for _ in range(rounds):
        onehot = np.eye(len(places))[places]
        slope = unary + sum(a @ onehot @ b.T + a.T @ onehot @ b for a, b in zip(ours, theirs, strict=True))
        moved = slope[:, places]
        change = np.triu(moved + moved.T - np.diag(moved)[:, None] - np.diag(moved)[None], 1)
        for pair in np.argsort(-change, axis=None)[:10]:
            k, m = np.unravel_index(pair, change.shape)
            trial = places.copy()
            trial[[k, m]] = trial[[m, k]]
            if (now := _gain(trial, ours, theirs, unary)) > gain + 1e-9:
                places, gain = trial, now
                break
        else:
            break
    return places


def signs_of(correlations: Floats) -> Floats:
    """Return the signs [S] (1 or -1, up to one for all) that make correlations [S, S] as positive as can be.

    The main eigenvector gives them, and changing one sign at a time improves them.
    """
    signs = np.where(np.linalg.eigh(correlations)[1][:, -1] < 0, -1.0, 1.0)
    apart = correlations - np.diag(np.diag(correlations))
    for _ in range(len(signs)):
        pull = signs * (apart @ signs)
        worst = int(pull.argmin())
        if pull[worst] >= 0:
            break
        signs[worst] *= -1
    return signs


def signs_along_tree(one: Ints, other: Ints, correlations: Floats, count: int) -> Floats:
    """Return signs [count], up to one for all, from correlations of chosen pairs only.

    They are carried along the spanning tree of the strongest correlations; pairs must connect everything.

    Args:
        one: [E], first of each pair.
        other: [E], second.
        correlations: [E].
        count: How many things there are.
    """
    weights = coo_array((2.0 - np.abs(correlations), (one, other)), shape=(count, count)).tocsr()
    tree = minimum_spanning_tree(weights)
    order, before = breadth_first_order(tree, 0, directed=False)
    signed = coo_array((np.where(correlations < 0, -1.0, 1.0), (one, other)), shape=(count, count)).tocsr()
    signed = signed + signed.T
    signs = np.ones(count)
    joint = np.asarray(signed[order[1:], before[order[1:]]]).ravel()
    for sign, node in zip(joint, order[1:], strict=True):
        signs[node] = signs[before[node]] * np.sign(sign)
    return signs
