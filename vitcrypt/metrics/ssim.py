"""SSIM and PSNR of 8-bit images, by the definitions that the public evaluation scripts call.

SSIM is scikit-image's `structural_similarity(a, b, channel_axis=..., data_range=255)`: a uniform 7 x 7 window, sample
covariance (divided by 48, not 49), the mean over all windows that lie inside the image and over the channels. It is
not the Gaussian-window SSIM of Wang et al. 2004, whose numbers differ in the second decimal.
"""

import torch
from torch import Tensor

WINDOW = 7
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
CHUNK = 2**17  # values of an image batch that are worked on at once: five maps of doubles


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity of each pair of images.

    Args:
        a: uint8 [B, C, H, W], H and W at least 7.
        b: Same shape.

    Returns:
        float64 [B], at most 1.

    Raises:
        TypeError: An image is not uint8.
        ValueError: Shapes differ or an image is smaller than the window.
    """
    _check(a, b)
    if min(a.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM slides a {WINDOW} x {WINDOW} window, got images of {a.shape[-2]} x {a.shape[-1]}")
    size = max(1, CHUNK // a[0].numel()) if len(a) else 1
    pairs = zip(a.split(size), b.split(size), strict=True)
    return torch.cat([_ssim(x.double(), y.double()) for x, y in pairs]) if len(a) else torch.zeros(0).double()


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    count = WINDOW * WINDOW
    sum_a, sum_b, sum_aa, sum_bb, sum_ab = (_window_sums(x) for x in (a, b, a * a, b * b, a * b))
    mean_a, mean_b = sum_a / count, sum_b / count
    # sums of integers are exact in float64, and so is the difference of a flat window: 0, not a rounding error
    variances = (count * (sum_aa + sum_bb) - sum_a**2 - sum_b**2) / (count * (count - 1))
    covariance = (count * sum_ab - sum_a * sum_b) / (count * (count - 1))
    contrast = (2 * covariance + C2) / (variances + C2)
    return ((2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1) * contrast).mean((1, 2, 3))


def _window_sums(x: Tensor) -> Tensor:
    for axis in (-1, -2):  # adding shifted copies is several times faster than pooling or convolving doubles
        length = x.shape[axis] - WINDOW + 1
        parts = [x.narrow(axis, shift, length) for shift in range(WINDOW)]
        x = parts[0] + parts[1]
        for part in parts[2:]:
            x += part
    return x


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of each pair of uint8 [B, C, H, W]: float64 [B], inf where equal."""
    _check(a, b)
    error = (a.double() - b.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / error)


def fold(image: Tensor) -> Tensor:
    """Return min(v, 255 - v): what a value has in common with its negative.

    Negative-positive transformation leaves folded images as they are, so `ssim(fold(a), fold(b))` says how much of
    what such a scheme does not hide is there, where `ssim(a, b)` also punishes the lost sign.
    """
    return torch.minimum(image, 255 - image)


def _check(a: Tensor, b: Tensor) -> None:
    if a.dtype != torch.uint8 or b.dtype != torch.uint8:
        raise TypeError(f"images are compared as uint8 in 0..255, got {a.dtype} and {b.dtype}")
    if a.shape != b.shape or a.dim() != 4:
        raise ValueError(f"expected two batches [B, C, H, W] of one shape, got {list(a.shape)} and {list(b.shape)}")
