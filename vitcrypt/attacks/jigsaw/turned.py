"""Jigsaw puzzles whose pieces were also turned, flipped, negated and recoloured: EtC.

A piece has 96 states: 8 symmetries, a sign, 6 orders of its channels. Which piece fits beside another one, and in which
state, shows at their borders, summed over all ciphertexts under one key, as they are cut and changed alike. Pairs that
fit best are joined first, into trees of pieces with places and states (Gallagher, CVPR 2012, for turned pieces). The
largest tree is grown to the whole frame; then pieces and states are exchanged by optimal assignment, as long as the sum
over all borders falls. The whole image stays in one of 96 states, which no border can tell.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints
from vitcrypt.attacks.jigsaw.puzzle import open_places
from vitcrypt.encryption.primitives import CHANNEL_ORDERS

SIDES = ((0, 1), (-1, 0), (0, -1), (1, 0))
"""Where the neighbour stands: to the right, above, to the left, below."""
STATES = 96


def turned(array: NDArray[Any], code: int) -> NDArray[Any]:
    """Turn the last two dimensions by 90 (code % 4) degrees counter-clockwise, flip them left-right if code >= 4."""
    view = np.rot90(array, code % 4, axes=(-2, -1))
    return np.flip(view, -1) if code >= 4 else view


def _tables() -> tuple[Ints, Ints, Ints]:
    """Return which state two give, the second first [96, 96], its inverse [96], and how it moves steps [96, 2, 2]."""
    nine, orders = np.arange(9).reshape(3, 3), CHANNEL_ORDERS.tolist()
    symmetries = [turned(nine, code).tolist() for code in range(8)]
    product = np.empty((STATES, STATES), int)
    for one in range(STATES):
        for other in range(STATES):
            symmetry = symmetries.index(turned(turned(nine, other // 12), one // 12).tolist())
            order = orders.index([orders[other % 6][channel] for channel in orders[one % 6]])
            product[one, other] = symmetry * 12 + ((one // 6) ^ (other // 6)) % 2 * 6 + order
    moves = np.empty((STATES, 2, 2), int)
    for state in range(STATES):
        for axis, step in enumerate(((1, 0), (0, 1))):
            mark = np.zeros((3, 3))
            mark[1 + step[0], 1 + step[1]] = 1
            moves[state, :, axis] = np.argwhere(turned(mark, state // 12))[0] - 1
    return product, (product == 0).argmax(1), moves


PRODUCT, INVERSE, MOVES = _tables()


@dataclass
class Placed:
    """Pieces with a place (row, column), from any origin, and a state each."""

    places: dict[int, tuple[int, int]]
    states: dict[int, int]


def borders(pieces: Floats) -> Tensor:
    """Return what each piece in each state expects on the middle of each border: float32 [N, 96, 4, n * B * C].

    `pieces` are [N, n, C, B, B], the N pieces of n images, B at least 2. The values of each image are divided by how
    much neighbouring pixels differ in it, so that images of high contrast do not decide alone.
    """
    values = pieces - 127.5
    scale = np.abs(np.diff(values, axis=-1)).mean((0, 2, 3, 4)) + np.abs(np.diff(values, axis=-2)).mean((0, 2, 3, 4))
    values = values / (scale[:, None, None, None] + 1)
    found = np.empty((len(pieces), STATES, 4, values.shape[1], values.shape[-1], 3), np.float32)
    for symmetry in range(8):
        view = turned(values, symmetry)
        edges = [(view[..., -1], view[..., -2]), (view[..., 0, :], view[..., 1, :])]
        edges += [(view[..., 0], view[..., 1]), (view[..., -1, :], view[..., -2, :])]
        for side, (outer, inner) in enumerate(edges):
            middle = (1.5 * outer - 0.5 * inner).swapaxes(-1, -2)  # [N, n, B, C]
            for order, channels in enumerate(CHANNEL_ORDERS.tolist()):
                found[:, symmetry * 12 + order, side] = middle[..., channels]
                found[:, symmetry * 12 + 6 + order, side] = -middle[..., channels]
    return torch.from_numpy(found).flatten(3)


def solve(border: Tensor, rows: int, columns: int) -> tuple[Ints, Ints]:
    """Arrange the pieces of `borders`: int64 [rows, columns] each, the piece at each place and its state."""
    layout, states = _grown(_largest_tree(border, rows, columns), border, rows, columns)
    return _improved(layout, states, border)


def _largest_tree(border: Tensor, rows: int, columns: int, candidates: int = 4) -> Placed:
    """Join trees along the clearest pairs while they neither overlap nor outgrow the frame."""
    count = len(border)
    rotations = [12 * code for code in range(4)]
    ours, theirs = border[:, rotations, 0].flatten(0, 1), border[:, :, 2].flatten(0, 1)
    cost = torch.cdist(ours, theirs, p=1).view(count, 4, count, STATES)
    cost[torch.arange(count), :, torch.arange(count)] = torch.inf
    best, chosen = cost.flatten(2).topk(candidates + 1, largest=False)  # [N, 4, k]
    ratio = best[..., :-1] / torch.where(torch.arange(candidates) == 0, best[..., 1:2], best[..., :1])
    trees = [Placed({i: (0, 0)}, {i: 0}) for i in range(count)]
    tree_of = list(range(count))
    for entry in ratio.flatten().argsort().tolist():
        i, turn, k = entry // (4 * candidates), entry // candidates % 4, entry % candidates
        j, state = divmod(int(chosen[i, turn, k]), STATES)
        one, other = trees[tree_of[i]], trees[tree_of[j]]
        if one is other:
            continue
        into = PRODUCT[one.states[i], INVERSE[rotations[turn]]]  # from the frame of this pair to that of the tree
        place = np.array(one.places[i]) + MOVES[into] @ SIDES[0]
        change = PRODUCT[PRODUCT[into, state], INVERSE[other.states[j]]]
        here = np.array(other.places[j])
        moved = {p: tuple(MOVES[change] @ (np.array(at) - here) + place) for p, at in other.places.items()}
        everywhere = {*one.places.values(), *moved.values()}
        height, width = np.ptp(np.array(list(everywhere)), axis=0) + 1
        outgrown = (height > rows or width > columns) and (height > columns or width > rows)
        if outgrown or len(everywhere) < len(one.places) + len(moved):
            continue
        one.places.update(moved)
        one.states.update({piece: int(PRODUCT[change, old]) for piece, old in other.states.items()})
        for piece in moved:
            tree_of[piece] = tree_of[i]
    return max(trees, key=lambda tree: len(tree.places))


def _grown(tree: Placed, border: Tensor, rows: int, columns: int) -> tuple[Ints, Ints]:
    """Add the other pieces, the clearest first, until the frame, which floats as long as it can, is full."""
    at = np.array(list(tree.places.values()))
    height, width = np.ptp(at, axis=0) + 1
    if height > rows or width > columns:  # it lies on its side
        quarter = 12
        tree = Placed(
            {piece: tuple(MOVES[quarter] @ place) for piece, place in tree.places.items()},
            {piece: int(PRODUCT[quarter, state]) for piece, state in tree.states.items()},
        )
        at = np.array(list(tree.places.values()))
    canvas = np.full((2 * rows + 1, 2 * columns + 1), -1)
    states = np.zeros_like(canvas)
    cost = torch.zeros(*canvas.shape, len(border), STATES)
    neighbours = np.zeros(canvas.shape, int)
    loose = np.ones(len(border), bool)

    def put(piece: int, state: int, y: int, x: int) -> None:
        canvas[y, x], states[y, x], loose[piece] = piece, state, False
        for side, (dy, dx) in enumerate(SIDES):
            cost[y + dy, x + dx] += _beside(border, piece, state, side)
            neighbours[y + dy, x + dx] += 1

    for piece, (y, x) in tree.places.items():
        put(piece, tree.states[piece], y - at[:, 0].min() + (rows + 1) // 2, x - at[:, 1].min() + (columns + 1) // 2)
    while loose.any():
        free = np.flatnonzero(loose)
        ys, xs = open_places(canvas >= 0, neighbours, rows, columns)
        each = cost[ys, xs][:, free] / torch.from_numpy(neighbours[ys, xs])[:, None, None]
        least, state = each.min(2)
        margin = least.topk(min(2, len(free)), 1, largest=False).values
        cell = int((margin[:, -1] - margin[:, 0] - 0.1 * margin[:, 0]).argmax())
        chosen = int(least[cell].argmin())
        put(int(free[chosen]), int(state[cell, chosen]), ys[cell], xs[cell])
    ys, xs = np.nonzero(canvas >= 0)
    whole = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return canvas[whole], states[whole]


def _beside(border: Tensor, piece: int, state: int, side: int) -> Tensor:
    """Cost [N, 96] of every piece in every state on a side of one."""
    ours = border[piece, state, side][None]
    return torch.cdist(ours, border[:, :, (side + 2) % 4].flatten(0, 1), p=1).view(-1, STATES)


def _improved(layout: Ints, states: Ints, border: Tensor, rounds: int = 20) -> tuple[Ints, Ints]:
    """Reassign every second place (like the white squares of a chessboard) at the least cost, until nothing changes."""
    layout, states = layout.copy(), states.copy()
    white = np.indices(layout.shape).sum(0) % 2
    for turn in range(2 * rounds):
        before = layout.copy(), states.copy()
        at = np.argwhere(white == turn % 2)
        cost = torch.zeros(len(at), len(border), STATES)
        for row, (y, x) in enumerate(at):
            for side, (dy, dx) in enumerate(SIDES):
                if 0 <= y - dy < layout.shape[0] and 0 <= x - dx < layout.shape[1]:
                    cost[row] += _beside(border, layout[y - dy, x - dx], states[y - dy, x - dx], side)
        pieces = layout[tuple(at.T)]
        least, state = cost[:, pieces].min(2)
        chosen = linear_sum_assignment(least.numpy())[1]
        layout[tuple(at.T)] = pieces[chosen]
        states[tuple(at.T)] = state[np.arange(len(at)), chosen].numpy()
        if turn % 2 and all(np.array_equal(*pair) for pair in zip(before, (layout, states), strict=True)):
            break
    return layout, states
