"""Copies of public images as they are met elsewhere: compressed, brightened, cropped, resized."""

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitcrypt.data.transforms import resize

BRIGHTER, CROPPED = 8, 2


def jpeg(images: Tensor, quality: int, subsampling: str = "4:4:4") -> Tensor:
    """Compress and decode."""

    def through(image: Tensor) -> Tensor:
        file = BytesIO()
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        picture.save(file, "JPEG", quality=quality, subsampling=subsampling)
        return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)

    return torch.stack([through(image) for image in images])


def brightened(images: Tensor) -> Tensor:
    """Add 8 to every value, at most to 255."""
    return images.clamp(max=255 - BRIGHTER) + BRIGHTER


def cropped(images: Tensor) -> Tensor:
    """Cut two pixels off every side, and resize to the former size."""
    inner = images[..., CROPPED:-CROPPED, CROPPED:-CROPPED]
    return resize(inner, images.shape[-1])


def resized(images: Tensor) -> Tensor:
    """Resize to three quarters of the size, and back."""
    return resize(resize(images, images.shape[-1] * 3 // 4), images.shape[-1])


COPIES: dict[str, Callable[[Tensor], Tensor]] = {
    "exact": lambda images: images,
    "jpeg90": partial(jpeg, quality=90),
    "jpeg50": partial(jpeg, quality=50),
    "jpeg90_420": partial(jpeg, quality=90, subsampling="4:2:0"),
    "brightened": brightened,
    "cropped": cropped,
    "resized": resized,
}
"""By the names of `attack.observation.gallery_copies`: uint8 [n, 3, S, S] to the same."""
