"""What a training needs of the memory, counted before anything is built: on torch's meta device nothing is stored."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitcrypt.attacks.learned.loop import is_gpu
from vitcrypt.encryption import Shape


@dataclass(frozen=True)
class Memory:
    """Bytes of a training in float32, except that what is kept for the gradient is bfloat16 on a GPU.

    Args:
        parameters: Numbers that are trained.
        optimizer: Numbers that the optimiser keeps for each of them: 1 for SGD with momentum, 2 for Adam.
        kept: Bytes kept for the gradient of one batch.
    """

    parameters: int
    optimizer: int
    kept: int

    @property
    def total(self) -> int:
        """Parameters, gradients, the optimiser's state and what is kept for the gradient."""
        return 4 * self.parameters * (2 + self.optimizer) + self.kept

    def check(self, device: str) -> str:
        """Say what is needed.

        Raises:
            ValueError: The device has not so much.
        """
        there = memory_of(device)
        text = (
            f"training needs about {told(self.total)} of the {told(there)} of {device}: {self.parameters:,} "
            f"parameters and {told(self.kept)} kept for the gradient of a batch"
        )
        if self.total > there:
            raise ValueError(f"{text}; set a smaller attack.method.batch_size or width, for SIA-GAN maps=shared")
        return text


def parameters(*networks: nn.Module) -> int:
    """Count the parameters of networks."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def kept(network: nn.Module, batch: Tensor, device: str) -> tuple[Tensor, int]:
    """Return what a network makes of a batch on the meta device, and the bytes kept for its gradient on `device`."""
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    held: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if (storage := tensor.untyped_storage()._cdata) not in weights:
            held[storage] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output: Tensor = network(batch)
    return output, sum(tensor.untyped_storage().nbytes() for tensor in held.values()) // (2 if is_gpu(device) else 1)


def blank(shape: Shape, batch_size: int) -> Tensor:
    """Return a batch on the meta device."""
    return torch.empty(batch_size, *shape, device="meta")


def memory_of(device: str) -> int:
    """Return the bytes that a device has."""
    if is_gpu(device):
        return torch.cuda.mem_get_info(device)[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def told(count: int) -> str:
    """Say so many bytes."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
