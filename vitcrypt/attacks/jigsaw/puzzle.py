"""Square jigsaw puzzles with pieces of known orientation: which piece stands where in a rows x columns frame.

How well two pieces fit is Mahalanobis gradient compatibility (Gallagher, CVPR 2012), here with a robust logarithm and
with half of each row's own gradient in the prediction; over several images cut alike, it adds up. Pieces are joined in
the order of confidence into trees (Gallagher), the largest part is grown in a floating frame and what is loose is moved
(Pomeranz, Shemesh and Ben-Shahar, CVPR 2011), and single pieces are exchanged by optimal assignment.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vitcrypt.attacks.blocks import Floats, Ints

# cost of a piece beside itself
NEVER = 1e9
# pieces and their (row, column), from any origin
Part = dict[int, tuple[int, int]]


def fits(pieces: Floats) -> tuple[Floats, Floats]:
    """Return the costs of neighbours, [N, N] each: right[i, j] of j to the right of i, below[i, j] of j below i.

    Less is better, and differences are like those of a log-likelihood. `pieces` are [N, n, C, B, B], the N pieces of n
    images that are cut and scrambled alike; B at least 2.
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
    # one channel at a time, to save memory
    for channel in range(edge.shape[2]):
        seen = (flat @ whitening[:, :, channel].T).T.reshape(len(edge), len(edge), -1)
        squares += (seen - expected[:, None, :, channel]) ** 2
    cost: Floats = np.log1p(squares).sum(-1)
    return cost


def solve(right: Floats, below: Floats, rows: int, columns: int) -> Ints:
    """Arrange N = rows * columns pieces, given the costs [N, N] of `fits`: int64 [rows, columns], pieces by place."""
    best, least = _completed(_largest_tree(right, below, rows, columns), right, below, rows, columns)
    for strict in (True, False, True, False):
        layout, cost = _completed(_soundest_part(best, right, below, strict), right, below, rows, columns)
        if cost < least - 1e-9:
            best, least = layout, cost
    return best


def _completed(part: Part, right: Floats, below: Floats, rows: int, columns: int) -> tuple[Ints, float]:
    layout = _improved(_grown(part, right, below, rows, columns), right, below)
    return layout, total(layout, right, below)


def total(layout: Ints, right: Floats, below: Floats) -> float:
    """Return the cost of an arrangement."""
    return float(right[layout[:, :-1], layout[:, 1:]].sum() + below[layout[:-1], layout[1:]].sum())


def _ratios(cost: Floats) -> Floats:
    """Divide each cost by the next best of its row and column: below 1 where two pieces choose each other."""
    rows, columns = np.sort(cost, 1)[:, :2], np.sort(cost, 0)[:2]
    rest = np.where(cost == rows[:, :1], rows[:, 1:], rows[:, :1])
    rest = np.minimum(rest, np.where(cost == columns[:1], columns[1:], columns[:1]))
    return cost / np.maximum(rest, 1e-9)


def _largest_tree(right: Floats, below: Floats, rows: int, columns: int) -> Part:
    """Join parts along the most confident pairs while they neither overlap nor outgrow the frame."""
    ratios = np.stack([_ratios(right), _ratios(below)])
    order = np.argsort(ratios, axis=None, kind="stable")[: 20 * len(right)]
    parts = [{i: (0, 0)} for i in range(len(right))]
    part_of = list(range(len(right)))
    for direction, i, j in zip(*np.unravel_index(order, ratios.shape), strict=True):
        if part_of[i] == part_of[j]:
            continue
        one, other = parts[part_of[i]], parts[part_of[j]]
        dy = one[i][0] + (direction == 1) - other[j][0]
        dx = one[i][1] + (direction == 0) - other[j][1]
        moved = {piece: (y + dy, x + dx) for piece, (y, x) in other.items()}
        places = {*one.values(), *moved.values()}
        ys, xs = zip(*places, strict=True)
        outgrown = max(ys) - min(ys) >= rows or max(xs) - min(xs) >= columns
        if outgrown or len(places) < len(one) + len(moved):
            continue
        one.update(moved)
        for piece in moved:
            part_of[piece] = part_of[i]
    return max(parts, key=len)


def _grown(part: Part, right: Floats, below: Floats, rows: int, columns: int) -> Ints:
    """Add the other pieces to a part, the clearest first, until the frame, which floats as long as it can, is full."""
    canvas = np.full((2 * rows + 1, 2 * columns + 1), -1)
    left_over = np.ones(len(right), bool)
    # of every piece at every place beside what stands around it, and how many stand there: kept, not counted anew
    cost, neighbours = np.zeros((*canvas.shape, len(right))), np.zeros(canvas.shape, int)

    def put(piece: int, y: int, x: int) -> None:
        canvas[y, x], left_over[piece] = piece, False
        around = ((0, 1, right[piece]), (0, -1, right[:, piece]), (1, 0, below[piece]), (-1, 0, below[:, piece]))
        for dy, dx, added in around:
            cost[y + dy, x + dx] += added
            neighbours[y + dy, x + dx] += 1

    y_least, x_least = np.min(list(part.values()), 0)
    for piece, (y, x) in part.items():
        put(piece, y - y_least + (rows + 1) // 2, x - x_least + (columns + 1) // 2)
    while left_over.any():
        free = np.flatnonzero(left_over)
        ys, xs = open_places(canvas >= 0, neighbours, rows, columns)
        costs = cost[ys, xs][:, free]
        margin = np.diff(np.partition(costs, 1, 1)[:, :2])[:, 0] if len(free) > 1 else -costs[:, 0]
        cell = int((margin - 0.1 * (costs.min(1) / neighbours[ys, xs])).argmax())
        put(free[costs[cell].argmin()], ys[cell], xs[cell])
    ys, xs = np.nonzero(canvas >= 0)
    return canvas[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def open_places(filled: NDArray[np.bool_], neighbours: Ints, rows: int, columns: int) -> tuple[Ints, Ints]:
    """Return rows and columns of the empty places beside a filled one that a frame of rows x columns still reaches."""
    ys, xs = np.nonzero(filled)
    # the rim of the canvas stays empty
    top, left = max(ys.max() - rows + 1, 1), max(xs.max() - columns + 1, 1)
    bottom, end = min(ys.min() + rows, len(filled) - 1), min(xs.min() + columns, filled.shape[1] - 1)
    ys, xs = np.nonzero((~filled & (neighbours > 0))[top:bottom, left:end])
    return ys + top, xs + left


def _improved(layout: Ints, right: Floats, below: Floats, rounds: int = 20) -> Ints:
    """Reassign every second place (like the white squares of a chessboard) at the least cost, until nothing changes."""
    layout = layout.copy()
    white = np.indices(layout.shape).sum(0) % 2
    least = total(layout, right, below)
    for turn in range(2 * rounds):
        ys, xs = np.nonzero(white == turn % 2)
        pieces = layout[ys, xs]
        cost = np.zeros((len(pieces), len(pieces)))
        around = np.pad(layout, 1, constant_values=-1)
        for dy, dx, added in ((0, -1, right), (0, 1, right.T), (-1, 0, below), (1, 0, below.T)):
            beside = around[ys + 1 + dy, xs + 1 + dx]
            cost[beside >= 0] += added[np.ix_(beside[beside >= 0], pieces)]
        layout[ys, xs] = pieces[linear_sum_assignment(cost)[1]]
        now = total(layout, right, below)
        if turn % 2 and now >= least - 1e-9:
            break
        least = min(least, now)
    return layout


def _soundest_part(layout: Ints, right: Floats, below: Floats, strict: bool) -> Part:
    """Return the largest part whose neighbours all chose each other; not `strict`: one's choice is enough."""
    joints = []
    for cost, one, other in ((right, layout[:, :-1], layout[:, 1:]), (below, layout[:-1], layout[1:])):
        forth, back = cost.argmin(1)[one] == other, cost.argmin(0)[other] == one
        joints.append(forth & back if strict else forth | back)
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
