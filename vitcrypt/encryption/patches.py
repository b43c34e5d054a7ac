"""Per-image patch order: what a ViT without position embedding cannot see is taken from everyone else too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitcrypt.encryption import invariants, orbits, primitives
from vitcrypt.encryption.arrays import A
from vitcrypt.encryption.properties import Properties
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PEViTRS(Scheme):
    """PEViT's random shuffling (IJCAI 2025): the patches of each image in an order of its own.

    It is for a ViT without position embedding (`+model.network.pos_embed=none`), to which the order says nothing, so
    one network serves all keys. The publication's learned reference embedding (RPE) and its mixing of sub-patches are
    not built here. Every patch stays as it is: what is hidden is where it stood.

    Subkeys:
        block_permutation: int64 [N].

    Key space: N!, for each image.
    """

    block_size: int = 16
    properties = Properties(linear="bytes", isometry="bytes", key_scopes=("per_image",))
    batched = True
    scrambles_blocks = True

    @property
    def name(self) -> str:
        """Of two words."""
        return "pevit_rs"

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """A permutation of the patches."""
        return {"block_permutation": Stage("permutation", (self.num_blocks(shape),))}

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Scramble the patches."""
        return primitives.scramble_blocks(image, subkeys["block_permutation"], self.block_size)

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Count sets of patches."""
        return orbits.multisets(levels ** (shape[0] * self.block_size**2), self.num_blocks(shape))

    def invariants(self, images: Tensor) -> Tensor:
        """The patches, each of their values sorted over all of them."""
        return invariants.sorted_blocks(images, self.block_size)


SCHEMES["pevit_rs"] = PEViTRS
