"""Networks of Ito et al.'s evaluations, and two of our own: they turn encrypted images into plain ones, or judge them.

All work on [-1, 1]. Sizes are those of the publications by default; `width` scales them down for CPUs. Layers, biases
and initialisation were compared with the public code, of which nothing is copied:
ito-hiroki/learnable_encryption_robustness (`BlockInverse`, `SmallDiscriminator`). The U-Net of ITN is
`vitcrypt.encryption.unet.UNet`.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from vitcrypt.attacks.learned.loop import to_values
from vitcrypt.encryption import Scheme, Shape
from vitcrypt.encryption.primitives import from_vectors
from vitcrypt.encryption.unet import layer
from vitcrypt.models.orbit import OrbitTokens, transformer


class BlockInverse(nn.Sequential):
    """The small network of the attack evaluation by Ito et al.: the same map for every block (or pixel).

    A B x B convolution with stride B and 1 x 1 ones see one block each; nothing is passed between blocks. Maps float
    [B, C, H, W] to the same. Published for blocks of 4 x 4 (48, 48 and 32 channels: as many as a block has values, so
    that no map of a block is out of reach) and for pixels (64, 128, 256). Larger blocks get as many as they have
    values.

    Args:
        channels: Channels of the images.
        block_size: Block size of the scheme.
        width: Channels of the first two layers, 64 of the first for pixels; None: as published.
    """

    def __init__(self, channels: int, block_size: int, width: int | None = None) -> None:
        if block_size == 1:
            first = width or 64
            sizes = [first, 2 * first, 4 * first]
        else:
            first = width or channels * block_size**2
            sizes = [first, first, 32 * block_size**2]
        super().__init__(
            layer(channels, sizes[0], block_size, block_size),
            layer(sizes[0], sizes[1]),
            layer(sizes[1], sizes[2]),
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


class OrbitInverse(OrbitTokens):
    """A set transformer that draws an image from what no key changes: float [B, C, H, W] in [-1, 1] to the same.

    It knows nothing of where a block was, except by what the block shows. Beside the tokens of the ciphertext it has
    one for each patch of the image to be drawn, of the scheme's block size (4 where that is 1).

    Args:
        scheme: The scheme, one of `vitcrypt.models.orbit.TOKENS`.
        shape: (C, H, W) of the images.
        width: Of a token.
        depth: Number of layers, of 4 heads each.
    """

    def __init__(self, scheme: Scheme, shape: Shape, width: int = 128, depth: int = 4) -> None:
        channels, height, across = shape
        side = scheme.block_size if scheme.block_size > 1 else 4
        super().__init__(scheme.name, side, shape, width)
        self.shape, self.patches = shape, height * across // side**2
        self.drawn = nn.Parameter(0.02 * torch.randn(self.patches, width))
        self.blocks = transformer(width, depth, 4)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, channels * side**2), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Draw an image."""
        tokens = torch.cat([self.drawn.expand(len(image), -1, -1), self.embed(image)], 1)
        patches: Tensor = self.head(self.blocks(tokens)[:, : self.patches])
        return from_vectors(patches, self.shape, self.block_size)


class SmallDiscriminator(nn.Sequential):
    """The DCGAN-like discriminator of the evaluation by Ito et al.: one logit per image.

    At 32 x 32 its last map has one place, as published; of larger images it is the mean over places.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, bias=False),
            nn.MaxPool2d(3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(0),
        )


@torch.no_grad()
def initialise_as_dcgan(module: nn.Module) -> None:
    """Draw weights of convolutions from N(0, 0.02) and of batch normalisations from N(1, 0.02); for `Module.apply`.

    Convolutions under spectral norm keep torch's, as in the public code, where the draw is overwritten; their scale is
    divided out anyway.
    """
    if isinstance(module, nn.Conv2d) and not hasattr(module, "weight_orig"):
        module.weight.normal_(0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        module.weight.normal_(1, 0.02)
        module.bias.zero_()
