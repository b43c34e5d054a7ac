"""Random crop and flip of whole batches, by the owner on plain images or by the provider on encrypted ones.

Each takes `of`: of how many images a batch is which part. Then random numbers are drawn for all of them and the batch
uses its own, so that an image gets the same crop however a step is divided.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Part = tuple[int, slice]


def seed_of(*numbers: int) -> int:
    """Return a seed of 63 bits that follows from seed, epoch, rank, ...: draws then do not depend on earlier draws."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def random_crop(image: Tensor, padding: int, generator: torch.Generator, of: Part | None = None) -> Tensor:
    """Pad every image of [B, C, h, w] with zeros and crop it back at a random place, each at its own."""
    batch, _, height, width = image.shape
    total, own = of or (batch, slice(None))
    places = torch.randint(2 * padding + 1, (2, total), generator=generator)[:, own].to(image.device, non_blocking=True)
    windows = F.pad(image, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)  # [B, C, 2p+1, 2p+1, h, w], a view
    return windows[torch.arange(batch, device=image.device), :, places[0], places[1]]


def random_flip(image: Tensor, generator: torch.Generator, of: Part | None = None) -> Tensor:
    """Mirror each image of [B, C, h, w] left-right with probability 1/2."""
    total, own = of or (len(image), slice(None))
    chosen = (torch.rand(total, generator=generator)[own] < 0.5).to(image.device, non_blocking=True)
    return torch.where(chosen.view(-1, 1, 1, 1), image.flip(3), image)


def random_roll(image: Tensor, step: int, generator: torch.Generator, of: Part | None = None) -> Tensor:
    """Move every image of [B, C, h, w] cyclically by a random multiple of `step` (-1, 0, 1) along each axis."""
    total, own = of or (len(image), slice(None))
    moves = torch.randint(-1, 2, (2, total), generator=generator)[:, own].to(image.device, non_blocking=True) * step
    height, width = image.shape[-2:]
    rows = (torch.arange(height, device=image.device) - moves[0, :, None]) % height  # [B, h]
    columns = (torch.arange(width, device=image.device) - moves[1, :, None]) % width
    batch = torch.arange(len(image), device=image.device)[:, None, None]
    return image.transpose(0, 1)[:, batch, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
