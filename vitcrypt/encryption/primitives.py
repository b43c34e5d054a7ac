"""The vocabulary of the schemes: geometric steps, written once and run on index tensors.

`grid(shape)` numbers the bytes of an image; whatever a step does to that tensor *is* the permutation, because
`output[j] = input[index[j]]` and the step moved `index` just as it would move the image. So a step never loops over
pixels, and its inverse comes from the algebra. Blocks are B x B and numbered row by row.
"""

import torch
from torch import Tensor

CHANNEL_ORDERS = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
"""Colour codes 0..5: output R, G, B taken from RGB, RBG, GRB, GBR, BRG, BGR."""


def grid(shape: tuple[int, int, int]) -> Tensor:
    """Return the identity on the bytes of an image: int64 [C, H, W], numbered in that order."""
    channels, height, width = shape
    return torch.arange(channels * height * width).view(shape)


def to_blocks(image: Tensor, block_size: int) -> Tensor:
    """Cut [C, H, W] into its blocks [N, C, B, B]."""
    channels, height, width = image.shape
    rows = image.view(channels, height // block_size, block_size, width // block_size, block_size)
    return rows.permute(1, 3, 0, 2, 4).reshape(-1, channels, block_size, block_size)


def from_blocks(blocks: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Put blocks [N, C, B, B] together to [C, H, W]."""
    channels, height, width = shape
    side = blocks.shape[-1]
    rows = blocks.view(height // side, width // side, channels, side, side)
    return rows.permute(2, 0, 3, 1, 4).reshape(shape)


def scramble_blocks(image: Tensor, permutation: Tensor, block_size: int) -> Tensor:
    """Put block `permutation[i]` at place i: the paper's B'_i = B_{alpha_i}."""
    return from_blocks(to_blocks(image, block_size)[permutation], tuple(image.shape))  # type: ignore[arg-type]


def shuffle_pixels(image: Tensor, permutation: Tensor, block_size: int) -> Tensor:
    """In every block put pixel `permutation[k]` at place k, its channels together: v'(k) = v(beta_k)."""
    blocks = to_blocks(image, block_size)
    shuffled = blocks.flatten(2)[:, :, permutation].view_as(blocks)
    return from_blocks(shuffled, tuple(image.shape))  # type: ignore[arg-type]


def rotate_flip(blocks: Tensor, symmetry: Tensor) -> Tensor:
    """Turn block i of [N, C, B, B] by 90 (s % 4) degrees counter-clockwise, flip it left-right if s >= 4."""
    turned = blocks.clone()
    for code in range(8):
        chosen = symmetry == code
        view = torch.rot90(blocks[chosen], code % 4, dims=(2, 3))
        turned[chosen] = view.flip(3) if code >= 4 else view
    return turned


def shuffle_channels(pixels: Tensor, codes: Tensor) -> Tensor:
    """Reorder the channels of [N, 3, P]: item i of N by the colour code codes[i] ([N]) or pixel by pixel ([N, P])."""
    order = CHANNEL_ORDERS[codes]  # [N, 3] or [N, P, 3]
    order = order.unsqueeze(-1) if codes.dim() == 1 else order.transpose(1, 2)
    return pixels.gather(1, order.expand_as(pixels))


def to_vectors(image: Tensor, block_size: int) -> Tensor:
    """Flatten every block of [C, H, W] in (row, column, channel) order: [N, d], d = B*B*C."""
    return to_blocks(image, block_size).permute(0, 2, 3, 1).flatten(1)


def from_vectors(vectors: Tensor, shape: tuple[int, int, int], block_size: int) -> Tensor:
    """Undo `to_vectors`."""
    blocks = vectors.view(-1, block_size, block_size, shape[0]).permute(0, 3, 1, 2)
    return from_blocks(blocks.contiguous(), shape)
