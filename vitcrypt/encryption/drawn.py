"""Subkeys of single images, which training asks for in every epoch: what was drawn is kept, as small as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.encryption.scheme import Scheme, Shape, Stage

if TYPE_CHECKING:
    from vitcrypt.keys import Key

KEPT_BYTES = 2**30
"""Of subkeys in memory: 50,000 images of 32 x 32 under any scheme; what is beyond is drawn each time."""


class DrawnSubkeys:
    """The subkeys of images by their index, as `Scheme.subkeys_of_each` draws them under the key of each."""

    def __init__(self, scheme: Scheme, key: Key, shape: Shape) -> None:
        self._scheme, self._key, self._shape = scheme, key, shape
        self._common = scheme.common_subkeys(key, shape)
        self._kinds = {name: kind_of(stage) for name, stage in scheme.stages(shape).items() if not stage.common}
        self._kept: dict[int, list[NDArray[Any]]] = {}
        self._bytes = 0

    def of(self, index: Sequence[int]) -> dict[str, Tensor]:
        """Return those of several images, stacked; int64 where they are numbers."""
        if not self._scheme.is_moves:
            return self._scheme.subkeys_of_each(self._keys(index), self._shape, self._common)
        fresh = {number: place for place, number in enumerate(dict.fromkeys(i for i in index if i not in self._kept))}
        drawn = self._scheme.drawn(self._keys(list(fresh)), self._shape, self._common) if fresh else {}
        small = [drawn[name].astype(kind) for name, kind in self._kinds.items() if fresh]
        rows = {number: [part[place] for part in small] for number, place in fresh.items()}
        if len(fresh) < len(index):
            stacked = zip(*(self._kept.get(number) or rows[number] for number in index), strict=True)
            made = dict(zip(self._kinds, map(np.stack, stacked), strict=True))
            drawn = {name: part if part.dtype == bool else part.astype(int) for name, part in made.items()}
        self._keep(rows)
        return {name: torch.from_numpy(part) for name, part in drawn.items()} | self._common

    def _keep(self, rows: dict[int, list[NDArray[Any]]]) -> None:
        for number, parts in rows.items():
            self._bytes += sum(part.nbytes for part in parts)
            if self._bytes > KEPT_BYTES:
                break
            self._kept[number] = [part.copy() for part in parts]

    def _keys(self, index: Sequence[int]) -> list[Key]:
        return [self._key.for_image(number) for number in index]


def kind_of(stage: Stage) -> type[Any]:
    """Return the smallest type that holds what a stage draws."""
    if stage.kind == "bits":
        return np.bool_
    most = stage.bound if stage.kind == "codes" else stage.shape[-1]
    return np.uint8 if most <= 2**8 else np.uint16 if most <= 2**16 else np.int32
