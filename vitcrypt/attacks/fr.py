"""The feature reconstruction attack of Chang and Li, arXiv 2004.13263: ciphertext-only, image by image, no key.

Two of its forms work without queries and without a shared key. `basic` is what the literature calls "FR-Attack" and
runs on every scheme; `minimum_difference` also undoes the colour shuffling of pixel-based encryption.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption.primitives import CHANNEL_ORDERS

# pixels whose candidates, 576 bytes each, are held at once
CHUNK = 2**18


@dataclass(frozen=True)
class FR:
    """Feature reconstruction.

    Args:
        variant: "basic" maps v to min(v, 255 - v): what negative-positive transformation cannot hide. The result is the
            folded plain image under PE without colour shuffling, exactly. "minimum_difference" tries the 6 orders of
            channels and 8 signs of every pixel and takes the one nearest to the neighbour above (in the first row, to
            the left).
    """

    variant: Literal["basic", "minimum_difference"] = "basic"
    name = "fr"

    def __post_init__(self) -> None:
        """Check the variant."""
        if self.variant not in ("basic", "minimum_difference"):
            raise ValueError(f"variant must be 'basic' or 'minimum_difference', got {self.variant!r}")

    def __call__(self, observation: Observation) -> Reconstruction:
        """Fold the ciphertexts, or follow the neighbours."""
        images = observation.pictures
        if self.variant == "basic":
            return Reconstruction(torch.minimum(images, 255 - images))
        if images.shape[1] != 3:
            raise ValueError(f"minimum_difference reorders three colour channels, got {images.shape[1]}")
        size = max(1, CHUNK // images[0, 0].numel())
        return Reconstruction(torch.cat([follow_neighbours(part) for part in torch.split(images, size)]))


def follow_neighbours(images: Tensor) -> Tensor:
    """Choose for every pixel of uint8 [B, 3, H, W] the candidate of 48 nearest to its restored neighbour in L1.

    The first pixel is one of 48 that nothing tells apart; here it starts dark, every value at most 127. Starting with
    all signs changed restores the exact negative, and with some of them changed a rougher image. The order of channels
    and the sign of the image as a whole stay open.
    """
    signs = 255 * torch.tensor(list(itertools.product((0, 1), repeat=3)), device=images.device).flip(-1)  # [8, 3]
    orders = images.permute(2, 3, 0, 1).int()[..., CHANNEL_ORDERS.to(images.device)]  # [H, W, B, 6, 3]
    options = (orders[..., None, :] ^ signs.int()).flatten(-3, -2)  # [H, W, B, 48, 3]
    first = options[0, 0, :, 0]
    row = [torch.minimum(first, 255 - first)]
    for x in range(1, options.shape[1]):
        row.append(_nearest(options[0, x], row[-1]))
    rows = [torch.stack(row)]
    for y in range(1, options.shape[0]):
        rows.append(_nearest(options[y], rows[-1]))
    return torch.stack(rows).permute(2, 3, 0, 1).to(torch.uint8)


def _nearest(options: Tensor, neighbour: Tensor) -> Tensor:
    """Of options [..., 48, 3] take the one nearest to neighbour [..., 3]."""
    index = (options - neighbour[..., None, :]).abs().sum(-1).argmin(-1)
    return options.gather(-2, index[..., None, None].expand(*index.shape, 1, 3)).squeeze(-2)
