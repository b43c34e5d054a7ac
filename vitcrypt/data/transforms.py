"""What happens to whole batches of images on any device: crop, flip and roll at random, resize, normalise.

An encrypted image must be an 8-bit image, so resizing comes before encryption and its rounding is part of the data.
Pillow resamples the rows, rounds to 8 bits, resamples the columns and rounds again, with weights in units of 2^-22.
Here the same two passes are sums of a few rows times those integers, in int32: no byte differs.

Each random transform takes `of`: of how many images a batch is which part. Then random numbers are drawn for all of
them and the batch uses its own, so that an image gets the same crop however a step is divided.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

BITS = 22  # Pillow's fixed point: 32 bits less 8 for the pixel and 2 for overflow
UNIT = 2**BITS
CACHED = 2**19  # values in int32 that stay in a CPU's cache between the passes
Part = tuple[int, slice]


def normalise(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Map uint8 0..255 to [-1, 1] (mean 0.5 and deviation 0.5 for every channel): 255 - p then becomes -x exactly."""
    # converted first: on a CPU, subtracting a float from bytes takes several times as long
    return image.to(torch.float32, copy=True).sub_(127.5).div_(127.5).to(dtype)


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


def resize(image: Tensor, size: int, interpolation: str = "bilinear") -> Tensor:
    """Resize square images as Pillow does, to the byte.

    Args:
        image: uint8 [..., h, h]. (Pillow chooses the order of the passes by the shape; for squares, rows come first.)
        size: Side of the output.
        interpolation: "bilinear" or "bicubic"; smaller outputs are antialiased, as in Pillow.

    Returns:
        uint8 [..., size, size].
    """
    if image.shape[-1] != image.shape[-2]:
        raise ValueError(f"only square images are resized here, got {list(image.shape)}; crop them first")
    if image.shape[-1] == size:
        return image
    negative = interpolation == "bicubic"
    taps = _taps(image.shape[-1], size, interpolation, image.device)
    rows = image.reshape(-1, *image.shape[-2:])
    resized = rows.new_empty(len(rows), size, size)
    step = max(1, len(rows) if image.is_cuda else CACHED // (size * max(size, image.shape[-1])))
    for first in range(0, len(rows), step):
        part = rows[first : first + step].mT.to(torch.int32, memory_format=torch.contiguous_format)
        resized[first : first + step] = _resample(_resample(part, *taps, negative).mT.contiguous(), *taps, negative)
    return resized.view(*image.shape[:-2], size, size)


def _resample(image: Tensor, places: Tensor, weights: Tensor, negative: bool) -> Tensor:
    """Resample the last dimension but one of int32 [N, h, w] and round to 8 bits; no sum leaves int32.

    Without negative weights none leaves 0..255 either: weights of one output differ from 1 by K roundings at most.
    """
    total = image.new_full((len(image), places.shape[1], image.shape[2]), UNIT // 2)
    taken = torch.empty_like(total)
    for place, weight in zip(places, weights, strict=True):
        total.addcmul_(torch.index_select(image, 1, place, out=taken), weight)
    total.bitwise_right_shift_(BITS)
    return total.clamp_(0, 255) if negative else total


@lru_cache(maxsize=32)
def _taps(length: int, size: int, interpolation: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which place each output takes for each of its at most K taps, int64 [K, size], and with what weight.

    Weights are int32 [K, size, 1], in units of 2^-22; an output of fewer taps takes neighbours with weight 0.
    """
    weights = _weights(length, size, interpolation)
    used = (weights != 0).int()
    first, last = used.argmax(0), length - 1 - used.flip(0).argmax(0)
    count = int((last - first).max()) + 1
    places = first.clamp(max=length - count) + torch.arange(count)[:, None]
    return places.to(device), weights.gather(0, places)[..., None].to(device)


def _weights(length: int, size: int, interpolation: str) -> Tensor:
    """Return Pillow's resampling weights as a matrix int32 [length, size], in units of 2^-22."""
    radius, kernel = KERNELS[interpolation]
    scale = length / size
    stretch = max(scale, 1.0)
    weights = torch.zeros(length, size, dtype=torch.int32)
    for out in range(size):
        centre = (out + 0.5) * scale
        first = max(int(centre - radius * stretch + 0.5), 0)
        last = min(int(centre + radius * stretch + 0.5), length)
        taps = [kernel((x - centre + 0.5) * (1 / stretch)) for x in range(first, last)]
        total = sum(taps)
        for x, tap in zip(range(first, last), taps, strict=True):
            exact = tap / total * UNIT
            weights[x, out] = math.trunc(exact + math.copysign(0.5, exact))
    return weights


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


KERNELS = {"bilinear": (1.0, _triangle), "bicubic": (2.0, _cubic)}
