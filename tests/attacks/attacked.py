"""What the tests of attacks attack: images, ciphertexts, oracles. Keys and truth are on this side only."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

from vitcrypt.attacks import Oracle
from vitcrypt.data import resize
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key

SMALL = (3, 32, 32)
VICTIM, PUBLIC = (72, 112, 160), (64, 96, 128, 192)  # sides of the photographs that scenes are cut out of
SCHEMES = [PE(), PE(channel_shuffle=False), LE(4), ELE(4), EtC(4), Proposed(4), LE(8), ELE(8), EtC(8), Proposed(16)]


@cache
def photographs(size: int) -> Tensor:
    """The two photographs of scikit-learn, uint8 [2, 3, size, size]."""
    images = [torch.from_numpy(image[:, 106:533].copy()).permute(2, 0, 1) for image in load_sample_images().images]
    return resize(torch.stack(images), size)


@cache
def scenes(count: int, sizes: tuple[int, ...], side: int = 32) -> Tensor:
    """Scenes cut out of the photographs, which are brought to several sizes first: uint8 [count, 3, side, side]."""
    random = np.random.default_rng(sizes)
    sources = [photographs(size) for size in sizes]
    cut = []
    for _ in range(count):
        source = sources[random.integers(len(sources))]
        y, x = random.integers(0, source.shape[-1] - side + 1, 2)
        cut.append(source[random.integers(2), :, y : y + side, x : x + side])
    return torch.stack(cut)


def encrypt(scheme: Scheme, images: Tensor, key: str = "test-0") -> tuple[Tensor, dict[str, Tensor]]:
    """Ciphertexts, and the subkeys that nobody but the test sees."""
    shape = tuple(images.shape[1:])
    return ImageEncryption(scheme, Key.test(key), shape)(images), scheme.subkeys(Key.test(key), shape)


def oracle(scheme: Scheme, shape: tuple[int, int, int], budget: int, key: str = "test-0") -> Oracle:
    return Oracle(ImageEncryption(scheme, Key.test(key), shape), budget)
