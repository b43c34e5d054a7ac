"""How often, and how surely, a ciphertext is found again among the images of a gallery."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Linkage:
    """What distances of ciphertexts to candidates come to. Of equally near ones each is as likely to be named first.

    Args:
        top1: The share whose own image is the nearest candidate; chance is 1 of all.
        top5: The share with it among the nearest five.
        anonymity: int64 [n], how many candidates are at least as near as the own one, which counts too: its k.
        membership: How often a ciphertext of an image in the gallery lies nearer to the gallery than another one does
            once its own image is taken out of it (area under the ROC curve); chance is 0.5.
    """

    top1: float
    top5: float
    anonymity: Tensor
    membership: float


def linkage(distances: Tensor, places: Tensor) -> Linkage:
    """Measure the distances of n ciphertexts to m candidates.

    Args:
        distances: float [n, m].
        places: int64 [n], where each ciphertext's own image stands in the gallery.
    """
    own = distances.gather(1, places[:, None])
    nearer, ties = (distances < own).sum(1), (distances == own).sum(1)
    top1, top5 = [float(((k - nearer) / ties).clamp(0, 1).double().mean()) for k in (1, 5)]
    without = distances.scatter(1, places[:, None], torch.inf).min(1).values
    difference = without[None] - distances.min(1).values[:, None]
    membership = float(((difference > 0).double() + 0.5 * (difference == 0)).mean())
    return Linkage(top1, top5, nearer + ties, membership)
