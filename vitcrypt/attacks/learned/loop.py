"""What the attacks that train a network share: ranges, batches, steps, and a seed that leaves the global one alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.progress import track
from torch import Tensor, nn

from vitcrypt.encryption import Scheme, Shape, SignedPermutation


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


def epochs(count: int, what: str) -> Iterator[int]:
    """Count epochs, with a progress bar on terminals."""
    yield from track(range(count), description=what, disable=not sys.stderr.isatty())


def batches(count: int, size: int, random: torch.Generator) -> Iterator[Tensor]:
    """Yield positions 0..count-1 in random order, `size` at once; a single last one is left out (batch statistics)."""
    for positions in torch.split(torch.randperm(count, generator=random), size):
        if len(positions) > 1:
            yield positions


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step of descent."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


@torch.no_grad()
def apply(network: nn.Module, images: Tensor, batch_size: int, device: str) -> Tensor:
    """Run uint8 images through a trained network and return uint8 on the CPU."""
    network.eval()
    restored = [to_values(network(to_signal(part.to(device)))) for part in torch.split(images, batch_size)]
    return torch.cat([values.clamp(0, 255).to(torch.uint8).cpu() for values in restored])


def pick_device(device: str) -> str:
    """Resolve "auto"."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def own_cipher(scheme: Scheme, shape: Shape, random: torch.Generator) -> SignedPermutation:
    """Return a cipher under subkeys that the attacker draws for themselves: the algorithm is public."""
    subkeys = {}
    for name, stage in scheme.stages(shape).items():
        if stage.kind == "permutation":
            subkeys[name] = torch.rand(stage.shape, generator=random).argsort(-1)
        else:
            drawn = torch.randint(0, stage.bound, stage.shape, generator=random)
            subkeys[name] = drawn.bool() if stage.kind == "bits" else drawn
    return scheme.cipher(subkeys, shape)
