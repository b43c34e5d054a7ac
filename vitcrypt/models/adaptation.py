"""Adaptation networks: what the rows of Table I that are marked * put in front of a CIFAR network.

Both turn an encrypted image into 16 feature maps of its size, block by block. LE-AdaptNet (Tanaka, ICCE-TW 2018,
reference [16]) has one sub-network for all blocks; ELE-AdaptNet (Madono et al., AAAI workshop on AIoT 2020, reference
[19]) has one for each block and a learnt pseudo permutation of the blocks.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 16
"""Channels that leave an adaptation network, whatever the block size."""

Adaptation = Literal["none", "le", "ele"]


class LEAdaptation(nn.Module):
    """LE-AdaptNet as Madono et al. built it: convolution of whole blocks, BN, leaky ReLU, pixel shuffle.

    Batch normalisation takes its statistics over images and blocks together, as in Tanaka's own network; the code of
    Madono et al. feeds it block by block, so that there each block has statistics of its own in training.

    Args:
        block_size: B.
        in_chans: Channels of the input.

    Shape:
        - x: float [batch, in_chans, H, W], H and W divisible by B
        - output: [batch, 16, H, W]
    """

    def __init__(self, block_size: int = 4, in_chans: int = 3) -> None:
        super().__init__()
        self.block_size = block_size
        width = CHANNELS * block_size**2
        self.conv = nn.Conv2d(in_chans, width, block_size, block_size, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return F.pixel_shuffle(F.leaky_relu(self.norm(self.conv(x)), 0.1), self.block_size)


class ELEAdaptation(nn.Module):
    """ELE-AdaptNet: a sub-network for each block, all of them one batched product, then a pseudo permutation of blocks.

    Block n passes through its own convolution (spectrally normalised weight, no bias), BN and leaky ReLU; the feature
    vectors are mixed by U, h_k = sum_n f_n U[n, k]; a pixel shuffle makes images of them.

    Args:
        image_size: Side of the input.
        block_size: B; N = (image_size / B)^2 blocks.
        in_chans: Channels of the input.
        permutation_weight: Weight of L_U in the loss, 1e-3 as published.
        smoothness_weight: Weight of L_s, 0.1 as published.

    Shape:
        - x: float [batch, in_chans, image_size, image_size]
        - output: [batch, 16, image_size, image_size]
    """

    def __init__(
        self,
        image_size: int = 32,
        block_size: int = 4,
        in_chans: int = 3,
        permutation_weight: float = 1e-3,
        smoothness_weight: float = 0.1,
    ) -> None:
        super().__init__()
        self.block_size, self.grid = block_size, image_size // block_size
        self.permutation_weight, self.smoothness_weight = permutation_weight, smoothness_weight
        blocks, width, size = self.grid**2, CHANNELS * block_size**2, in_chans * block_size**2
        self.weight = nn.Parameter(torch.randn(blocks, width, size) * (2 / (width * block_size**2)) ** 0.5)
        self.left: Tensor
        self.register_buffer("left", F.normalize(torch.randn(blocks, width), dim=1))
        self.norm = nn.BatchNorm1d(blocks * width)
        self.mixing = nn.Parameter(torch.empty(blocks, blocks).uniform_(-1, 1) * blocks**-0.5)
        with torch.no_grad():
            for _ in range(15):  # so that the first estimate is good already
                spectral_normalise(self.weight, self.left)
        self._smoothness: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the features; in training, keep their smoothness for `penalty`."""
        blocks = F.unfold(x, self.block_size, stride=self.block_size)  # [batch, size, N]
        weight = spectral_normalise(self.weight, self.left, update=self.training)
        features = torch.einsum("nws,bsn->bnw", weight, blocks)
        features = F.leaky_relu(self.norm(features.flatten(1)).view_as(features), 0.2)
        mixed = torch.einsum("bnw,nk->bwk", features, self.mixing)
        output = F.pixel_shuffle(mixed.view(*mixed.shape[:2], self.grid, self.grid), self.block_size)
        self._smoothness = smoothness_penalty(output) if self.training else None
        return output

    def penalty(self) -> Tensor | None:
        """Return 1e-3 L_U + 0.1 L_s of the last forward pass in training, once."""
        smoothness, self._smoothness = self._smoothness, None
        if smoothness is None:
            return None
        return self.permutation_weight * permutation_penalty(self.mixing) + self.smoothness_weight * smoothness


class Adapted(nn.Module):
    """An adaptation network and the network behind it.

    Args:
        adaptation: To 16 channels.
        network: float [batch, 16, H, W] -> logits.
    """

    def __init__(self, adaptation: LEAdaptation | ELEAdaptation, network: nn.Module) -> None:
        super().__init__()
        self.adaptation, self.network = adaptation, network

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.network(self.adaptation(x))
        return logits

    def penalty(self) -> Tensor | None:
        """Return what the last forward pass in training adds to the loss, if anything."""
        return self.adaptation.penalty() if isinstance(self.adaptation, ELEAdaptation) else None


def adapted(build: Callable[..., nn.Module], adaptation: Adaptation, image_size: int, block_size: int) -> nn.Module:
    """Build a network, behind an adaptation network if one is asked for.

    Args:
        build: Makes the network; takes `in_chans` where an adaptation network feeds it.
        adaptation: "none", "le" or "ele".
        image_size: Side of the images.
        block_size: Of the encryption.
    """
    if adaptation == "none":
        return build()
    front = LEAdaptation(block_size) if adaptation == "le" else ELEAdaptation(image_size, block_size)
    return Adapted(front, build(in_chans=CHANNELS))


def spectral_normalise(weight: Tensor, left: Tensor, update: bool = True) -> Tensor:
    """Divide each of N matrices by its largest singular value, as estimated by one step of power iteration.

    Args:
        weight: [N, rows, columns].
        left: Estimates of the left singular vectors, [N, rows].
        update: Take the step, in place on `left`.
    """
    # products and sums rather than matmul, which would estimate to three digits under bf16 autocast
    with torch.no_grad():
        right = F.normalize((weight * left[:, :, None]).sum(1), dim=1)
        if update:
            left.copy_(F.normalize((weight * right[:, None, :]).sum(2), dim=1))
        outer = left[:, :, None] * right[:, None, :]
    return weight / (weight * outer).sum((1, 2), keepdim=True)


def permutation_penalty(mixing: Tensor) -> Tensor:
    """Return L_U: the sum over rows and columns of ||u||_1 - ||u||_2, by N^2; 0 for scaled permutations only.

    Args:
        mixing: U, [N, N].
    """
    rows, columns = ((mixing.abs().sum(axis) - mixing.norm(dim=axis)).sum() for axis in (1, 0))
    penalty: Tensor = (rows + columns) / mixing.numel()
    return penalty


def smoothness_penalty(features: Tensor) -> Tensor:
    """Return L_s, the squared total variation of the features, image by image, as the published code computes it.

    That takes 3 of the 16 channels, differences on the upper left (H-1) x (W-1) values, and the sum by (H-1) W 16.

    Args:
        features: [batch, 16, H, W].
    """
    batch, channels, height, width = features.shape
    first = features[:, :3]
    down = first[:, :, 1:, :-1] - first[:, :, :-1, :-1]
    right = first[:, :, :-1, 1:] - first[:, :, :-1, :-1]
    return (down.square() + right.square()).sum() / ((height - 1) * width * channels * batch)
