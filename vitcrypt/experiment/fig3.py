"""The paper's Fig. 3: an image under each scheme, at the paper's two settings."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from vitcrypt.data import cifar10, read_image, resize
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.keys import open_key
from vitcrypt.report.figures import image_grid


def fig3(path: Path, image: Path | None = None, key: str = "test-0") -> str:
    """Draw the figure as a .png file.

    Args:
        path: The file.
        image: An image of one's own; else one of CIFAR-10 where it is at hand, else scikit-learn's photograph.
        key: A key file, or a public test key.

    Returns:
        What image it is.
    """
    what, plain = _example() if image is None else (str(image), partial(read_image, image))
    rows, opened = {}, open_key(key)
    for size, block in ((224, 16), (32, 4)):
        schemes: list[Scheme] = [Plain(), LE(block), EtC(block), ELE(block), PE(), Proposed(block)]
        shown = [ImageEncryption(scheme, opened, (3, size, size))(plain(size)) for scheme in schemes]
        rows[f"{size}, M = {block}"] = [encrypted.permute(1, 2, 0).numpy() for encrypted in shown]
    image_grid(path, rows, [scheme.name for scheme in schemes])
    return what


def _example() -> tuple[str, Callable[[int], torch.Tensor]]:
    """Return a name, and a function from a size to uint8 [3, size, size]."""
    try:
        picture: torch.Tensor = cifar10(download=False).test.batch([0])["image"]
        what = "the first test image of CIFAR-10"
    except FileNotFoundError:
        from sklearn.datasets import load_sample_image

        picture = torch.from_numpy(load_sample_image("china.jpg")[:, 100:527].copy()).permute(2, 0, 1)[None]
        what = "scikit-learn's photograph china.jpg"
    return what, lambda size: resize(picture, size)[0]
