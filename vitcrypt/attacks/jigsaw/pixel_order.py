"""The order of pixels in a scrambled square patch, from how alike their values are over many patches.

Under the proposed scheme one permutation (K2) shuffles every sub-block of every block of every image. Pixels that are
near each other in the plain image are alike; so the mean squared difference of two places, over all sub-blocks, is a
distance, and a map is drawn from distances: multidimensional scaling gives the plane, an assignment the grid, and
swapping improves it under the distances that the map itself predicts.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def pixel_distances(patches: Floats) -> Floats:
    """Return mean squared differences between places: [P, samples] to [P, P]; subtract each patch's mean first."""
    gram = patches @ patches.T / patches.shape[1]
    power = np.diag(gram)
    return np.maximum(power[:, None] + power[None, :] - 2 * gram, 0)


def grid_positions(side: int) -> Ints:
    """Return (row, column) of each place of a side x side grid, row by row: [side^2, 2]."""
    return np.stack(np.divmod(np.arange(side * side), side), 1)


def map_to_grid(distances: Floats, side: int) -> Ints:
    """Place P = side^2 things on a grid, given their distances.

    Args:
        distances: [P, P], symmetric.
        side: Of the grid.

    Returns:
        int64 [P], the place of each, numbered row by row, up to one of the eight symmetries of the grid.
    """
    found = []
    for power in (
        1.0,
        0.5,
    ):  # squared differences grow as the square of the distance where images are smooth, else slower
        axes = _axes(distances**power, count=4)
        for one, other in ((0, 1), (0, 2), (1, 2), (0, 3)):  # where one direction prevails, an axis comes bent as well
            places = _assigned(axes[:, [one, other]], side)
            found.append(_swapped(places, distances, side))
    return min(found, key=lambda result: result[1])[0]


def _axes(square: Floats, count: int) -> Floats:
    """Classical multidimensional scaling of squared distances: the `count` main axes, [P, count]."""
    centred = -0.5 * (square - square.mean(0) - square.mean(1)[:, None] + square.mean())
    values, vectors = np.linalg.eigh(centred)
    return (vectors * np.sqrt(np.maximum(values, 1e-12)))[:, ::-1][:, :count]


def _assigned(plane: Floats, side: int) -> Ints:
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


def _swapped(places: Ints, distances: Floats, side: int, rounds: int = 200) -> tuple[Ints, float]:
    """Exchange places while that makes distances more like those expected of their displacement.

    The expected logarithm of a distance is the mean over all pairs that are displaced alike (up to sign) now.

    Returns:
        The places, and the squared error that is left.
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
        moved = cost[:, places] - 2 * scale * expected[places][:, places]  # k at m's place, and m at k's
        gain = np.triu(now[:, None] + now[None] - moved - moved.T, 1)
        k, m = np.unravel_index(gain.argmax(), gain.shape)
        if gain[k, m] <= 1e-9 * error:
            break
        places[[k, m]] = places[[m, k]]
    return places, error


def symmetries(places: Ints, side: int) -> list[Ints]:
    """Return the eight maps that a map of a square grid cannot be told from by distances."""
    grid = np.arange(side * side).reshape(side, side)
    return [view.ravel()[places] for turn in range(4) for view in (np.rot90(grid, turn), np.rot90(grid, turn).T)]
