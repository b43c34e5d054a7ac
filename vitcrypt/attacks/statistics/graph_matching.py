"""Matching two sets of things by what is between the things: graph matching, and signs from correlations."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from vitcrypt.attacks.blocks import Floats, Ints

Graphs = list[tuple[Floats, Floats]]


def match_graphs(graphs: Graphs, unary: Floats | None = None, starts: int = 20, patience: int = 1) -> Ints:
    """Find the assignment under which `ours[i, j]` is most like `theirs[p[i], p[j]]`, summed over graphs.

    Fast approximate quadratic assignment (Vogelstein et al., PLoS ONE 2015): gradient steps on doubly stochastic
    matrices, from the barycentre and from points around it; then exchanges of two (Taillard, Parallel Computing 1991).

    Args:
        graphs: Pairs (ours, theirs) of matrices [S, S], not necessarily symmetric.
        unary: [S, S], additional gain of assigning i to p.
        starts: How many starting points.
        patience: After how many exchanges that lead to nothing better to stop; 1 is to stop where none helps.

    Returns:
        p, int64 [S].
    """
    size = len(graphs[0][0])
    flat = np.full((size, size), 1 / size)
    unary = np.zeros_like(flat) if unary is None else unary
    random = np.random.default_rng(0)
    best, most = np.arange(size), -np.inf
    for start in range(starts):
        relaxed = (flat + _balanced(random.random((size, size)))) / 2 if start else flat
        places = _exchanged(_climbed(relaxed, graphs, unary), graphs, unary, patience)
        if (gain := _gain(places, graphs, unary)) > most:
            best, most = places, gain
    return best


def _gain(places: Ints, graphs: Graphs, unary: Floats) -> float:
    pairs = sum(float((a * b[np.ix_(places, places)]).sum()) for a, b in graphs)
    return pairs + float(unary[np.arange(len(places)), places].sum())


def _slope(relaxed: Floats, graphs: Graphs, unary: Floats) -> Floats:
    slope: Floats = unary + sum(a @ relaxed @ b.T + a.T @ relaxed @ b for a, b in graphs)
    return slope


def _balanced(matrix: Floats) -> Floats:
    """Make a positive matrix doubly stochastic (Sinkhorn)."""
    for _ in range(10):
        matrix = matrix / matrix.sum(1, keepdims=True)
        matrix = matrix / matrix.sum(0)
    return matrix


def _climbed(relaxed: Floats, graphs: Graphs, unary: Floats, rounds: int = 30) -> Ints:
    """Frank-Wolfe with exact line search, then projection to a permutation."""
    for _ in range(rounds):
        slope = _slope(relaxed, graphs, unary)
        step = np.eye(len(slope))[linear_sum_assignment(slope, maximize=True)[1]] - relaxed
        curve = sum(float(((a @ step @ b.T) * step).sum()) for a, b in graphs)
        rise = float((slope * step).sum())
        length = 1.0 if curve >= 0 or rise + 2 * curve >= 0 else -rise / (2 * curve)
        relaxed = relaxed + length * step
        if rise <= 1e-9 * abs(float((slope * relaxed).sum())):
            break
    places: Ints = linear_sum_assignment(relaxed, maximize=True)[1]
    return places


def _exchanged(places: Ints, graphs: Graphs, unary: Floats, patience: int) -> Ints:
    """Make the best exchange again and again, also one that loses, but none that takes two back to where they were.

    This is robust tabu search: what left a place may return to it after some `size` exchanges, or for a new best.
    """
    size, random = len(places), np.random.default_rng(0)
    places, best, gain, most = places.copy(), places, 0.0, 0.0
    apart = [(_apart(a), _apart(b)) for a, b in graphs]
    free, made, since = np.zeros((size, size), int), 0, 0
    slope = _slope(np.eye(size)[places], graphs, unary)
    while since < patience:
        change = _changes(places, slope, apart)
        back = free[:, places] > made
        change[back & back.T & (gain + change <= most + 1e-9)] = -np.inf
        change[np.tri(size, dtype=bool)] = -np.inf
        pair = list(np.unravel_index(change.argmax(), change.shape))
        made, since = made + 1, since + 1
        if np.isinf(change[*pair]):
            continue
        gain += change[*pair]
        free[pair, places[pair]] = made + random.integers(int(0.9 * size), int(1.1 * size) + 1, 2)
        (one, other), (here, there) = pair, places[pair]
        for a, b in graphs:  # what the exchange changes in the slope, which is quadratic in size and not cubic
            slope += np.outer(a[:, one] - a[:, other], b[:, there] - b[:, here])
            slope += np.outer(a[one] - a[other], b[there] - b[here])
        places[pair] = there, here
        if gain > most + 1e-9:
            best, most, since = places.copy(), gain, 0
    return best


def _apart(graph: Floats) -> Floats:
    """Return what an exchange of two takes away between them: [S, S]."""
    diagonal = np.diag(graph)
    apart: Floats = np.add.outer(diagonal, diagonal) - graph - graph.T
    return apart


def _changes(places: Ints, slope: Floats, apart: Graphs) -> Floats:
    """Return the gain of exchanging k and m: [S, S]; `slope` at these places, `apart` of both graphs of a pair."""
    moved = slope[:, places]
    change: Floats = moved + moved.T - np.diag(moved)[:, None] - np.diag(moved)[None]
    for ours, theirs in apart:
        change += ours * theirs[np.ix_(places, places)]
    return change


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


def signs_along_tree(pairs: Ints, correlations: Floats, count: int) -> Floats:
    """Return signs [count], up to one for all, from correlations [E] of the chosen pairs [2, E] alone.

    They are carried along the spanning tree of the strongest correlations; the pairs must connect all `count` things.
    """
    places = tuple(pairs.astype(np.int32))  # trees of older versions of SciPy take no others
    weights = coo_array((2.0 - np.abs(correlations), places), shape=(count, count)).tocsr()
    order, before = breadth_first_order(minimum_spanning_tree(weights), 0, directed=False)
    signed = coo_array((np.where(correlations < 0, -1.0, 1.0), places), shape=(count, count)).tocsr()
    joint = np.asarray((signed + signed.T)[order[1:], before[order[1:]]]).ravel()
    signs = np.ones(count)
    for sign, node in zip(joint, order[1:], strict=True):
        signs[node] = signs[before[node]] * np.sign(sign)
    return signs
