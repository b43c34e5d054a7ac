"""The vocabulary of the schemes: geometric steps, written once and run on index tensors.

`grid(shape)` numbers the bytes of an image; whatever a step does to that tensor *is* the permutation, because
`output[j] = input[index[j]]` and the step moved `index` just as it would move the image. So a step never loops over
pixels, and its inverse comes from the algebra. Blocks are B x B and numbered row by row.

Every step takes what it draws with dimensions in front, one for each image of a batch, and then gives as many results:
`...` below; the image may have them too, or be the same for all.
"""

import torch
from torch import Tensor

CHANNEL_ORDERS = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
"""Colour codes 0..5: output R, G, B taken from RGB, RBG, GRB, GBR, BRG, BGR."""


SYMMETRIES = 8


def grid(shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
    """Return the identity on the bytes of an image: int64 [C, H, W], numbered in that order."""
    channels, height, width = shape
    return torch.arange(channels * height * width, device=device).view(shape)


def to_blocks(image: Tensor, block_size: int) -> Tensor:
    """Cut [..., C, H, W] into its blocks [..., N, C, B, B]."""
    *batch, channels, height, width = image.shape
    rows = image.reshape(*batch, channels, height // block_size, block_size, width // block_size, block_size)
    return rows.movedim((-4, -2), (-5, -4)).reshape(*batch, -1, channels, block_size, block_size)


def from_blocks(blocks: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Put blocks [..., N, C, B, B] together to [..., C, H, W]."""
    channels, height, width = shape
    *batch, _, _, _, side = blocks.shape
    rows = blocks.reshape(*batch, height // side, width // side, channels, side, side)
    return rows.movedim((-5, -4), (-4, -2)).reshape(*batch, *shape)


def take(entries: Tensor, index: Tensor, dim: int) -> Tensor:
    """Take entries along a dimension counted from the last; where one side has no batch in front, it is for all."""
    more = index.dim() - entries.dim()
    return entries[(None,) * more].take_along_dim(index[(None,) * -more], dim)


def permute_blocks(blocks: Tensor, permutation: Tensor) -> Tensor:
    """Put block `permutation[..., i]` of [..., N, C, B, B] at place i."""
    return take(blocks, permutation[..., None, None, None], -4)


def scramble_blocks(image: Tensor, permutation: Tensor, block_size: int) -> Tensor:
    """Put block `permutation[..., i]` at place i: the paper's B'_i = B_{alpha_i}."""
    return from_blocks(permute_blocks(to_blocks(image, block_size), permutation), _shape(image))


def shuffle_pixels(image: Tensor, permutation: Tensor, block_size: int) -> Tensor:
    """In every block put pixel `permutation[..., k]` at place k, its channels together: v'(k) = v(beta_k)."""
    pixels = to_blocks(image, block_size).flatten(-2)
    shuffled = take(pixels, permutation[..., None, None, :], -1)
    return from_blocks(_square(shuffled, block_size), _shape(image))


def rotate_flip(blocks: Tensor, symmetry: Tensor) -> Tensor:
    """Turn block i of [..., N, C, B, B] by 90 (s % 4) degrees counter-clockwise, flip it left-right if s >= 4."""
    side = blocks.shape[-1]
    place = torch.arange(side**2, device=blocks.device).view(side, side)
    turned = [place.rot90(code % 4) for code in range(SYMMETRIES)]
    orders = torch.stack([(view.flip(1) if code >= 4 else view).flatten() for code, view in enumerate(turned)])
    return _square(take(blocks.flatten(-2), orders[symmetry][..., None, :], -1), side)


def shuffle_channels(pixels: Tensor, codes: Tensor) -> Tensor:
    """Reorder the channels of [..., 3, P] by colour codes [..., P], or [..., 1] for all pixels alike."""
    order = CHANNEL_ORDERS.to(codes.device)[codes].transpose(-1, -2)
    return take(pixels, order, -2)


def to_vectors(image: Tensor, block_size: int) -> Tensor:
    """Flatten every block of [..., C, H, W] in (row, column, channel) order: [..., N, d], d = B*B*C."""
    return to_blocks(image, block_size).movedim(-3, -1).flatten(-3)


def from_vectors(vectors: Tensor, shape: tuple[int, int, int], block_size: int) -> Tensor:
    """Undo `to_vectors`."""
    blocks = vectors.reshape(*vectors.shape[:-1], block_size, block_size, shape[0])
    return from_blocks(blocks.movedim(-1, -3), shape)


def to_bytes(values: Tensor) -> Tensor:
    """Round float values, halves up, and clip them to uint8."""
    return (values + 0.5).floor().clamp(0, 255).to(torch.uint8)


def _square(pixels: Tensor, side: int) -> Tensor:
    return pixels.reshape(*pixels.shape[:-1], side, side)


def _shape(image: Tensor) -> tuple[int, int, int]:
    channels, height, width = image.shape[-3:]
    return channels, height, width
