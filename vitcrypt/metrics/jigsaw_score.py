"""How well the blocks of a scrambled image were put together: the three measures of the jigsaw puzzle literature.

Gallagher, "Jigsaw puzzles with pieces of unknown orientation", CVPR 2012; used on encrypted images by Chuman and Kiya,
Information 14(6):311, 2023 (Dc, Nc, Lc).
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class JigsawScore:
    """Shares in 0..1.

    Attributes:
        direct: Dc, blocks at their own place.
        neighbour: Nc, pairs of adjacent blocks that are adjacent, in that order, in the true image.
        largest: Lc, blocks in the largest part that was joined correctly, wherever it lies.
    """

    direct: float
    neighbour: float
    largest: float


def jigsaw_score(placed: Tensor, rows: int, columns: int) -> JigsawScore:
    """Compare a layout of rows x columns blocks with the true one.

    `placed` is int64 [rows * columns]: the true number (row by row) of the block at every place.
    """
    from scipy.sparse import coo_array  # SciPy takes a while, and only puzzles are measured so
    from scipy.sparse.csgraph import connected_components

    layout, places = placed.cpu().numpy().reshape(rows, columns), np.arange(rows * columns).reshape(rows, columns)
    right = (layout[:, 1:] == layout[:, :-1] + 1) & (layout[:, :-1] % columns != columns - 1)
    below = layout[1:] == layout[:-1] + columns
    one = np.concatenate([places[:, :-1][right], places[:-1][below]])
    other = np.concatenate([places[:, 1:][right], places[1:][below]])
    joints = coo_array((np.ones(len(one)), (one, other)), shape=(layout.size, layout.size))
    parts = connected_components(joints, directed=False)[1]
    pairs = right.size + below.size
    return JigsawScore(
        direct=float((layout == places).mean()),
        neighbour=len(one) / pairs if pairs else 1.0,
        largest=int(np.bincount(parts).max()) / layout.size,
    )
