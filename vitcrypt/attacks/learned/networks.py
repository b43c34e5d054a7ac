"""Networks that try to turn encrypted images into plain ones, and those that judge them. All work on [-1, 1].

Sizes are those of the publications by default; `width` scales them down for CPUs.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm


class BlockInverse(nn.Sequential):
    """The small network of the attack evaluation by Ito et al.: the same map for every block (or pixel).

    A B x B convolution with stride B and two 1 x 1 ones see one block each; with `block_size=1`, four 1 x 1
    convolutions. Nothing is passed between blocks.

    Shape:
        - input and output: float [B, C, H, W]
    """

    def __init__(self, channels: int, block_size: int, width: int = 48) -> None:
        if block_size == 1:
            sizes = [channels, width * 4 // 3, width * 8 // 3, width * 16 // 3]
            layers: list[nn.Module] = []
            for before, after in itertools.pairwise(sizes):
                layers += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            super().__init__(*layers, nn.Conv2d(sizes[-1], channels, 1), nn.Tanh())
            return
        features = max(4, width * 2 // 3)
        super().__init__(
            nn.Conv2d(channels, width, block_size, block_size, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, features * block_size**2, 1, bias=False),
            nn.BatchNorm2d(features * block_size**2),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(block_size),
            nn.Conv2d(features, channels, 1),
            nn.Tanh(),
        )


class NibbleInverse(nn.Module):
    """One affine map of the nibbles of a block, the same for all blocks: what the inverse of LE is.

    Shape:
        - input and output: float [B, C, H, W]
    """

    def __init__(self, channels: int, block_size: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(2 * channels, channels * block_size**2, block_size, block_size)
        self.place = nn.PixelShuffle(block_size)

    def forward(self, image: Tensor) -> Tensor:
        """Take the bytes apart, map, and put the values where the block was."""
        values = ((image + 1) * 127.5).round()
        high = (values / 16).floor()
        nibbles = torch.cat([values - 16 * high, high], 1) / 7.5 - 1
        return self.place(self.map(nibbles)).tanh()


class UNet(nn.Module):
    """The U-Net of the inverse transformation network attack (Ito, Kinoshita, Kiya, IEEE Access 2021).

    Shape:
        - input and output: float [B, C, H, W], H and W divisible by 2^(levels - 1)
    """

    def __init__(self, channels: int, width: int = 64, levels: int = 5) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _twice(before, after) for before, after in zip([channels, *sizes[:-1]], sizes, strict=True)
        )
        self.widen = nn.ModuleList(_once(after, before) for before, after in itertools.pairwise(sizes))
        self.up = nn.ModuleList(_twice(2 * size, size) for size in sizes[:-1])
        self.out = nn.Sequential(nn.Conv2d(width, channels, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Down with a memory, and up again."""
        skipped = []
        for level, block in enumerate(self.down):
            image = block(nn.functional.max_pool2d(image, 2) if level else image)
            skipped.append(image)
        for widen, up, skip in list(zip(self.widen, self.up, skipped[:-1], strict=True))[::-1]:
            image = up(torch.cat([skip, widen(nn.functional.interpolate(image, scale_factor=2))], 1))
        return self.out(image)


def _once(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def _twice(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(*_once(before, after), *_once(after, after))


class PerBlock(nn.Module):
    """A linear map of its own for every block, each divided by its largest singular value (one power iteration a step).

    Shape:
        - image: float [B, C, H, W]
        - output: float [B, features, H / block_size, W / block_size]
    """

    direction: Tensor

    def __init__(self, channels: int, block_size: int, blocks: int, features: int) -> None:
        super().__init__()
        size = channels * block_size**2
        self.block_size = block_size
        self.weight = nn.Parameter(torch.randn(blocks, features, size) / size**0.5)
        self.register_buffer("direction", normalize(torch.randn(blocks, size, 1), dim=1))

    def forward(self, image: Tensor) -> Tensor:
        """Cut, map, and put the features where the block was."""
        batch, _, height, width = image.shape
        blocks = nn.functional.unfold(image, self.block_size, stride=self.block_size)  # [B, C * s * s, N]
        with torch.no_grad():
            across = normalize(self.weight @ self.direction, dim=1)
            if self.training:
                self.direction.copy_(normalize(self.weight.mT @ across, dim=1))
        largest = (across.mT @ self.weight @ self.direction).clamp_min(1e-6)
        mapped = torch.einsum("bkn,nfk->bfn", blocks, self.weight / largest)
        return mapped.reshape(batch, -1, height // self.block_size, width // self.block_size)


class SIAGenerator(nn.Module):
    """The generator of SIA-GAN (Madono et al., IEEE Access 2021): a map for each block, then convolutions over all.

    Args:
        channels: Of the images.
        block_size: Of the scheme; 1 for PE.
        blocks: Blocks in an image; 1 shares one map among all (pixels of PE have one each in the publication).
        width: Channels of the convolutions.
    """

    def __init__(self, channels: int, block_size: int, blocks: int, width: int = 64) -> None:
        super().__init__()
        seen = max(4, width // 4)
        features = seen * block_size**2
        self.blocks = nn.Sequential(
            PerBlock(channels, block_size, blocks, features),
            nn.BatchNorm2d(features),
            nn.LeakyReLU(0.1),
            nn.PixelShuffle(block_size),
            nn.Conv2d(seen, width, 3, padding=1),
        )
        self.residuals = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, width, 3, padding=1, bias=False)),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.1),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1, bias=False)),
                nn.BatchNorm2d(width),
            )
            for _ in range(3)
        )
        self.out = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Restore [B, C, H, W]."""
        features = self.blocks(image)
        for residual in self.residuals:
            features = features + residual(features)
        return self.out(features)


class SelfAttention(nn.Module):
    """Attention over places, added with a learnt weight that starts at 0 (Zhang et al., SAGAN, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 8)
        self.query, self.key = (spectral_norm(nn.Conv2d(width, inner, 1)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(width, width, 1))
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(-1)
        return x + self.weight * (value @ attention.mT).view_as(x)


class SIADiscriminator(nn.Sequential):
    """The discriminator of SIA-GAN: spectrally normalised convolutions with self-attention, one score an image."""

    def __init__(self, channels: int, width: int = 128) -> None:
        layers: list[nn.Module] = []
        before = channels
        for size in (width, 2 * width, 4 * width):
            layers += [spectral_norm(nn.Conv2d(before, size, 3, padding=1)), nn.LeakyReLU(0.1)]
            layers += [spectral_norm(nn.Conv2d(size, size, 4, 2, 1)), nn.LeakyReLU(0.1)]
            before = size
        layers += [SelfAttention(before), spectral_norm(nn.Conv2d(before, 2 * before, 3, padding=1)), nn.LeakyReLU(0.1)]
        layers += [SelfAttention(2 * before), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, spectral_norm(nn.Linear(2 * before, 1)), nn.Flatten(0))


class SmallDiscriminator(nn.Sequential):
    """The DCGAN-like discriminator of the attack evaluation by Ito et al.; logits, their mean over places."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4),
            nn.MaxPool2d(3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(0),
        )
