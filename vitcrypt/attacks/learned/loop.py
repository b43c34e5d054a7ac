"""What the attacks that train a network share: ranges, batches, and a seed that leaves the global one alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.progress import track
from torch import Tensor, nn

from vitcrypt.encryption import Scheme, Shape, SignedPermutation


def to_signal(images: Tensor) -> Tensor:
    """Map uint8 0..255 to float [-1, 1]."""
    return images.float() / 127.5 - 1


def to_images(signal: Tensor) -> Tensor:
    """Map [-1, 1] back to the nearest uint8."""
    return ((signal + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed what torch draws inside, restore it outside; yield a generator for the rest."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def epochs(count: int, what: str) -> Iterator[int]:
    """Count epochs, with a progress bar on terminals."""
    yield from track(range(count), description=what, disable=not sys.stderr.isatty())


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield positions 0..count-1 in random order, `size` at once; a last one alone is left out (batch statistics)."""
    for positions in torch.randperm(count, generator=generator).split(size):
        if len(positions) > 1:
            yield positions


@torch.no_grad()
def apply(network: nn.Module, images: Tensor, batch_size: int, device: str) -> Tensor:
    """Run uint8 images through a trained network and return uint8 on the CPU."""
    network.eval()
    return torch.cat([to_images(network(to_signal(part.to(device)))).cpu() for part in images.split(batch_size)])


def pick_device(device: str) -> str:
    """Resolve "auto"."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def own_cipher(scheme: Scheme, shape: Shape, generator: torch.Generator) -> SignedPermutation:
    """Return a cipher under subkeys that the attacker drew for himself: the algorithm is public."""
    subkeys = {}
    for name, stage in scheme.stages(shape).items():
        if stage.kind == "permutation":
            subkeys[name] = torch.rand(stage.shape, generator=generator).argsort(-1)
        else:
            drawn = torch.randint(0, stage.bound, stage.shape, generator=generator)
            subkeys[name] = drawn.bool() if stage.kind == "bits" else drawn
    return scheme.cipher(subkeys, shape)
