"""The algebra that every scheme is written in: the signed permutation of the symbols of an image.

    y[j] = x[index[j]] ^ mask[j]

The symbols are the M = C*H*W bytes of an image, flattened in (C, H, W) order (`bits=8`), or its 2M nibbles, the M low
ones and then the M high ones (`bits=4`). Negative-positive transformation is XOR with 255, complementing a nibble XOR
with 15. It is written once, for NumPy arrays and for torch tensors; `SignedPermutation` applies it to tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from vitcrypt.encryption.arrays import A, count, expand, join, library, put, take

FULL = {8: 255, 4: 15}  # the mask that complements a symbol of so many bits


@dataclass(frozen=True, eq=False)
class Moves(Generic[A]):
    """A bijection of images: move every symbol, then XOR it.

    Args:
        index: int64 [S], for output symbol j the input symbol it is taken from; a permutation of 0..S-1. Or [B, S], one
            row for each image of a batch.
        mask: uint8, same shape, below 2^bits. None: nothing is complemented.
        bits: 8 for bytes (S = M), 4 for nibbles (S = 2M).
    """

    index: A
    mask: A | None = None
    bits: int = 8

    def inverse(self) -> Moves[A]:
        """Return the map that undoes this one exactly."""
        places = count(self.index.shape[-1], self.index)
        return Moves(put(self.index, places), None if self.mask is None else put(self.index, self.mask), self.bits)

    def lift(self) -> Moves[A]:
        """Return the same map as one of nibbles."""
        if self.bits == 4:
            return self
        mask = None if self.mask is None else join([self.mask & 15, self.mask >> 4])
        return Moves(join([self.index, self.index + self.index.shape[-1]]), mask, bits=4)

    def __matmul__(self, first: Moves[A]) -> Moves[A]:
        """Return `self @ first`: `first`, and then `self`. Bytes are lifted where the other side has nibbles."""
        if self.bits != first.bits:
            return self.lift() @ first.lift()
        if self.index.shape[-1] != first.index.shape[-1]:
            raise ValueError(f"cannot compose maps of {self.index.shape[-1]} and {first.index.shape[-1]} symbols")
        shape = max(self.index.shape, first.index.shape, key=len)
        moved = None if first.mask is None else take(first.mask, self.index, -1)
        mask = self.mask if moved is None else moved if self.mask is None else moved ^ self.mask
        return Moves(
            expand(take(first.index, self.index, -1), shape), None if mask is None else expand(mask, shape), self.bits
        )

    @cached_property
    def nibbles(self) -> tuple[A, A, A | None]:
        """Of nibbles: the byte each is taken from, by how many bits that is shifted, and the mask of bytes."""
        half = self.index.shape[-1] // 2
        shift: Any = (self.index >= half).view(library(self.index).uint8) * 4
        mask = None if self.mask is None else self.mask[..., :half] | (self.mask[..., half:] << 4)
        return self.index % half, shift, mask

    def apply(self: Moves[NDArray[Any]], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Apply the map to uint8 [C, H, W] or [B, C, H, W], NumPy's; with a row for each image to [B, C, H, W]."""
        rows = images.reshape(len(images), -1) if images.ndim == 4 else images.reshape(-1)
        if self.index.ndim == 2:
            rows = rows.reshape(len(self.index), -1)
        if self.bits == 8:
            made, mask = _gathered(rows, self.index), self.mask
        else:
            half = rows.shape[-1]
            source, shift, mask = self.nibbles
            made = (_gathered(rows, source[..., :half]) >> shift[..., :half]) & 15
            made |= (_gathered(rows, source[..., half:]) >> shift[..., half:]) << 4
        if mask is not None:
            made ^= mask
        return made.reshape(images.shape)


def _gathered(rows: NDArray[np.uint8], index: NDArray[np.int64]) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = rows.take(index, -1) if index.ndim == 1 else np.take_along_axis(rows, index, -1)
    return made
