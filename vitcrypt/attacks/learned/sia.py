"""The networks of SIA-GAN (Madono et al., IEEE Access 9:129385, 2021), layer by layer.

Read as description: generator.py and dcgan_spec_acgan.py of MADONOKOUKI/SIA-GAN, and what its later package says about
them; nothing is copied. Where paper and code differ, the code is followed, which made the numbers: no batch
normalisation before the last tanh, no activation after the convolution to 1,024 channels, no spectral norm in the
attention. Left out are the two heads for classes that no loss of it uses.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, unfold
from torch.nn.utils import spectral_norm


def _float32(weight: Tensor) -> AbstractContextManager[object]:
    """Leave the precision of a training for a while; tensors on the meta device have none to leave."""
    return nullcontext() if weight.is_meta else torch.autocast(weight.device.type, enabled=False)


class BlockMaps(nn.Module):
    """A linear map for each block, each divided by its largest singular value (one power iteration a step).

    Maps float [B, C, H, W] to float [B, features, H / block_size, W / block_size]. A convolution with `block_size` as
    kernel and stride, with a kernel of its own at every place.

    Args:
        channels: Channels of the images.
        block_size: Side of a block.
        blocks: Blocks in an image; 1: they share one map.
        features: Channels of the output.
    """

    left: Tensor
    right: Tensor

    def __init__(self, channels: int, block_size: int, blocks: int, features: int) -> None:
        super().__init__()
        size = channels * block_size**2
        self.block_size = block_size
        self.weight = nn.Parameter(torch.empty(blocks, features, size).uniform_(-(size**-0.5), size**-0.5))
        self.register_buffer("left", normalize(torch.randn(blocks, features, 1), dim=1))
        self.register_buffer("right", normalize(torch.randn(blocks, size, 1), dim=1))

    def forward(self, image: Tensor) -> Tensor:
        """Cut, map, and put the features where the block was."""
        batch, _, height, width = image.shape
        blocks = unfold(image, self.block_size, stride=self.block_size)  # [B, C * s * s, N]
        weight = self.weight / self._largest()
        shared = len(weight) == 1
        mapped = weight[0] @ blocks if shared else torch.einsum("bkn,nfk->bfn", blocks, weight)
        return mapped.reshape(batch, -1, height // self.block_size, width // self.block_size)

    def _largest(self) -> Tensor:
        """Return the estimate of the largest singular value of each map, [blocks, 1, 1]; its gradient is followed."""
        with _float32(self.weight):
            if self.training:
                with torch.no_grad():
                    self.right = normalize(self.weight.mT @ self.left, dim=1)
                    self.left = normalize(self.weight @ self.right, dim=1)
            return self.left.mT @ self.weight @ self.right


class BlockNorm(nn.Module):
    """Batch normalisation with statistics for each place: every block's map is followed by one of its own."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features * blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise float [B, features, h, w], each feature of each place over the batch."""
        normalised: Tensor = self.norm(x.flatten(1))
        return normalised.view_as(x)


def _convolution(before: int, after: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(before, after, 3, padding=1, bias=False))


class Residual(nn.Module):
    """Two convolutions with batch normalisation beside the identity, and an activation after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = ((_convolution(width, width), nn.BatchNorm2d(width)) for _ in range(2))
        self.branch = nn.Sequential(*first, nn.LeakyReLU(0.1), *second)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [B, width, H, W] to the same."""
        activated: Tensor = self.activation(self.branch(x) + x)
        return activated


class SIAGenerator(nn.Sequential):
    """The generator: a map for each block, then convolutions over all. 1.09 M parameters at 32 x 32 and 4 x 4.

    Args:
        channels: Channels of the images.
        block_size: Block size of the scheme; 1 for PE.
        blocks: Blocks in an image; 1: one map, with one normalisation, for all of them.
        width: Channels of the convolutions.
    """

    def __init__(self, channels: int, block_size: int, blocks: int, width: int = 64) -> None:
        seen = max(4, width // 4)
        features = seen * block_size**2
        super().__init__(
            BlockMaps(channels, block_size, blocks, features),
            BlockNorm(features, blocks) if blocks > 1 else nn.BatchNorm2d(features),
            nn.LeakyReLU(0.1),
            nn.PixelShuffle(block_size),
            *(_convolution(seen, width), nn.BatchNorm2d(width), nn.LeakyReLU(0.1)),
            *(Residual(width) for _ in range(3)),
            *(_convolution(width, width), nn.BatchNorm2d(width), nn.LeakyReLU(0.1)),
            _convolution(width, channels),
            nn.Tanh(),
        )


def from_fixed_start(layer: nn.Module) -> nn.Module:
    """Give a layer the spectral norm of the published discriminator; return the layer.

    Before every pass, in evaluation too, its weights themselves are divided by an estimate of their largest singular
    value: one power iteration that begins at the same random vector every time.
    """
    assert isinstance(layer.weight, Tensor)
    layer.register_buffer("start", torch.randn(layer.weight.shape[0]))
    layer.register_forward_pre_hook(_divide)
    return layer


@torch.no_grad()
def _divide(layer: nn.Module, _: object) -> None:
    assert isinstance(layer.weight, Tensor)
    assert isinstance(layer.start, Tensor)
    with _float32(layer.weight):
        weight = layer.weight.flatten(1)
        right = normalize(weight.mT @ layer.start, dim=0)
        left = normalize(weight @ right, dim=0)
        layer.weight.data.div_(left @ weight @ right)


class SelfAttention(nn.Module):
    """Attention over places, added with a learnt weight that starts at 0 (Zhang et al., SAGAN, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Conv2d(width, max(1, width // 8), 1) for _ in range(2))
        self.value = nn.Conv2d(width, width, 1)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Attend over places of float [B, width, H, W]."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(-1)
        attended: Tensor = value @ attention.mT
        return x + self.weight * attended.view_as(x)


class SIADiscriminator(nn.Sequential):
    """The discriminator: one score per image, from features and their places. 13.36 M parameters at 32 x 32.

    Args:
        channels: Channels of the images.
        height: Of the images, a multiple of 8; the last layer is made for it.
        width: Of the images, likewise.
        features: Channels of the first stage; the last convolution has eight times as many.
    """

    def __init__(self, channels: int, height: int, width: int, features: int = 128) -> None:
        layers: list[nn.Module] = []
        before = channels
        for size in (features, 2 * features, 4 * features):
            layers += [from_fixed_start(nn.Conv2d(before, size, 3, padding=1)), nn.LeakyReLU(0.1)]
            layers += [from_fixed_start(nn.Conv2d(size, size, 4, 2, 1)), nn.LeakyReLU(0.1)]
            before = size
        last = from_fixed_start(nn.Conv2d(before, 2 * before, 3, padding=1))
        score = from_fixed_start(nn.Linear(2 * before * (height // 8) * (width // 8), 1))
        super().__init__(*layers, SelfAttention(before), last, SelfAttention(2 * before), nn.Flatten(), score)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores, float [B]."""
        for layer in self:
            image = layer(image)
        return image.flatten()
