"""Square jigsaw puzzles with pieces of known orientation: which piece stands where in a rows x columns frame.

How well two pieces fit is Mahalanobis gradient compatibility (Gallagher, CVPR 2012), here with a robust logarithm and
with half of each row's own gradient in the prediction; over several images cut alike, it adds up. Pieces are joined in
the order of confidence into trees (Gallagher), the largest part is grown in a floating frame and what is loose is moved
(Pomeranz, Shemesh and Ben-Shahar, CVPR 2011), and single pieces are exchanged by optimal assignment.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NEVER = 1e9  # cost of a piece beside itself


def fits(pieces: Floats) -> tuple[Floats, Floats]:
    """Return the costs of neighbours: right[i, j] of j to the right of i, below[i, j] of j below i.

    Args:
        pieces: [N, n, C, B, B], the N pieces of n images that are cut and scrambled alike; B at least 2.

    Returns:
        Two [N, N]; less is better, and differences are like those of a log-likelihood.
    """
    return _right(pieces), _right(pieces.swapaxes(-1, -2))


def _right(pieces: Floats) -> Floats:
    cost = np.zeros((len(pieces), len(pieces)))
    for image in pieces.swapaxes(0, 1):
        last, before, first, second = (image[..., k].swapaxes(1, 2) for k in (-1, -2, 0, 1))  # [N, B, C]
        cost += _one_sided(last, last - before, first) + _one_sided(first, first - second, last).T
    np.fill_diagonal(cost, NEVER)
    return cost


def _one_sided(edge: Floats, gradient: Floats, others: Floats) -> Floats:
    """Cost [N, N] of the others' edges [N, B, C], given an edge and the gradient that leads up to it."""
    mean = gradient.mean(1, keepdims=True)
    spread = gradient - mean
    covariance = spread.swapaxes(1, 2) @ spread / spread.shape[1] + 0.5 * np.eye(spread.shape[2])
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))  # S^-1 = W W^T
    expected = (edge + (mean + gradient) / 2) @ whitening  # [N, B, C]
    squares = np.zeros((len(edge), len(edge), edge.shape[1]))
    flat = others.reshape(-1, others.shape[2])  # [N * B, C]
    for channel in range(edge.shape[2]):  # one channel at a time: memory
        seen = (flat @ whitening[:, :, channel].T).T.reshape(len(edge), len(edge), -1)
        squares += (seen - expected[:, None, :, channel]) ** 2
    return np.log1p(squares).sum(-1)


def solve(right: Floats, below: Floats, rows: int, columns: int) -> Ints:
    """Arrange N = rows * columns pieces.

    Args:
        right: [N, N], cost of j to the right of i.
        below: [N, N], cost of j below i.
        rows: Of the frame.
        columns: Of the frame.

    Returns:
        int64 [rows, columns], the piece at every place.
    """
    best = _improved(_grown(_largest_tree(right, below, rows, columns), right, below, rows, columns), right, below)
    least = total(best, right, below)
    for strict in (True, False, True, False):
        kept = _soundest_part(best, right, below, strict)
        layout = _improved(_grown(kept, right, below, rows, columns), right, below)
        if (cost := total(layout, right, below)) < least - 1e-9:
            best, least = layout, cost
    return best


def total(layout: Ints, right: Floats, below: Floats) -> float:
    """Return the cost of an arrangement."""
    return float(right[layout[:, :-1], layout[:, 1:]].sum() + below[layout[:-1], layout[1:]].sum())


def _ratios(cost: Floats) -> Floats:
    """Divide each cost by the next best of its row and column: below 1 where two pieces choose each other."""
    rows, columns = np.sort(cost, 1)[:, :2], np.sort(cost, 0)[:2]
    rest = np.where(cost == rows[:, :1], rows[:, 1:], rows[:, :1])
    rest = np.minimum(rest, np.where(cost == columns[:1], columns[1:], columns[:1]))
    return cost / np.maximum(rest, 1e-9)


def _largest_tree(right: Floats, below: Floats, rows: int, columns: int) -> dict[int, tuple[int, int]]:
    """Join parts along the most confident pairs while they neither overlap nor outgrow the frame."""
    ratios = np.stack([_ratios(right), _ratios(below)])
    order = np.argsort(ratios, axis=None, kind="stable")[: 20 * len(right)]
    parts = [{i: (0, 0)} for i in range(len(right))]
    of = list(range(len(right)))
    for direction, i, j in zip(*np.unravel_index(order, ratios.shape), strict=True):
        if of[i] == of[j]:
            continue
        one, other = parts[of[i]], parts[of[j]]
        dy = one[i][0] + (direction == 1) - other[j][0]
        dx = one[i][1] + (direction == 0) - other[j][1]
        moved = {piece: (y + dy, x + dx) for piece, (y, x) in other.items()}
        places = set(one.values()) | set(moved.values())
        ys, xs = zip(*places, strict=True)
        outgrown = max(ys) - min(ys) >= rows or max(xs) - min(xs) >= columns
        if outgrown or len(places) < len(one) + len(moved):
            continue
        one.update(moved)
        for piece in moved:
            of[piece] = of[i]
    return max(parts, key=len)


def _grown(part: dict[int, tuple[int, int]], right: Floats, below: Floats, rows: int, columns: int) -> Ints:
    """Add the other pieces to a part, the clearest first, until the frame, which floats as long as it can, is full."""
    count, height, width = len(right), 2 * rows + 1, 2 * columns + 1
    least_y, least_x = (min(place[k] for place in part.values()) for k in (0, 1))
    canvas = np.full((height, width), -1)
    cost, neighbours = np.zeros((height, width, count)), np.zeros((height, width), int)
    free = np.ones(count, bool)

    def put(piece: int, y: int, x: int) -> None:
        canvas[y, x], free[piece] = piece, False
        for dy, dx, added in (
            (0, 1, right[piece]),
            (0, -1, right[:, piece]),
            (1, 0, below[piece]),
            (-1, 0, below[:, piece]),
        ):
            cost[y + dy, x + dx] += added
            neighbours[y + dy, x + dx] += 1

    top, left = (rows + 1) // 2, (columns + 1) // 2
    for piece, (y, x) in part.items():
        put(piece, y - least_y + top, x - least_x + left)
    while free.any():
        ys, xs = np.nonzero(canvas >= 0)
        y_lo, y_hi, x_lo, x_hi = (
            ys.max() - rows + 1,
            ys.min() + rows - 1,
            xs.max() - columns + 1,
            xs.min() + columns - 1,
        )
        allowed = (canvas < 0) & (neighbours > 0)
        allowed[: max(y_lo, 1)] = allowed[y_hi + 1 :] = allowed[-1:] = False
        allowed[:, : max(x_lo, 1)] = allowed[:, x_hi + 1 :] = allowed[:, -1:] = False
        cells = np.argwhere(allowed)
        pieces = np.nonzero(free)[0]
        costs = cost[cells[:, 0], cells[:, 1]][:, pieces]  # [cells, pieces]
        choice = costs.argmin(1)
        if len(pieces) > 1:
            two = np.partition(costs, 1, 1)[:, :2]
            margin = two[:, 1] - two[:, 0]
        else:
            margin = -costs[:, 0]
        mean = costs[np.arange(len(cells)), choice] / neighbours[cells[:, 0], cells[:, 1]]
        cell = int((margin - 0.1 * mean).argmax())
        put(int(pieces[choice[cell]]), *cells[cell])
    ys, xs = np.nonzero(canvas >= 0)
    return canvas[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def _improved(layout: Ints, right: Floats, below: Floats, rounds: int = 20) -> Ints:
    """Reassign every second place (like the white squares of a chessboard) at the least cost, until nothing changes."""
    layout = layout.copy()
    white = np.indices(layout.shape).sum(0) % 2
    least = total(layout, right, below)
    for turn in range(2 * rounds):
        cells = np.argwhere(white == turn % 2)
        pieces = layout[cells[:, 0], cells[:, 1]]
        cost = np.zeros((len(cells), len(pieces)))
        for row, (y, x) in enumerate(cells):
            if x > 0:
                cost[row] += right[layout[y, x - 1], pieces]
            if x + 1 < layout.shape[1]:
                cost[row] += right[pieces, layout[y, x + 1]]
            if y > 0:
                cost[row] += below[layout[y - 1, x], pieces]
            if y + 1 < layout.shape[0]:
                cost[row] += below[pieces, layout[y + 1, x]]
        layout[cells[:, 0], cells[:, 1]] = pieces[linear_sum_assignment(cost)[1]]
        now = total(layout, right, below)
        if turn % 2 and now >= least - 1e-9:
            break
        least = min(least, now)
    return layout


def _soundest_part(layout: Ints, right: Floats, below: Floats, strict: bool) -> dict[int, tuple[int, int]]:
    """Return the largest part whose neighbours all chose each other.

    Args:
        layout: The arrangement.
        right: As in `solve`.
        below: As in `solve`.
        strict: Both must be each other's best; otherwise one's choice is enough.
    """
    joints = []
    for cost, one, other in ((right, layout[:, :-1], layout[:, 1:]), (below, layout[:-1], layout[1:])):
        chosen = cost.argmin(1)[one] == other, cost.argmin(0)[other] == one
        joints.append(chosen[0] & chosen[1] if strict else chosen[0] | chosen[1])
    labels = np.arange(layout.size).reshape(layout.shape)
    while True:
        before = labels.copy()
        for joint, one, other in zip(joints, (labels[:, :-1], labels[:-1]), (labels[:, 1:], labels[1:]), strict=True):
            most = np.where(joint, np.maximum(one, other), 0)
            np.maximum(one, most, out=one)
            np.maximum(other, most, out=other)
        if np.array_equal(before, labels):
            break
    values, counts = np.unique(labels, return_counts=True)
    return {int(layout[y, x]): (int(y), int(x)) for y, x in np.argwhere(labels == values[counts.argmax()])}
