"""Measures of ciphertexts by which image encryption is commonly judged, after Ranke et al. 2026 (arXiv 2608.27066).

They tell a cipher that is plainly weak, and none of them shows that one is not. All take uint8 [n, C, H, W].
"""

import numpy as np
import torch
from scipy.stats import chisquare
from scipy.stats import entropy as relative_entropy
from sklearn.metrics import mutual_info_score
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vitcrypt.metrics.ssim import psnr, ssim

LEVELS = 64
"""Levels of values of which mutual information is counted."""


def measures(plain: Tensor, encrypted: Tensor) -> dict[str, float]:
    """Return all that is measured of ciphertexts beside their images, by name: medians of PSNR and SSIM, else means."""
    return {
        "MSE": float((plain.double() - encrypted.double()).square().mean()),
        "PSNR, dB": float(psnr(plain, encrypted).median()),
        "SSIM": float(ssim(plain, encrypted).median()),
        "MI, bits": mutual_information(plain, encrypted),
        "KL, bits": divergence(plain, encrypted),
        "chi^2": chi_square(encrypted),
        "entropy": entropy(encrypted),
        "entropy, 2D": entropy_2d(encrypted),
        "adjacent": adjacent_correlation(encrypted),
        "flatness": spectral_flatness(encrypted),
    }


def changes(encrypted: Tensor, of_bit: Tensor, of_key: Tensor) -> dict[str, float]:
    """Return in percent how ciphertexts differ from those of `one_bit` of their images, and of another key."""
    pairs, rates = (("image", of_bit), ("key", of_key)), (("NPCR", npcr), ("UACI", uaci))
    return {f"{name}, {kind}": 100 * rate(encrypted, other) for kind, other in pairs for name, rate in rates}


def one_bit(images: Tensor) -> Tensor:
    """Change the lowest bit of one value of each image."""
    changed = images.clone()
    changed[:, 0, images.shape[2] // 2, images.shape[3] // 2] ^= 1
    return changed


def mutual_information(plain: Tensor, encrypted: Tensor) -> float:
    """Return the bits that a value tells of the one in its place, over all images together, in 64 levels."""
    step = 256 // LEVELS
    levels = [(images // step).flatten().numpy() for images in (plain, encrypted)]
    return float(mutual_info_score(*levels) / np.log(2))


def entropy(images: Tensor) -> float:
    """Return the entropy of an image's values in bits, the mean over images; at most 8."""
    return float(np.mean([relative_entropy(counts, base=2) for counts in histograms(images)]))


def entropy_2d(images: Tensor) -> float:
    """Return the entropy in bits of a value with the mean of the 3 x 3 around it (Abutaleb 1989), the mean over images.

    At most 16, and no more than log2 of the values of an image: 11.6 at 32 x 32 in colour.
    """
    means = avg_pool2d(images.float(), 3, 1, 1, count_include_pad=False).long()
    pairs = (256 * images.long() + means).flatten(1)
    return float(np.mean([relative_entropy(image.unique(return_counts=True)[1], base=2) for image in pairs]))


def chi_square(images: Tensor) -> float:
    """Return the chi-square distance of an image's values from equally frequent ones, the mean; 255 of noise."""
    return float(np.mean([chisquare(counts).statistic for counts in histograms(images)]))


def divergence(plain: Tensor, encrypted: Tensor) -> float:
    """Return the Kullback-Leibler divergence of an image's values from its ciphertext's, in bits, the mean.

    One is added to each count, so that it is finite; 0 where the values are only moved.
    """
    pairs = zip(histograms(plain), histograms(encrypted), strict=True)
    return float(np.mean([relative_entropy(a + 1, b + 1, base=2) for a, b in pairs]))


def histograms(images: Tensor) -> list[np.ndarray]:
    """Return how often each value is in each image, int64 [256] each."""
    return [image.flatten().bincount(minlength=256).numpy() for image in images.long()]


def adjacent_correlation(images: Tensor) -> float:
    """Return the correlation of values with their right and lower neighbours, the mean over both and over images."""
    values = images.double()
    right = values[..., :, :-1].flatten(1), values[..., :, 1:].flatten(1)
    lower = values[..., :-1, :].flatten(1), values[..., 1:, :].flatten(1)
    return float(torch.stack([_correlation(*right), _correlation(*lower)]).nanmean())


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    one, other = (side - side.mean(1, keepdim=True) for side in (one, other))
    return (one * other).sum(1) / (one.square().sum(1) * other.square().sum(1)).sqrt()


def spectral_flatness(images: Tensor) -> float:
    """Return the geometric over the arithmetic mean of a channel's power spectrum less its mean; white noise: 0.56."""
    power = torch.fft.fft2(images.double()).abs().square().flatten(2)[..., 1:] + 1e-9
    return float((power.log().mean(2).exp() / power.mean(2)).mean())


def npcr(one: Tensor, other: Tensor) -> float:
    """Return the share of values that differ (number of pixel change rate); 0.9961 of uniform noise."""
    return float((one != other).double().mean())


def uaci(one: Tensor, other: Tensor) -> float:
    """Return by how much they differ, of 255 (unified average changing intensity); 0.3346 of uniform noise."""
    return float((one.double() - other.double()).abs().mean() / 255)
