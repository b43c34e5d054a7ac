"""Labels that come as numbers: which classes there are, and what must be said of those without an image."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHOWN = 10


def class_names(path: Path, labels: Mapping[str, NDArray], given: NDArray | None) -> tuple[list[str], list[str]]:
    """Return the names of the classes, and a note for each split that lacks images of some.

    Args:
        path: The file that they come from; every error names it.
        labels: For each split, integers [N].
        given: The array `classes` of the file, with the name of each class; None if it has none.

    Returns:
        The names, "0", "1", ... where none are given; and the notes.

    Raises:
        ValueError: There is no label at all, one is below 0 or none of the classes; or a class without any image has
            no name: then labels may count from 1, or leave out numbers.
    """
    present = {split: {int(label) for label in np.unique(found)} for split, found in labels.items()}
    union = set().union(*present.values())
    if not union:
        raise ValueError(f"{path} holds no image")
    count = max(union) + 1
    if given is not None:
        names = [str(name) for name in given.reshape(-1)]
        if given.ndim != 1 or len(set(names)) != len(names):
            raise ValueError(f"{path}: classes must be the names of the classes, each once; got {list(given.shape)}")
        count = len(names)
    if min(union) < 0 or max(union) >= count:
        raise ValueError(f"{path}: labels are {min(union)}..{max(union)}; expected 0..{count - 1}, one for each class")
    if given is None:
        if len(union) < count:
            first = "; do they count from 1? Subtract 1" if min(union) == 1 else "; number the classes 0, 1, 2, ..."
            raise ValueError(
                f"{path}: no image has the label {_absent(union, count)}{first}, or add an array `classes` with a name "
                f"for each label from 0 to {count - 1}"
            )
        names = [str(number) for number in range(count)]
    notes = [
        f"no {split} image of {_absent(found, count, names)}"
        for split, found in present.items()
        if found and len(found) < count
    ]
    return names, notes


def _absent(found: set[int], count: int, names: list[str] | None = None) -> str:
    """Return the classes that have no image, of many only the first."""
    absent = (label for label in range(count) if label not in found)  # there may be a billion
    first = [names[label] if names else str(label) for label in islice(absent, SHOWN)]
    more = count - len(found) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "")
