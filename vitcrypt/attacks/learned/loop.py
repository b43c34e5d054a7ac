"""What the attacks that train a network share: ranges, steps, precision, a seed that leaves the global one alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def to_signal(images: Tensor) -> Tensor:
    """Map uint8 0..255 to float32 [-1, 1]."""
    return images.float() / 127.5 - 1


def to_values(signal: Tensor) -> Tensor:
    """Undo `to_signal`, up to the type: map float [-1, 1] to the nearest whole numbers 0..255."""
    return ((signal + 1) * 127.5).round()


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed what torch draws inside, restore it outside; yield a generator for the rest."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def autocast(device: str) -> torch.autocast:
    """Return the precision of a training: bfloat16 on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=is_gpu(device))


def is_gpu(device: str) -> bool:
    """Whether it is a CUDA device."""
    return torch.device(device).type == "cuda"


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step of descent."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


@torch.no_grad()
def apply(network: nn.Module, images: Tensor, batch_size: int, device: str) -> Tensor:
    """Run uint8 images through a trained network, in float32, and return uint8 on the CPU."""
    network.eval()
    restored = [to_values(network(to_signal(part.to(device)))) for part in torch.split(images, batch_size)]
    return torch.cat([values.clamp(0, 255).to(torch.uint8).cpu() for values in restored])


def pick_device(device: str) -> str:
    """Resolve "auto"."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def flip(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirror every other image of [B, ...], by chance: left and right are the last dimension."""
    mirrored = torch.rand(len(images), generator=random) < 0.5
    return torch.where(mirrored.to(images.device).view(-1, *[1] * (images.dim() - 1)), images.flip(-1), images)


def crop(images: Tensor, random: torch.Generator) -> Tensor:
    """Move each image of uint8 [B, C, H, W] by up to an eighth of its side, black where nothing is (4 of 32 pixels)."""
    height, width = images.shape[2:]
    padded = nn.functional.pad(images, (width // 8,) * 2 + (height // 8,) * 2)
    tops = torch.randint(0, height // 8 * 2 + 1, (len(images),), generator=random).tolist()
    lefts = torch.randint(0, width // 8 * 2 + 1, (len(images),), generator=random).tolist()
    places = zip(padded, tops, lefts, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, top, left in places])
