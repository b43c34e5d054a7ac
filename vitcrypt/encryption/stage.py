"""One subkey: how it is drawn, and how anyone's is checked before use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from vitcrypt.keys.keystream import Keystream

NORMAL_BITS = 53
"""Of the uniform number that a Gaussian one is made from."""
DTYPES = {"bits": "bool", "normal": "float64"}


@dataclass(frozen=True)
class Stage:
    """What one subkey is: permutations (of the last dimension), fair bits, codes below `bound`, or Gaussian numbers.

    One that is `common` is drawn from the owner's key also where every image has a key of its own; `Scheme.apply` then
    gets it without a dimension for the images.
    """

    kind: Literal["permutation", "bits", "codes", "normal"]
    shape: tuple[int, ...]
    bound: int = 2
    common: bool = False

    @property
    def key_bits(self) -> float:
        """log2 of the number of subkeys that it could draw."""
        if self.kind == "normal":
            return float(math.prod(self.shape) * NORMAL_BITS)
        if self.kind == "permutation":
            return math.prod(self.shape[:-1]) * math.lgamma(self.shape[-1] + 1) / math.log(2)
        return math.prod(self.shape) * math.log2(self.bound)

    def draw(self, streams: Sequence[Keystream]) -> NDArray[Any]:
        """Draw one subkey from each keystream, flattened or not."""
        count = math.prod(self.shape)
        first, *others = streams
        if self.kind == "bits":
            return first.bits_of_each(count, *others)
        if self.kind == "normal":
            return np.stack([stream.normal(count) for stream in streams])
        if self.kind == "codes":
            return first.integers_of_each(np.full(count, self.bound), *others)
        return first.permutations(math.prod(self.shape[:-1]), self.shape[-1], *others)

    def check(self, name: str, subkey: Tensor) -> None:
        """Raise ValueError or TypeError unless `subkey` is one that this stage could draw."""
        import torch

        from vitcrypt.encryption.permutation import missing

        dtype = getattr(torch, DTYPES.get(self.kind, "int64"))
        if subkey.dtype != dtype:
            raise TypeError(f"subkey {name} must be {dtype}, got {subkey.dtype}")
        if tuple(subkey.shape) != self.shape:
            raise ValueError(f"subkey {name} must have shape {list(self.shape)}, got {list(subkey.shape)}")
        if self.kind == "permutation":
            if missing(subkey):
                raise ValueError(f"subkey {name} is no permutation of 0..{self.shape[-1] - 1}")
        elif self.kind == "normal" and not bool(subkey.isfinite().all()):
            raise ValueError(f"subkey {name} must hold finite numbers")
        elif self.kind == "codes" and not bool(((subkey >= 0) & (subkey < self.bound)).all()):
            raise ValueError(f"subkey {name} must hold codes in 0..{self.bound - 1}")
