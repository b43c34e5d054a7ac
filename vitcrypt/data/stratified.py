"""Splitting the images of each class in two, and the numbers that tell the parts of a data set apart."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TEST_INDEX = 2**32
"""Indices of test images count from here, so that no two images of a data set share an index (and a per-image key)."""


def split_positions(labels: NDArray[np.int64], fraction: float, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Split positions in two, the second with `fraction` of every class; the same for the same seed, int64, sorted.

    Where there are too few images for that, the split is drawn from all of them without regard to class.
    """
    from sklearn.model_selection import train_test_split

    counts = np.bincount(labels)
    counts = counts[counts > 0]
    held = math.ceil(fraction * len(labels))
    possible = int(counts.min()) >= 2 and held >= len(counts) <= len(labels) - held
    positions = np.arange(len(labels))
    parts = train_test_split(positions, test_size=fraction, random_state=seed, stratify=labels if possible else None)
    return tuple(np.sort(part) for part in parts)
