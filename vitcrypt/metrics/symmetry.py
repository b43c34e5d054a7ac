"""Symmetries that an attack cannot tell apart: the same picture mirrored, turned, negated, or with channels exchanged.

Statistics of ciphertexts look alike in a picture and in its mirror image, so an attack may restore either, and a person
sees as much on both. What is compared here is therefore the best of 96 versions: 8 of the square (4 of a rectangle),
6 orders of three channels, as it is and negated. The versions that may be best are found by correlation of reduced
images, SSIM is measured of these and of the image as it is.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vitcrypt.metrics.ssim import ssim

# side of the reduced images, and how many versions are measured beside the image as it is
SIDE, TRIED = 16, 2
# a reduced image with less contrast than this, in grey levels, is flat: what is left are rounding errors
FLAT = 0.01


@dataclass(frozen=True)
class Symmetry:
    """Mirror (left and right), then turn by quarters of a circle, put the channels in another order, negate."""

    quarters: int
    mirrored: bool
    order: tuple[int, ...]
    negated: bool

    def __call__(self, images: Tensor) -> Tensor:
        """Return another version of uint8 [B, C, H, W]."""
        images = self.turned(images)[:, list(self.order)]
        return 255 - images if self.negated else images

    def turned(self, images: Tensor) -> Tensor:
        """Only mirror and turn [B, C, H, W]."""
        return (images.flip(-1) if self.mirrored else images).rot90(self.quarters, (-2, -1))

    def __str__(self) -> str:
        words = ["mirrored"] * self.mirrored + [f"turned by {90 * self.quarters} degrees"] * (self.quarters > 0)
        words += ["channels exchanged"] * (self.order != tuple(range(len(self.order)))) + ["negated"] * self.negated
        return ", ".join(words) or "as it is"


@cache
def symmetries(channels: int, square: bool) -> list[Symmetry]:
    """Return all versions, the image as it is first, its negative second."""
    turns = itertools.product(range(0, 4, 1 if square else 2), (False, True))
    orders = list(itertools.permutations(range(channels)))
    return [Symmetry(*turn, order, negated) for turn, order, negated in itertools.product(turns, orders, (False, True))]


def by_turn(versions: list[Symmetry]) -> list[list[Symmetry]]:
    """Return the versions that are not negated, in their order, those together that are mirrored and turned alike."""
    kept = (version for version in versions if not version.negated)
    return [list(same) for _, same in itertools.groupby(kept, lambda version: (version.quarters, version.mirrored))]


def reduced(images: Tensor) -> Tensor:
    """Return float32 [B, C, h, w], h and w at most 16: means of areas, less the mean of the channel, of norm 1.

    A flat image becomes 0, so that it correlates with nothing.
    """
    height, width = (min(SIDE, side) for side in images.shape[-2:])
    low = adaptive_avg_pool2d(images.float(), (height, width))
    low = low - low.mean((2, 3), keepdim=True)
    norm = low.square().mean((1, 2, 3), keepdim=True).sqrt()
    found: Tensor = torch.where(norm > FLAT, low / norm.clamp_min(FLAT), 0) / low[0].numel() ** 0.5
    return found


def correlations(preds: Tensor, target: Tensor) -> Tensor:
    """Return the correlation of each version of an image with its target: float32 [B, versions], in -1..1.

    Args:
        preds: uint8 [B, C, H, W].
        target: Same shape.
    """
    versions = symmetries(preds.shape[1], preds.shape[2] == preds.shape[3])
    low, true = reduced(preds), reduced(target).flatten(2)
    channels = list(range(preds.shape[1]))
    signed = []
    for same in by_turn(versions):
        products = same[0].turned(low).flatten(2) @ true.mT  # [B, C, C]
        signed += [products[:, list(version.order), channels].sum(1) for version in same]
    found = torch.stack(signed, 1)
    # as `symmetries` has them: each as it is, then negated
    return torch.stack([found, -found], 2).flatten(1)


def symmetric_ssim(preds: Tensor, target: Tensor, as_is: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the highest SSIM over the versions of each image, and the versions that have it.

    Args:
        preds: uint8 [B, C, H, W], as for `ssim`.
        target: Same shape.
        as_is: `ssim(preds, target)` where that is known.

    Returns:
        float64 [B], never below that of the image as it is, and uint8 [B, C, H, W].
    """
    best, images = (ssim(preds, target) if as_is is None else as_is).clone(), preds.clone()
    versions = symmetries(preds.shape[1], preds.shape[2] == preds.shape[3])
    found = correlations(preds, target)
    found[:, 0] = -torch.inf
    # stable: of a flat image, which correlates with nothing, the negative is tried first
    likely = found.argsort(stable=True, dim=1, descending=True)[:, :TRIED]
    for chosen in likely.T:
        version = preds.clone()
        for number in chosen.unique().tolist():
            rows = chosen == number
            version[rows] = versions[number](preds[rows])
        value = ssim(version, target)
        better = value > best
        best[better], images[better] = value[better], version[better]
    return best, images


def common_symmetry(preds: Tensor, target: Tensor) -> Symmetry:
    """Return the one version in which a whole set of images correlates most with its targets."""
    versions = symmetries(preds.shape[1], preds.shape[2] == preds.shape[3])
    return versions[int(correlations(preds, target).mean(0).argmax())]
