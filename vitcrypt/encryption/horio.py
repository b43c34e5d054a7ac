"""Restricted random permutations (Horio, Nishikawa, Kiya, arXiv 2408.08529): a part of blocks and values stays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitcrypt.encryption import invariants, primitives
from vitcrypt.encryption.arrays import A, join, put, take
from vitcrypt.encryption.properties import Properties
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Horio(Scheme):
    """Scramble some of the blocks, and in all blocks alike shuffle some of the d = B*B*C values.

    The published setting keeps 120 of 196 blocks and 500 of 768 values. Which ones stay is drawn from the key here; the
    summaries from which this was written do not say how the publication chooses them.

    Args:
        fixed_blocks: Share of the blocks that stay.
        fixed_values: Share of the values that stay.

    Subkeys:
        block_choice: int64 [N]; blocks at its end, as many as move, exchange places.
        block_permutation: int64, how these do.
        value_choice, value_permutation: The same for the values of a block, in (row, column, channel) order.

    Key space: N!/F! * d!/G! for F blocks and G values that stay.
    """

    block_size: int = 4
    fixed_blocks: float = 0.612
    fixed_values: float = 0.651
    properties = Properties(linear="bytes", isometry="bytes")
    batched = True
    scrambles_blocks = True

    def __post_init__(self) -> None:
        """Check the shares."""
        super().__post_init__()
        for name in ("fixed_blocks", "fixed_values"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share from 0 up to less than 1; got {getattr(self, name)!r}")

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """Which ones move, and how."""
        return {
            f"{kind}_{step}": Stage("permutation", (size,))
            for kind, count, moving in self._sizes(shape)
            for step, size in (("choice", count), ("permutation", moving))
        }

    def _sizes(self, shape: Shape) -> list[tuple[str, int, int]]:
        counts = (
            ("block", self.num_blocks(shape), self.fixed_blocks),
            ("value", shape[0] * self.block_size**2, self.fixed_values),
        )
        return [(kind, count, max(1, count - round(count * fixed))) for kind, count, fixed in counts]

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Scramble, then shuffle."""
        blocks, values = (
            _order(subkeys[f"{kind}_choice"], subkeys[f"{kind}_permutation"]) for kind in ("block", "value")
        )
        vectors = primitives.to_vectors(primitives.scramble_blocks(image, blocks, self.block_size), self.block_size)
        shuffled = take(vectors, values[..., None, :], -1)
        return primitives.from_vectors(shuffled, primitives.shape_of(image), self.block_size)

    def invariants(self, images: Tensor) -> Tensor:
        """Values within blocks that may stand anywhere, less the mean."""
        return invariants.block_values(images, self.block_size)

    def key_space_bits(self, shape: Shape) -> float:
        """Count the orders of those that move, whichever they are."""
        return sum(math.lgamma(n + 1) - math.lgamma(n - moving + 1) for _, n, moving in self._sizes(shape)) / math.log(
            2
        )


def _order(choice: A, permutation: A) -> A:
    """Return the permutation of all that exchanges the last ones of `choice` and leaves the others."""
    stays = choice.shape[-1] - permutation.shape[-1]
    return put(choice, join([choice[..., :stays], take(choice[..., stays:], permutation, -1)]))


SCHEMES["horio"] = Horio
