"""Networks of the learned attacks: some turn encrypted images into plain ones, some judge them. All work on [-1, 1].

Sizes are those of the publications by default; `width` scales them down for CPUs.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, normalize, unfold
from torch.nn.utils.parametrizations import spectral_norm

from vitcrypt.attacks.learned.loop import to_values


def _layer(before: int, after: int, size: int = 1, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU."""
    convolution = nn.Conv2d(before, after, size, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class BlockInverse(nn.Sequential):
    """The small network of the attack evaluation by Ito et al.: the same map for every block (or pixel).

    A B x B convolution with stride B and 1 x 1 ones see one block each; nothing is passed between blocks. Maps float
    [B, C, H, W] to the same.
    """

    def __init__(self, channels: int, block_size: int, width: int = 48) -> None:
        sizes = [width, width, max(4, width * 2 // 3) * block_size**2]
        if block_size == 1:
            sizes = [width * 4 // 3, width * 8 // 3, width * 16 // 3]
        super().__init__(
            _layer(channels, sizes[0], block_size, block_size),
            _layer(sizes[0], sizes[1]),
            _layer(sizes[1], sizes[2]),
            nn.PixelShuffle(block_size),
            nn.Conv2d(sizes[2] // block_size**2, channels, 1),
            nn.Tanh(),
        )


class NibbleInverse(nn.Module):
    """One affine map of a block's nibbles, the same for all blocks, as the inverse of LE is: float [B, C, H, W]."""

    def __init__(self, channels: int, block_size: int) -> None:
        super().__init__()
        size = block_size
        self.map = nn.Sequential(nn.Conv2d(2 * channels, channels * size**2, size, size), nn.PixelShuffle(size))

    def forward(self, image: Tensor) -> Tensor:
        """Split the bytes, map their nibbles, and put the values where the block was."""
        values = to_values(image)
        high = (values / 16).floor()
        restored: Tensor = self.map(torch.cat([values - 16 * high, high], 1) / 7.5 - 1)
        return restored.tanh()


class UNet(nn.Module):
    """The U-Net of the inverse transformation network attack (Ito, Kinoshita, Kiya, IEEE Access 2021).

    Maps float [B, C, H, W] to the same; H and W must divide by 2^(levels - 1).
    """

    def __init__(self, channels: int, width: int = 64, levels: int = 5) -> None:
        super().__init__()

        def twice(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(_layer(before, after, 3, padding=1), _layer(after, after, 3, padding=1))

        sizes = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(twice(before, after) for before, after in itertools.pairwise([channels, *sizes]))
        self.widen = nn.ModuleList(_layer(after, before, 3, padding=1) for before, after in itertools.pairwise(sizes))
        self.up = nn.ModuleList(twice(2 * size, size) for size in sizes[:-1])
        self.out = nn.Sequential(nn.Conv2d(width, channels, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Restore an image."""
        skipped = []
        for level, block in enumerate(self.down):
            image = block(max_pool2d(image, 2) if level else image)
            skipped.append(image)
        for widen, up, skip in list(zip(self.widen, self.up, skipped[:-1], strict=True))[::-1]:
            image = up(torch.cat([skip, widen(interpolate(image, scale_factor=2))], 1))
        restored: Tensor = self.out(image)
        return restored


class PerBlock(nn.Module):
    """A linear map for each block, each divided by its largest singular value (one power iteration per step).

    Maps float [B, C, H, W] to float [B, features, H / block_size, W / block_size].
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
        blocks = unfold(image, self.block_size, stride=self.block_size)  # [B, C * s * s, N]
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
        channels: Channels of the images.
        block_size: Block size of the scheme; 1 for PE.
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

        def normalised() -> nn.Sequential:
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            return nn.Sequential(spectral_norm(convolution), nn.BatchNorm2d(width))

        self.residuals = nn.ModuleList(nn.Sequential(normalised(), nn.LeakyReLU(0.1), normalised()) for _ in range(3))
        last = nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(width, channels, 3, padding=1)
        self.out = nn.Sequential(*last, nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Restore float [B, C, H, W]."""
        features: Tensor = self.blocks(image)
        for residual in self.residuals:
            features = features + residual(features)
        restored: Tensor = self.out(features)
        return restored


class SelfAttention(nn.Module):
    """Attention over places, added with a learnt weight that starts at 0 (Zhang et al., SAGAN, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 8)
        self.query, self.key = (spectral_norm(nn.Conv2d(width, inner, 1)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(width, width, 1))
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Attend over places of float [B, width, H, W]."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(-1)
        attended: Tensor = value @ attention.mT
        return x + self.weight * attended.view_as(x)


class SIADiscriminator(nn.Sequential):
    """The discriminator of SIA-GAN: spectrally normalised convolutions with self-attention, one score per image."""

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
    """The DCGAN-like discriminator of the evaluation by Ito et al.: one logit per image, the mean over places."""

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


class SmallClassifier(nn.Sequential):
    """Three convolutions and a linear layer: logits of the classes."""

    def __init__(self, channels: int, classes: int, width: int = 64) -> None:
        sizes = [channels, width, 2 * width, 4 * width]
        layers = [_layer(before, after, 3, 2, 1) for before, after in itertools.pairwise(sizes)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))
