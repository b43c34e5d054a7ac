"""SSIM and PSNR of 8-bit images, by the definitions that the public evaluation scripts call.

SSIM is scikit-image's `structural_similarity(a, b, channel_axis=..., data_range=255)`: a uniform 7 x 7 window, sample
covariance (divided by 48, not 49), the mean over all windows that lie inside the image and over the channels. It is
not the Gaussian-window SSIM of Wang et al. 2004, whose numbers differ in the second decimal.
"""

import torch
from torch import Tensor

WINDOW = 7
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# values of an image batch that are worked on at once: maps of int32, then of doubles
CHUNK = 2**17


def ssim(preds: Tensor, target: Tensor) -> Tensor:
    """Return the structural similarity of each pair of images: float64 [B], at most 1.

    Args:
        preds: uint8 [B, C, H, W], H and W at least 7.
        target: Same shape.

    Raises:
        TypeError: An image is not uint8.
        ValueError: Shapes differ or an image is smaller than the window.
    """
    _check(preds, target)
    if min(preds.shape[-2:]) < WINDOW:
        raise ValueError(
            f"SSIM slides a {WINDOW} x {WINDOW} window, got images of {preds.shape[-2]} x {preds.shape[-1]}"
        )
    size = max(1, CHUNK // preds.shape[1:].numel())
    parts = zip(torch.split(preds, size), torch.split(target, size), strict=True)
    return torch.cat([_ssim(a.int(), b.int()) for a, b in parts])


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    # sums of 49 products of bytes are exact in int32, and so is the difference of a flat window: 0, no rounding error
    count = WINDOW * WINDOW
    sum_a, sum_b, squares, sum_ab = (_window_sums(x) for x in (a, b, a * a + b * b, a * b))
    means, product = sum_a * sum_a + sum_b * sum_b, sum_a * sum_b
    variances = (count * squares - means).double() / (count * (count - 1))
    covariance = (count * sum_ab - product).double() / (count * (count - 1))
    luminance = (2 * product.double() / count**2 + C1) / (means.double() / count**2 + C1)
    return (luminance * (2 * covariance + C2) / (variances + C2)).mean((1, 2, 3))


def flat_ssim(colours: Tensor, target: Tensor) -> Tensor:
    """Return the SSIM of each of some constant colours, uint8 [n, C], with each image: float64 [n, B]."""
    count = WINDOW * WINDOW
    found = []
    for part in torch.split(target, max(1, CHUNK // target.shape[1:].numel())):
        sums = _window_sums(part.int())
        mean = sums.double() / count
        variance = (count * _window_sums(part.int() ** 2) - sums**2).double() / (count * (count - 1))
        contrast = C2 / (variance + C2)
        luminances = ((2 * c * mean + C1) / (c**2 + mean**2 + C1) for c in colours.double()[:, None, :, None, None])
        found.append(torch.stack([(luminance * contrast).mean((1, 2, 3)) for luminance in luminances]))
    return torch.cat(found, 1)


def _window_sums(x: Tensor) -> Tensor:
    # adding shifted copies is several times faster than pooling or convolving; 7 are 4 and 2 and 1
    for axis in (-1, -2):
        count = x.shape[axis]
        length = count - WINDOW + 1
        twos = x.narrow(axis, 0, count - 1) + x.narrow(axis, 1, count - 1)
        fours = twos.narrow(axis, 0, length) + twos.narrow(axis, 2, length)
        x = fours.add_(twos.narrow(axis, 4, length)).add_(x.narrow(axis, 6, length))
    return x


def psnr(preds: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of each pair of uint8 [B, C, H, W]: float64 [B], inf where equal."""
    _check(preds, target)
    error = (preds.double() - target.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / error)


def fold_negative(images: Tensor) -> Tensor:
    """Return min(v, 255 - v): what a value has in common with its negative.

    Negative-positive transformation leaves folded images as they are, so `ssim(fold_negative(a), fold_negative(b))`
    measures what such a scheme does not hide, where `ssim(a, b)` also punishes the lost sign.
    """
    return torch.minimum(images, 255 - images)


def _check(preds: Tensor, target: Tensor) -> None:
    if preds.dtype != torch.uint8 or target.dtype != torch.uint8:
        raise TypeError(f"images are compared as uint8 in 0..255, got {preds.dtype} and {target.dtype}")
    if preds.shape != target.shape or preds.dim() != 4:
        raise ValueError(
            f"expected two batches [B, C, H, W] of one shape, got {list(preds.shape)} and {list(target.shape)}"
        )
