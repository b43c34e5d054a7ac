"""The vocabulary of the schemes: geometric steps, written once and run on index tensors.

`grid(shape)` numbers the bytes of an image; whatever a step does to these numbers *is* the permutation, because
`output[j] = input[index[j]]` and the step moved `index` just as it moves an image. So a step never loops over pixels,
and its inverse comes from the algebra. Blocks are B x B and numbered row by row.

Every step takes what it draws with dimensions in front, one for each image of a batch, and then gives as many results:
`...` below; the image may have them too, or be the same for all. Steps work on NumPy arrays and on torch tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vitcrypt.encryption.arrays import A, expand, flat, library, moveaxis, take

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["take"]
ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
"""Colour codes 0..5: output R, G, B taken from RGB, RBG, GRB, GBR, BRG, BGR."""
SYMMETRIES = 8


def __getattr__(name: str) -> Tensor:
    if name == "CHANNEL_ORDERS":  # the same as a tensor
        import torch

        return torch.from_numpy(ORDERS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def grid(shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
    """Return the identity on the bytes of an image, a tensor: int64 [C, H, W], numbered in that order."""
    import torch

    return torch.arange(math.prod(shape), device=device).view(shape)


def to_blocks(image: A, block_size: int) -> A:
    """Cut [..., C, H, W] into its blocks [..., N, C, B, B]."""
    *batch, channels, height, width = image.shape
    runs = _runs(image, block_size).reshape(*batch, channels, height // block_size, block_size, width // block_size, -1)
    made = _single(moveaxis(runs, (-4, -2), (-5, -4)).reshape(*batch, -1), image)
    return made.reshape(*batch, -1, channels, block_size, block_size)


def from_blocks(blocks: A, shape: tuple[int, int, int]) -> A:
    """Put blocks [..., N, C, B, B] together to [..., C, H, W]."""
    channels, height, width = shape
    *batch, _, _, _, side = blocks.shape
    runs = _runs(blocks, side).reshape(*batch, height // side, width // side, channels, side, -1)
    made = _single(moveaxis(runs, (-5, -4), (-4, -2)).reshape(*batch, -1), blocks)
    return made.reshape(*batch, *shape)


def permute_blocks(blocks: A, permutation: A) -> A:
    """Put block `permutation[..., i]` of [..., N, C, B, B] at place i."""
    return take(blocks, permutation[..., None, None, None], -4)


def scramble_blocks(image: A, permutation: A, block_size: int) -> A:
    """Put block `permutation[..., i]` at place i: the paper's B'_i = B_{alpha_i}."""
    return from_blocks(permute_blocks(to_blocks(image, block_size), permutation), shape_of(image))


def shuffle_pixels(blocks: A, permutation: A) -> A:
    """In every block of [..., N, C, B, B] put pixel `permutation[..., k]` at place k, its channels together."""
    return take(flat(blocks, 2), permutation[..., None, None, :], -1).reshape(*blocks.shape)


def rotate_flip(blocks: A, symmetry: A) -> A:
    """Turn block i of [..., N, C, B, B] by 90 (s % 4) degrees counter-clockwise, flip it left-right if s >= 4."""
    both: Any = library(blocks)
    shape: tuple[int, ...] = np.broadcast_shapes(symmetry.shape, blocks.shape[:-3])
    symmetry, made = expand(symmetry, shape), expand(blocks, (*shape, *blocks.shape[-3:]))
    if isinstance(made, np.ndarray):
        made = made.copy()

    def turn(made: A, chosen: A, how: Callable[[A], A]) -> A:
        if isinstance(made, np.ndarray):  # only those, which on a GPU would wait to be told how many there are
            made[chosen] = how(made[chosen])
            return made
        turned: A = both.where(chosen[..., None, None, None], how(made), made)
        return turned

    made = turn(made, symmetry & 2 != 0, lambda some: both.flip(some, (-2, -1)))
    made = turn(made, symmetry & 1 != 0, lambda some: both.rot90(some, 1, (-2, -1)))
    return turn(made, symmetry >= 4, lambda some: both.flip(some, (-1,)))


def shuffle_channels(pixels: A, codes: A) -> A:
    """Reorder the channels of integers [..., 3, P] by colour codes [..., P], or [..., 1] for all pixels alike."""
    both: Any = library(pixels)
    red, green, blue = (pixels[..., channel, :] for channel in range(3))
    small = both.asarray(codes, dtype=both.uint8, device=codes.device)
    equal = [small == code for code in range(len(ORDERS))]
    if pixels.dtype == both.uint8:
        ones = [-one.view(both.uint8) for one in equal]  # in all bits, or none
    else:
        ones = [-both.asarray(one, dtype=pixels.dtype, device=codes.device) for one in equal]
    batch: tuple[int, ...] = np.broadcast_shapes(pixels.shape[:-2], codes.shape[:-1])
    made: A = both.empty((*batch, *pixels.shape[-2:]), dtype=pixels.dtype, device=pixels.device)
    red_for_blue, green_for_blue = red ^ blue, green ^ blue
    for channel, sources in enumerate(ORDERS.T):  # of one channel, by code
        of_red, of_green = (ones[a] | ones[b] for a, b in (np.flatnonzero(sources == source) for source in (0, 1)))
        made[..., channel, :] = blue ^ (of_red & red_for_blue) ^ (of_green & green_for_blue)
    return made


def to_vectors(image: A, block_size: int) -> A:
    """Flatten every block of [..., C, H, W] in (row, column, channel) order: [..., N, d], d = B*B*C."""
    values = moveaxis(_cut(image, block_size), (-4, -2, -3, -1, -5), (-5, -4, -3, -2, -1))
    return values.reshape(*image.shape[:-3], -1, block_size**2 * image.shape[-3])


def from_vectors(vectors: A, shape: tuple[int, int, int], block_size: int) -> A:
    """Undo `to_vectors`."""
    blocks = vectors.reshape(*vectors.shape[:-1], block_size, block_size, shape[0])
    return from_blocks(moveaxis(blocks, -1, -3), shape)


def to_bytes(values: Tensor) -> Tensor:
    """Round float values, halves up, and clip them to uint8."""
    return (values + 0.5).floor().clamp(0, 255).byte()


def _runs(image: A, length: int) -> A:
    """See uint8 of NumPy, in runs of so many along the last dimension, as numbers of up to eight: fewer are moved."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or not image.flags.c_contiguous:
        return image
    return image.view(f"u{math.gcd(length, 8)}")


def _single(runs: A, like: A) -> A:
    """Undo it."""
    return runs if runs.dtype == like.dtype else runs.view(like.dtype)


def _cut(image: A, block_size: int) -> A:
    """See [..., C, H, W] as [..., C, H / B, B, W / B, B]."""
    *batch, channels, height, width = image.shape
    return image.reshape(*batch, channels, height // block_size, block_size, width // block_size, block_size)


def shape_of(image: A) -> tuple[int, int, int]:
    """Return (C, H, W)."""
    channels, height, width = image.shape[-3:]
    return channels, height, width
