"""Images for figures and cards: from a file, CIFAR-10 where it is at hand, else photographs."""

from pathlib import Path

import torch
from torch import Tensor

from vitcrypt.data import ImageDataset, cifar10, npz, resize


def sample(size: int, count: int, file: Path | None = None) -> tuple[str, Tensor]:
    """Return what images they are, and up to `count` of them, uint8 [n, 3, size, size].

    Args:
        size: Test images of a file or of CIFAR-10 are resized to it; photographs are cut into such squares.
        count: At most so many, spread over all that there are.
        file: An .npz file as `data=npz` reads it.
    """
    if file is not None:
        what, test = str(file.name), npz(str(file)).test
    else:
        try:
            what, test = "CIFAR-10", cifar10(download=False).test
        except FileNotFoundError:
            squares = _squares(size)
            return "scikit-learn's two photographs, cut into squares", squares[_spread(len(squares), count)]
    return f"{what}, test images", resized(test, _spread(len(test), count), size)


def resized(images: ImageDataset, places: list[int], size: int) -> Tensor:
    """Return some images, uint8 [n, 3, size, size]."""
    return resize(images.batch(places)["image"], size)


def at_hand() -> list[str]:
    """Return overrides for CIFAR-10 where it is on this machine, else for scikit-learn's digits."""
    try:
        cifar10(download=False)
    except FileNotFoundError:
        return ["data=digits"]
    return ["data=cifar10"]


def _spread(there: int, count: int) -> list[int]:
    return [i * there // min(there, count) for i in range(min(there, count))]


def _squares(size: int) -> Tensor:
    from sklearn.datasets import load_sample_images

    photographs = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]
    cut = [p.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4).flatten(0, 1) for p in photographs]
    return torch.cat(cut)
