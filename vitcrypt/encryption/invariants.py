"""What the keys of a scheme leave as it is: measures that an image and its ciphertext under any key have in common.

Every function maps uint8 [B, C, H, W] to float32 [B, F], exactly: sums are of integers (of float ciphertexts, up to
rounding). Rows are compared in L1, which
between sorted values is the distance of their distributions (Wasserstein-1), so that a copy that was compressed or
brightened stays near.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitcrypt.encryption.arrays import join, library
from vitcrypt.encryption.primitives import to_blocks, to_vectors

if TYPE_CHECKING:
    from torch import Tensor

QUANTILES = 256


def folded_pixels(images: Tensor, sort_channels: bool) -> Tensor:
    """Fold each value, min(v, 255 - v), and sort those of a pixel if its channels may be exchanged."""
    folded = images.minimum(255 - images)
    if sort_channels:
        folded = folded.sort(1).values
    return folded.flatten(1).float()


def folded_nibbles(images: Tensor, block_size: int, sort_blocks: bool) -> Tensor:
    """Count the nibbles of each block up to 0, 1, ... 6 after folding them, min(n, 15 - n); or sort each count."""
    vectors = to_blocks(images, block_size).flatten(2)
    nibbles = join([vectors & 15, vectors >> 4])
    folded = nibbles.minimum(15 - nibbles)
    counts: Tensor = library(images).stack([(folded <= limit).sum(2) for limit in range(7)], 1)
    return (counts.sort(2).values if sort_blocks else counts).flatten(1).float()


def sorted_blocks(images: Tensor, block_size: int) -> Tensor:
    """Sort each value of a block, by its place there, over all blocks."""
    return to_blocks(images, block_size).flatten(2).sort(1).values.flatten(1).float()


def block_contrasts(images: Tensor, block_size: int) -> Tensor:
    """Sort the distances of a block's values from their mean, and each of these ranks over the blocks."""
    values = to_blocks(images, block_size).flatten(2).int()
    distances = (values * values.shape[2] - values.sum(2, keepdim=True)).abs().sort(2).values
    return distances.sort(1).values.flatten(1).float() / values.shape[2]


def block_values(images: Tensor, block_size: int) -> Tensor:
    """Sort the values of a block, and each of these ranks over the blocks; less the image's mean."""
    values = to_blocks(images, block_size).flatten(2).long()
    count = values[0].numel()
    ranks = values.sort(2).values.sort(1).values.flatten(1)
    return (ranks * count - ranks.sum(1, keepdim=True)).float() / count


def block_products(values: Tensor, block_size: int) -> Tensor:
    """Multiply each block of float [B, C, H, W], less the mean block, with itself and neighbours: right, lower."""
    vectors = to_vectors(values, block_size)
    vectors = vectors - vectors.mean(1, keepdim=True)
    placed = vectors.view(len(values), -1, values.shape[3] // block_size, vectors.shape[2])
    right, lower = placed[:, :, :-1] * placed[:, :, 1:], placed[:, :-1] * placed[:, 1:]
    return join([product.sum(3).flatten(1) for product in (placed * placed, right, lower)])


def quarter_means(images: Tensor, block_size: int) -> Tensor:
    """Sort the means of each quarter over the blocks, and take quantiles of all values, both less the image's mean.

    Channel by channel: quarters keep their place in a block, and channels stay what they are.
    """
    values = images.long()
    count = values[0, 0].numel()
    centred = values * count - values.sum((2, 3), keepdim=True)  # count times the distance from the mean: exact
    quantiles = centred.flatten(2).sort(2).values[:, :, :: max(1, count // QUANTILES)]
    half = block_size // 2
    quarters = to_blocks(centred, half).sum((3, 4))  # [B, 4 N, C]
    rows, columns = images.shape[2] // half, images.shape[3] // half
    placed = quarters.view(len(images), rows // 2, 2, columns // 2, 2, -1)
    means = placed.permute(0, 2, 4, 5, 1, 3).flatten(4).sort(4).values
    return join([quantiles.flatten(1) / count, means.flatten(1) / (count * half**2)]).float()
