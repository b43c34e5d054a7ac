"""The six schemes of the paper's Table I, each a few sentences in the vocabulary of `primitives`.

A scheme holds values, never a key. `subkeys` draws, `cipher` applies, `key_space_bits` counts:

    scheme = Proposed(block_size=16)
    subkeys = scheme.subkeys(key, shape)       # a dict of CPU tensors; pure
    cipher = scheme.cipher(subkeys, shape)     # of these six a SignedPermutation; accepts anyone's subkeys

`steps` says of each what it does, to NumPy arrays as to tensors.

"The paper" is Qi, MaungMaung, Kinoshita, Kiya, "Privacy-Preserving Image Classification Using Vision Transformer",
EUSIPCO 2022; numbers in brackets are its references. `N` blocks of B x B pixels, d = B*B*C values in a block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from vitcrypt.encryption import invariants, orbits, primitives
from vitcrypt.encryption.arrays import A, count, flat, moveaxis, take
from vitcrypt.encryption.properties import Properties, Symbols
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage

if TYPE_CHECKING:
    from torch import Tensor

    from vitcrypt.encryption.permutation import SignedPermutation

MOVES: dict[Symbols, Properties] = {kind: Properties(linear=kind, isometry=kind) for kind in get_args(Symbols)}
"""What a signed permutation of symbols is."""


@dataclass(frozen=True)
class Plain(Scheme):
    """No encryption: the paper's baseline."""

    block_size: int = 1
    properties = Properties(linear="bytes", isometry="bytes", keyed=False)
    is_plain = True
    translation_by_blocks = True

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """There is nothing to draw."""
        return {}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> SignedPermutation:
        """Return the identity."""
        from vitcrypt.encryption.permutation import SignedPermutation

        return SignedPermutation.identity(math.prod(shape))

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Each image is alone."""
        return int(levels ** math.prod(shape))

    def invariants(self, images: Tensor) -> Tensor:
        """All values."""
        return images.flatten(1).float()


@dataclass(frozen=True)
class PE(Scheme):
    """Pixel-based encryption [17]: negative-positive transformation value by value, colour shuffling pixel by pixel.

    Args:
        channel_shuffle: Also shuffle the channels of every pixel; the step is optional in the publications.

    Subkeys:
        negation: bool [C, H, W], belongs to the source value. Negation comes first.
        channel_permutation: int64 [H, W] in 0..5; absent without `channel_shuffle`.

    Key space: 2^(3P) * 6^P for P pixels.
    """

    channel_shuffle: bool = True
    block_size: int = 1
    properties = MOVES["bytes"]
    batched = True

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """One bit a value and one colour code a pixel."""
        stages = {"negation": Stage("bits", shape)}
        if self.channel_shuffle:
            stages["channel_permutation"] = Stage("codes", shape[1:], 6)
        return stages

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Negate, then shuffle channels."""
        negated = negate(image, subkeys["negation"])
        if not self.channel_shuffle:
            return negated
        shuffled = primitives.shuffle_channels(flat(negated, 2), flat(subkeys["channel_permutation"], 2))
        return shuffled.reshape(*negated.shape)

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Count folded pixels."""
        return orbits.of_pixels(shape, levels, self.channel_shuffle)

    def invariants(self, images: Tensor) -> Tensor:
        """Folded values, sorted within a pixel where channels are shuffled."""
        return invariants.folded_pixels(images, self.channel_shuffle)


@dataclass(frozen=True)
class LE(Scheme):
    """Learnable encryption [16] (Tanaka 2018): one key shuffles and complements the nibbles of every block alike.

    A block is flattened in (row, column, channel) order; entry t < d is the low nibble of value t, entry d + t its high
    one. Output nibble j is input nibble permutation[j], XOR 15 where inversion[j].

    Subkeys:
        nibble_permutation: int64 [2d].
        nibble_inversion: bool [2d].

    Key space as published: (2d)! * 2^(2d). (The published code ties the inversion to the permutation and has (2d)!
    keys; here they are drawn apart, as the formula says.)
    """

    block_size: int = 4
    properties = MOVES["nibbles"]
    nibbles = True
    batched = True
    translation_by_blocks = True

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """One permutation and one bit string, whatever the number of blocks."""
        size = 2 * shape[0] * self.block_size**2
        return {"nibble_permutation": Stage("permutation", (size,)), "nibble_inversion": Stage("bits", (size,))}

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Shuffle the nibbles of every block under the same key."""
        permutation, inversion = (subkeys[name][..., None, :] for name in ("nibble_permutation", "nibble_inversion"))
        return self.shuffle_nibbles(image, permutation, inversion, negate)

    def shuffle_nibbles(
        self, image: A, permutation: A, inversion: A, negate: Callable[[A, A], A], order: A | None = None
    ) -> A:
        """Shuffle and complement nibbles [..., 2, C, H, W], block i by row i of [..., N, 2d], or all by one.

        With `order` [..., N] block order[i] is then put at place i.
        """
        nibbles = flat(moveaxis(primitives.to_vectors(image, self.block_size), -3, -2), 2)  # [..., N, 2d]
        shuffled = negate(take(nibbles, permutation, -1), inversion)
        if order is not None:
            shuffled = take(shuffled, order[..., None], -2)
        halves = moveaxis(shuffled.reshape(*shuffled.shape[:-1], 2, -1), -2, -3)
        return primitives.from_vectors(halves, primitives.shape_of(image), self.block_size)

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Count sets of nibbles over all blocks."""
        return orbits.of_nibble_columns(2 * shape[0] * self.block_size**2, self.num_blocks(shape), levels)

    def invariants(self, images: Tensor) -> Tensor:
        """How the folded nibbles of each block are distributed."""
        return invariants.folded_nibbles(images, self.block_size, sort_blocks=False)


@dataclass(frozen=True)
class ELE(LE):
    """Extended learnable encryption [19] (Madono et al. 2020): LE with a key of its own for every block; blocks move.

    Subkeys:
        nibble_permutation: int64 [N, 2d], row = source block.
        nibble_inversion: bool [N, 2d].
        block_permutation: int64 [N].

    Key space: ((2d)! * 2^(2d))^N * N!.
    """

    translation_by_blocks = False

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """LE's draws once for every block, and a permutation of the blocks."""
        blocks, size = self.num_blocks(shape), 2 * shape[0] * self.block_size**2
        return {
            "nibble_permutation": Stage("permutation", (blocks, size)),
            "nibble_inversion": Stage("bits", (blocks, size)),
            "block_permutation": Stage("permutation", (blocks,)),
        }

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Shuffle nibbles under the source block's key, then scramble blocks."""
        permutation, inversion = subkeys["nibble_permutation"], subkeys["nibble_inversion"]
        return self.shuffle_nibbles(image, permutation, inversion, negate, subkeys["block_permutation"])

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Count sets of blocks of nibbles."""
        return orbits.of_nibble_blocks(2 * shape[0] * self.block_size**2, self.num_blocks(shape), levels)

    def invariants(self, images: Tensor) -> Tensor:
        """The same of blocks that may stand anywhere."""
        return invariants.folded_nibbles(images, self.block_size, sort_blocks=True)


@dataclass(frozen=True)
class EtC(Scheme):
    """Encryption-then-compression [23], colour version: rotation and inversion, negation, colours, block scrambling.

    The publicly available code overwrites channels where it should exchange them: a third of the values is lost and
    nothing can decrypt. This is the bijection that the papers describe, so published accuracies need not be matched.

    Subkeys (row = source block):
        symmetry: int64 [N] in 0..7, rotation by 90 (s % 4) degrees counter-clockwise, then a left-right flip if s >= 4.
        negation: bool [N].
        channel_permutation: int64 [N] in 0..5.
        block_permutation: int64 [N]; blocks move last.

    Key space as published: N! * 8^N * 2^N * 6^N.
    """

    block_size: int = 4
    properties = MOVES["bytes"]
    batched = True

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """One symmetry, sign and colour code a block, and a permutation of the blocks."""
        blocks = (self.num_blocks(shape),)
        return {
            "symmetry": Stage("codes", blocks, 8),
            "negation": Stage("bits", blocks),
            "channel_permutation": Stage("codes", blocks, 6),
            "block_permutation": Stage("permutation", blocks),
        }

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Turn, negate and recolour the blocks, then scramble them."""
        return turn_and_scramble(image, subkeys, negate, self.block_size)

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Count sets of blocks in any state."""
        return orbits.of_turned_blocks(shape[0], self.block_size, self.num_blocks(shape), levels)

    def invariants(self, images: Tensor) -> Tensor:
        """Contrasts within blocks that may stand anywhere: neither sign nor brightness counts."""
        return invariants.block_contrasts(images, self.block_size)


@dataclass(frozen=True)
class Proposed(Scheme):
    """The paper's scheme (section III-B): block scrambling with K1, pixel shuffling in quarter blocks with K2.

    Each M x M block has four sub-blocks of M/2 x M/2, which keep their quadrant. K2 permutes the pixels of a sub-block,
    the three channels together, and is the same for every sub-block, block and image.

    Subkeys:
        block_permutation: int64 [N], K1.
        pixel_permutation: int64 [(M/2)^2], K2.

    Key space: N! * ((M/2)^2)! (equation 1); 196! * 64! = 2^1511 at 224 x 224 and M = 16 (equation 2).
    """

    block_size: int = 16
    properties = MOVES["bytes"]
    batched = True
    scrambles_blocks = True

    def __post_init__(self) -> None:
        """Check that a block has four quarters."""
        super().__post_init__()
        if self.block_size % 2:
            raise ValueError(
                f"proposed cuts a block into four sub-blocks, so block_size is even; got {self.block_size}, "
                f"try block_size={self.block_size + 1}"
            )

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """K1 and K2."""
        pixels = (self.block_size // 2) ** 2
        return {
            "block_permutation": Stage("permutation", (self.num_blocks(shape),)),
            "pixel_permutation": Stage("permutation", (pixels,)),
        }

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Steps 3 to 8 of section III-B."""
        shape, side = primitives.shape_of(image), self.block_size // 2
        rows, columns = shape[1] // side, shape[2] // side
        numbers = count(rows * columns, image).reshape(1, rows, columns)  # of sub-blocks, which move as blocks of 2 x 2
        places = flat(primitives.scramble_blocks(numbers, subkeys["block_permutation"], 2), 3)
        moved = primitives.permute_blocks(primitives.to_blocks(image, side), places)
        return primitives.from_blocks(primitives.shuffle_pixels(moved, subkeys["pixel_permutation"]), shape)

    def orbits(self, shape: Shape, levels: int = 256) -> int:
        """Bound the number of matrices with a row for each block and a column for each pixel of all its quarters."""
        pixels = (self.block_size // 2) ** 2
        return orbits.of_two_orders(self.num_blocks(shape), pixels, levels ** (4 * shape[0]))

    def invariants(self, images: Tensor) -> Tensor:
        """Means of quarters of blocks and quantiles of values, channel by channel, less the mean."""
        return invariants.quarter_means(images, self.block_size)


def turn_and_scramble(image: A, subkeys: dict[str, A], negate: Callable[[A, A], A], block_size: int) -> A:
    """Turn, recolour where there are colours, and negate the blocks of an image [..., C, H, W], then scramble them."""
    blocks = primitives.rotate_flip(primitives.to_blocks(image, block_size), subkeys["symmetry"])
    if "channel_permutation" in subkeys:
        coloured = primitives.shuffle_channels(flat(blocks, 2), subkeys["channel_permutation"][..., None])
        blocks = coloured.reshape(*blocks.shape)
    negated = negate(blocks, subkeys["negation"][..., None, None, None])
    moved = primitives.permute_blocks(negated, subkeys["block_permutation"])
    return primitives.from_blocks(moved, primitives.shape_of(image))


SCHEMES.update({cls.__name__.lower(): cls for cls in (Plain, PE, LE, ELE, EtC, Proposed)})
