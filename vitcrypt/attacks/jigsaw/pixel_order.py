"""The order of pixels in a scrambled square patch, from how alike their values are over many patches.

Under the proposed scheme one permutation (K2) shuffles every sub-block of every block of every image. Pixels that are
near each other in the plain image are alike; so the mean squared difference of two places, over all sub-blocks, is a
distance, and a map is drawn from distances: multidimensional scaling gives the plane, an assignment the grid, and
swapping improves it under the distances that the map itself predicts.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from vitcrypt.attacks.blocks import Floats, Ints


def pixel_distances(patches: Floats) -> Floats:
    """Return mean squared differences between places: [P, samples] to [P, P]; subtract each patch's mean first."""
    gram = patches @ patches.T / patches.shape[1]
    power = np.diag(gram)
    distances: Floats = np.maximum(power[:, None] + power[None, :] - 2 * gram, 0)
    return distances


def grid_positions(side: int) -> Ints:
    """Return (row, column) of each place of a side x side grid, row by row: [side^2, 2]."""
    return np.stack(np.divmod(np.arange(side * side), side), 1)


def map_to_grid(distances: Floats, side: int) -> Ints:
    """Place P = side^2 things on a grid, given their symmetric distances [P, P].

    Returns:
        int64 [P], the place of each, numbered row by row, up to one of the eight symmetries of the grid.
    """
    found = []
    # squared differences grow as the square of the distance where images are smooth, else more slowly
    for power in (1.0, 0.5):
        # classical multidimensional scaling
        square = distances**power
        centred = -0.5 * (square - square.mean(0) - square.mean(1)[:, None] + square.mean())
        values, vectors = np.linalg.eigh(centred)
        axes = (vectors * np.sqrt(np.maximum(values, 1e-12)))[:, ::-1]
        # where one direction prevails, an axis appears a second time, bent
        for one, other in ((0, 1), (0, 2), (1, 2), (0, 3)):
            places = _fit_to_grid(axes[:, [one, other]], side)
            found.append(_improve_by_swaps(places, distances, side))
    return min(found, key=lambda result: result[1])[0]


def _fit_to_grid(plane: Floats, side: int) -> Ints:
    """Turn points of a plane [P, 2] until they fit the grid, and give each its place."""
    grid = grid_positions(side)
    best, least = np.arange(side * side), np.inf
    for angle in np.arange(0, 90, 5) * np.pi / 180:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        spread = plane @ turn
        spread = spread / np.maximum(spread.std(0), 1e-12) * grid.std(0)
        cost = ((spread[:, None] - (grid - grid.mean(0))[None]) ** 2).sum(-1)
        rows, places = linear_sum_assignment(cost)
        if (total := float(cost[rows, places].sum())) < least:
            best, least = places, total
    return best


def _improve_by_swaps(places: Ints, distances: Floats, side: int, rounds: int = 200) -> tuple[Ints, float]:
    """Exchange places while that makes distances more like those expected of their displacement.

    The expected logarithm of a distance is the mean over all pairs that are displaced alike (up to sign) now. Returns
    the places, and the squared error that is left.
    """
    places = places.copy()
    count = side * side
    apart = ~np.eye(count, dtype=bool)
    scale = np.where(apart, np.log(distances + 1e-3 * distances.mean() + 1e-9), 0)
    scale -= scale.sum() / apart.sum() * apart
    grid = grid_positions(side)
    step = grid[:, None] - grid[None]
    step *= np.where((step[..., :1] < 0) | ((step[..., :1] == 0) & (step[..., 1:] < 0)), -1, 1)
    kind = step[..., 0] * 2 * side + step[..., 1] + side
    error = np.inf
    for _ in range(rounds):
        here = kind[places[:, None], places[None]]
        sums = np.bincount(here.ravel(), scale.ravel(), 2 * count + side)
        expected = (sums / np.maximum(np.bincount(here.ravel(), minlength=len(sums)), 1))[kind]
        # cost[k, p]: thing k at place p, all others where they are
        others = expected[:, places]  # [p, l]
        cost = (scale**2).sum(1)[:, None] - 2 * scale @ others.T + (others**2).sum(1)[None]
        now = cost[np.arange(count), places]
        error = float(now.sum())
        # k at the place of m, and m at that of k
        moved = cost[:, places] - 2 * scale * expected[places][:, places]
        gain = np.triu(now[:, None] + now[None] - moved - moved.T, 1)
        k, m = np.unravel_index(gain.argmax(), gain.shape)
        if gain[k, m] <= 1e-9 * error:
            break
        places[[k, m]] = places[[m, k]]
    return places, error


def symmetries(places: Ints, side: int) -> list[Ints]:
    """Return the eight maps that distances cannot tell from a map [side^2] of a square grid."""
    grid = np.arange(side * side).reshape(side, side)
    return [view.ravel()[places] for turn in range(4) for view in (np.rot90(grid, turn), np.rot90(grid, turn).T)]
