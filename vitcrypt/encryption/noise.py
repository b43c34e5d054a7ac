"""Formal baselines, which lose information on purpose: pixelisation, and noise of a stated size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from vitcrypt.encryption import primitives
from vitcrypt.encryption.cipher import Cipher, Properties
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage

Distribution = Literal["gaussian", "laplace"]


@dataclass(frozen=True)
class Pixelise(Scheme):
    """Means of b x b pixels, channel by channel, rounded to uint8. No key: everyone who has the image has the same.

    It bounds what is left, C H W / b^2 values, and hides nothing of these: `Noise` with this block size adds what makes
    it differentially private.
    """

    block_size: int = 4
    properties = Properties(invertible=False, keyed=False)

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """There is nothing to draw."""
        return {}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Take means."""
        return Means(self.block_size)

    def invariants(self, images: Tensor) -> Tensor:
        """All that is left, one value a block."""
        return primitives.to_bytes(_means(images, self.block_size)).flatten(1).float()


class Means(Cipher):
    """The mean of its block for each pixel."""

    def __init__(self, block_size: int) -> None:
        super().__init__()
        self.block_size = block_size

    def forward(self, image: Tensor) -> Tensor:
        """Give each pixel the mean of its block."""
        return _spread(primitives.to_bytes(_means(image, self.block_size)), self.block_size)


@dataclass(frozen=True)
class Noise(Scheme):
    """Independent noise on every value, or on every mean of b x b pixels; rounded and clipped to uint8.

    Noise is drawn from the key of the image, so that its owner can make the same ciphertext again. Under one key for
    all images it would be one picture added to all of them, which the difference of any two removes: therefore
    key_scope=per_image only. Nothing decrypts it.

    What it gives, before rounding and clipping, which only take away:

    - Gaussian noise of standard deviation s on single pixels has dFIL = 1 / s^2 for each value (Maeng et al., arXiv
      2305.04146): no unbiased estimate has a mean square error below s^2. Estimates with a prior do better.
    - DP-Pix (Fan 2018): images that differ in at most m values, anywhere, differ by at most 255 m / b^2 in the sum over
      all means. Laplace noise of scale s / sqrt(2), thus of standard deviation s, is epsilon-differentially private
      with epsilon = 255 sqrt(2) m / (b^2 s); a pixel of a colour image is three values.
    - Gaussian noise is (epsilon, delta)-private with epsilon = 255 m sqrt(2 ln(1.25 / delta)) / (b^2 s), if that is
      below 1.

    Args:
        block_size: b; 1 leaves pixels apart.
        sigma: s, in values of 0..255.
        distribution: "gaussian" or "laplace".

    Subkeys:
        noise: float64 [C, H/b, W/b], Gaussian of deviation 1; made Laplacian by the quantiles of both.
    """

    block_size: int = 1
    sigma: float = 32.0
    distribution: Distribution = "gaussian"
    properties = Properties(invertible=False, key_scopes=("per_image",))
    batched = True

    def __post_init__(self) -> None:
        """Check what the noise is."""
        super().__post_init__()
        number = isinstance(self.sigma, int | float) and not isinstance(self.sigma, bool)
        if not number or not math.isfinite(self.sigma) or self.sigma < 0:
            raise ValueError(f"sigma is a standard deviation in values of 0..255, from 0 on; got {self.sigma!r}")
        if self.distribution not in get_args(Distribution):
            raise ValueError(f"distribution is gaussian or laplace; got {self.distribution!r}")

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """A number for each value that noise is added to."""
        return {"noise": Stage("normal", (shape[0], shape[1] // self.block_size, shape[2] // self.block_size))}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Scale the noise."""
        noise = subkeys["noise"]
        if self.distribution == "laplace":  # of deviation 1: the quantile at what the normal distribution says
            noise = -noise.sign() * (math.log(2) + torch.special.log_ndtr(-noise.abs())) / math.sqrt(2)
        return AddedNoise(self.sigma * noise, self.block_size)

    def invariants(self, images: Tensor) -> Tensor:
        """The values that noise is added to: of a ciphertext near those of its image, as noise has mean 0."""
        return _means(images, self.block_size).flatten(1).float()

    def key_space_bits(self, shape: Shape) -> float:
        """0: the size of the noise protects, not the number of keys, and nobody needs a key to take noise away."""
        return 0.0


class AddedNoise(Cipher):
    """Means of blocks, and what is added to them."""

    noise: Tensor

    def __init__(self, noise: Tensor, block_size: int) -> None:
        super().__init__()
        self.block_size = block_size
        self.register_buffer("noise", noise, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Take means, add, round and clip."""
        means = _means(image, self.block_size)
        added = (means + self.noise.to(image.device)).view(means.shape)
        return _spread(primitives.to_bytes(added), self.block_size)


def _means(image: Tensor, size: int) -> Tensor:
    """Return the means of blocks of uint8 [..., H, W], float64 [..., H/b, W/b], exact but for the division."""
    if image.dtype != torch.uint8:
        raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {image.dtype}")
    *rest, height, width = image.shape
    blocks = image.reshape(*rest, height // size, size, width // size, size)
    return blocks.to(torch.int64).sum((-3, -1)).double() / size**2


def _spread(values: Tensor, size: int) -> Tensor:
    return values.repeat_interleave(size, -2).repeat_interleave(size, -1)


SCHEMES.update({"pixelise": Pixelise, "noise": Noise})
