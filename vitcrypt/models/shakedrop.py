"""ShakeDrop regularisation (Yamada et al., IEEE Access 7, 2019, the paper's reference [26]) on a PyramidNet.

PyramidNet: Han, Kim, Kim, "Deep Pyramidal Residual Networks", CVPR 2017. Depth 110 and alpha 270 make the network of
Table I, 28.49 M parameters at 10 classes.
"""

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import conv3x3

Gate = Literal["batch", "sample"]


class _Shake(torch.autograd.Function):
    """Scale by one factor on the way forward and by another on the way back."""

    @staticmethod
    def forward(x: Tensor, forward_factor: Tensor, backward_factor: Tensor) -> Tensor:  # noqa: ARG004
        return x * forward_factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (factor,) = ctx.saved_tensors
        return gradients[0] * factor, None, None


def shake(x: Tensor, gate: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Multiply by b + alpha - b alpha; the gradient is multiplied by b + beta - b beta instead (equation 7).

    Args:
        x: float [B, ...], the output of a residual branch.
        gate: b, bool [B, 1, ...] or [1, 1, ...]; where True the branch is left alone.
        alpha: [B, 1, ...], of the forward pass.
        beta: [B, 1, ...], of the backward pass.
    """
    shaken: Tensor = _Shake.apply(x, torch.where(gate, 1.0, alpha), torch.where(gate, 1.0, beta))
    return shaken


def shake_drop(x: Tensor, keep_prob: float, training: bool = True, gate: Gate = "batch") -> Tensor:
    """Disturb the output of a residual branch in training; return its expectation, keep_prob * x, otherwise.

    alpha is uniform on [-1, 1] and beta on [0, 1], drawn for each image: the publication's values for PyramidNet. As
    E[alpha] = 0, the expectation of the factor is `keep_prob`.

    Args:
        x: float [B, C, H, W].
        keep_prob: Probability that the gate b is 1.
        training: Draw, or take the expectation.
        gate: "batch" draws b once for all images of the batch, as the publication's code does; "sample" for each.

    Everything is drawn on the device of `x`: nothing waits for the host. The draws follow `torch.manual_seed`.
    """
    if not training:
        return x * keep_prob
    each = (x.shape[0], *[1] * (x.dim() - 1))
    count = each if gate == "sample" else [1] * x.dim()
    b = torch.rand(count, device=x.device) < keep_prob
    alpha = torch.empty(each, dtype=x.dtype, device=x.device).uniform_(-1, 1)
    beta = torch.empty(each, dtype=x.dtype, device=x.device).uniform_(0, 1)
    return shake(x, b, alpha, beta)


class ShakeDrop(nn.Module):
    """`shake_drop` as a module; it has no parameters.

    Args:
        keep_prob: Probability that a branch is left alone.
        gate: "batch" or "sample".
    """

    def __init__(self, keep_prob: float, gate: Gate = "batch") -> None:
        super().__init__()
        if not 0 <= keep_prob <= 1:
            raise ValueError(f"keep_prob is a probability, got {keep_prob}")
        if gate not in ("batch", "sample"):
            raise ValueError(f"gate is 'batch' or 'sample', got {gate!r}")
        self.keep_prob, self.gate = keep_prob, gate

    def forward(self, x: Tensor) -> Tensor:
        """Disturb or scale float [B, C, H, W]."""
        return shake_drop(x, self.keep_prob, self.training, self.gate)

    def extra_repr(self) -> str:
        """Show the values."""
        return f"keep_prob={self.keep_prob:.4g}, gate={self.gate!r}"


class PyramidNet(nn.Module):
    """Additive PyramidNet of basic blocks for CIFAR-sized images, with ShakeDrop on every residual branch.

    Args:
        num_classes: Size of the output.
        depth: Number of layers, 6 n + 2; 110 is the paper's, 20 one for a CPU.
        alpha: Channels that are added from the first block to the last, 16 to 16 + alpha.
        last_keep: p_L. Block l of L is left alone with probability 1 - (l / L)(1 - p_L): linear decay. 1: no ShakeDrop.
        gate: Of ShakeDrop, "batch" or "sample".
        in_chans: Channels of the input.

    Shape:
        - x: float [B, in_chans, H, W], H and W divisible by 4
        - output: [B, num_classes]

    Example:
        >>> sum(p.numel() for p in PyramidNet(10, depth=20, alpha=24).parameters())
        143133
    """

    def __init__(
        self,
        num_classes: int,
        depth: int = 110,
        alpha: float = 270,
        last_keep: float = 0.5,
        gate: Gate = "batch",
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            near = max(8, round((depth - 2) / 6) * 6 + 2)
            raise ValueError(f"depth is 6 n + 2 (n blocks of two layers in three stages); got {depth}, try {near}")
        blocks = (depth - 2) // 2
        widths = [16 + round(alpha * i / blocks) for i in range(blocks + 1)]
        self.stem = nn.Sequential(conv3x3(in_chans, 16), nn.BatchNorm2d(16))
        self.blocks = nn.Sequential(
            *(
                _Block(
                    *pair, 2 if i in (blocks // 3, 2 * blocks // 3) else 1, 1 - (i + 1) / blocks * (1 - last_keep), gate
                )
                for i, pair in enumerate(pairwise(widths))
            )
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.fc = nn.Linear(widths[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(F.relu(self.norm(self.blocks(self.stem(x)))).mean((2, 3)))
        return logits


class _Block(nn.Module):
    """BN, conv, BN, ReLU, conv, BN; the shortcut has no parameters: average pooling, and zeros for new channels."""

    def __init__(self, before: int, after: int, stride: int, keep_prob: float, gate: Gate) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(before),
            conv3x3(before, after, stride),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            conv3x3(after, after),
            nn.BatchNorm2d(after),
            ShakeDrop(keep_prob, gate),
        )
        self.stride, self.added = stride, after - before

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, self.stride) if self.stride > 1 else x
        residual: Tensor = self.branch(x)
        return residual + F.pad(shortcut, (0, 0, 0, 0, 0, self.added))
