"""How well the blocks of a scrambled image were put together: the three measures of the jigsaw puzzle literature.

Gallagher, "Jigsaw puzzles with pieces of unknown orientation", CVPR 2012; used on encrypted images by Chuman and Kiya,
Information 14(6):311, 2023 (Dc, Nc, Lc).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class JigsawScore:
    """Shares in 0..1."""

    direct: float
    """Dc: blocks at their own place."""
    neighbour: float
    """Nc: pairs of adjacent blocks that are adjacent, in that order, in the true image."""
    largest: float
    """Lc: blocks in the largest part that was joined correctly, wherever it lies."""


def jigsaw_score(placed: Tensor, rows: int, columns: int) -> JigsawScore:
    """Compare a layout of blocks with the true one.

    Args:
        placed: int64 [rows * columns], the true number (row by row) of the block at every place.
        rows: Blocks in a column of the image.
        columns: Blocks in a row of the image.
    """
    layout = placed.cpu().numpy().reshape(rows, columns)
    right = (layout[:, 1:] == layout[:, :-1] + 1) & (layout[:, :-1] % columns != columns - 1)
    below = layout[1:] == layout[:-1] + columns
    pairs = right.size + below.size
    return JigsawScore(
        direct=float((layout.ravel() == np.arange(layout.size)).mean()),
        neighbour=float((right.sum() + below.sum()) / pairs) if pairs else 1.0,
        largest=_largest(right, below) / layout.size,
    )


def _largest(right: NDArray[np.bool_], below: NDArray[np.bool_]) -> int:
    """Return the size of the largest part connected by correct joints, by spreading the largest label."""
    rows, columns = right.shape[0], below.shape[1]
    labels = np.arange(rows * columns).reshape(rows, columns)
    while True:
        before = labels.copy()
        for joint, one, other in ((right, labels[:, :-1], labels[:, 1:]), (below, labels[:-1], labels[1:])):
            most = np.where(joint, np.maximum(one, other), 0)
            np.maximum(one, most, out=one)
            np.maximum(other, most, out=other)
        if np.array_equal(before, labels):
            return int(np.unique(labels, return_counts=True)[1].max())
