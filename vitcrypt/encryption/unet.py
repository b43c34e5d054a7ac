"""The U-Net of Ito, Kinoshita and Kiya (IEEE Access 9:64629, 2021): the transformation network, and the attack on it.

Layers were compared with the public code (ito-hiroki/image_to_perturbation), of which nothing is copied.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d


def layer(before: int, after: int, size: int = 1, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU."""
    convolution = nn.Conv2d(before, after, size, stride, padding)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Maps float [B, C, H, W] in [-1, 1] to the same; H and W must divide by 2^(levels - 1).

    Inside it works on [0, 1], as published: its output is a sigmoid.
    """

    def __init__(self, channels: int, width: int = 64, levels: int = 5) -> None:
        super().__init__()

        def twice(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(layer(before, after, 3, padding=1), layer(after, after, 3, padding=1))

        sizes = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(twice(before, after) for before, after in itertools.pairwise([channels, *sizes]))
        self.widen = nn.ModuleList(layer(after, before, 3, padding=1) for before, after in itertools.pairwise(sizes))
        self.up = nn.ModuleList(twice(2 * size, size) for size in sizes[:-1])
        self.out = nn.Sequential(nn.Conv2d(width, channels, 1), nn.Sigmoid())

    def forward(self, image: Tensor) -> Tensor:
        """Transform an image."""
        image, skipped = (image + 1) / 2, []
        for level, block in enumerate(self.down):
            image = block(max_pool2d(image, 2) if level else image)
            skipped.append(image)
        for widen, up, skip in list(zip(self.widen, self.up, skipped[:-1], strict=True))[::-1]:
            image = up(torch.cat([skip, widen(interpolate(image, scale_factor=2))], 1))
        made: Tensor = self.out(image)
        return 2 * made - 1
