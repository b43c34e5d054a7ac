"""Does a restored image find its own original among others? A measure that no image without information can raise.

Of n restored images each is compared with all n originals; it is identified if its own is the most similar one. What
is the same for every image (a colour, the mean of other images) finds the same original each time: 1 of n, by chance.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vitcrypt.metrics.ssim import C1, C2, WINDOW
from vitcrypt.metrics.symmetry import by_turn, reduced, symmetries

# images are compared at this side at most, in windows that lie so many pixels apart
SIDE, STRIDE = 32, 5
# similarities that differ by less are equal: rounding errors of float32
EQUAL = 1e-5


def identified(similarity: Tensor) -> float:
    """Return the share of rows of [n, n] whose largest entry is the one on the diagonal; k equal ones count 1/k."""
    own = similarity.diagonal()[:, None]
    hits = (similarity <= own + EQUAL).all(1) / (similarity >= own - EQUAL).sum(1)
    return float(hits.double().mean())


def pairwise_ssim(preds: Tensor, target: Tensor, stride: int = STRIDE) -> Tensor:
    """Return the SSIM of every pair: float32 [n, m].

    It is `ssim` of images reduced to 32 x 32 where they are larger, over windows `stride` pixels apart.

    Args:
        preds: uint8 [n, C, H, W].
        target: uint8 [m, C, H, W].
        stride: 1 takes all windows.
    """
    one, other = (_windows(images, stride) for images in (preds, target))
    total = torch.zeros(len(preds), len(target))
    for a, b in zip(one, other, strict=True):  # [n, 49] and [m, 49] of one window in one channel
        mean_a, mean_b = a.mean(1, keepdim=True), b.mean(1, keepdim=True).T
        centred_a, centred_b = a - mean_a, b - mean_b.T
        covariance = centred_a @ centred_b.T * (2 / (WINDOW**2 - 1))
        variances = centred_a.var(1, keepdim=True) + centred_b.var(1, keepdim=True).T
        luminance = (mean_a @ mean_b).mul_(2).add_(C1).div_(mean_a**2 + mean_b**2 + C1)
        total += covariance.add_(C2).div_(variances.add_(C2)).mul_(luminance)
    return total / len(one)


def pairwise_correlation(preds: Tensor, target: Tensor) -> Tensor:
    """Return the correlation of every pair, the highest over the symmetries: float32 [n, m], in 0..1.

    The features are the colours of at most 16 x 16 areas, less the mean of each channel (`reduced`).

    Args:
        preds: uint8 [n, C, H, W].
        target: uint8 [m, C, H, W].
    """
    low, true = reduced(preds), reduced(target)
    channels = preds.shape[1]
    flat = true.transpose(0, 1).flatten(2).flatten(0, 1)  # [C * m, h * w]
    best = torch.zeros(len(preds), len(target))
    for same in by_turn(symmetries(channels, low.shape[2] == low.shape[3])):
        turned = same[0].turned(low).transpose(0, 1).flatten(2).flatten(0, 1)
        products = (turned @ flat.T).view(channels, len(preds), channels, len(target))
        for version in same:
            found = torch.zeros_like(best)
            for place, channel in enumerate(version.order):
                found += products[channel, :, place]
            best = torch.maximum(best, found.abs_())  # the sign of a negative is the other one
    return best


def _windows(images: Tensor, stride: int) -> Tensor:
    """Return float32 [channels * windows, n, 49]."""
    height, width = (min(SIDE, side) for side in images.shape[-2:])
    low = adaptive_avg_pool2d(images.float(), (height, width))
    cut = low.unfold(2, WINDOW, stride).unfold(3, WINDOW, stride)  # [n, C, rows, columns, 7, 7]
    return cut.flatten(4).permute(1, 2, 3, 0, 4).flatten(0, 2)
