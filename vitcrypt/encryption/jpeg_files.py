"""JPEG files as ciphertexts are kept in them, written and read by Pillow."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from vitcrypt.untrusted.jpeg import check_jpeg

WHOLE_COLOURS = 0
"""Pillow's name for 4:4:4: colours as fine as brightness, since a block of a ciphertext has colours of its own."""


def encode(image: ArrayLike, quality: int) -> bytes:
    """Return uint8 [3, H, W] or [1, H, W] as a JPEG file, baseline, without subsampling."""
    pixels = np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))
    file = io.BytesIO()
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    picture.save(file, "JPEG", quality=quality, subsampling=WHOLE_COLOURS)
    return file.getvalue()


def decode(data: bytes) -> NDArray[np.uint8]:
    """Return what `encode` made as uint8 [3, H, W] or [1, H, W]; for files of our own."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        pixels: NDArray[np.uint8] = np.array(picture)
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1).copy()


def decode_foreign(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a JPEG file that may come from anyone as uint8 [C, H, W], if it is as `encode` makes them.

    Raises:
        ValueError: It is another; the message goes on from "the file ...".
    """
    channels, height, width = shape
    check_jpeg(data, width, height, channels)
    try:
        image = decode(data)
        if image.shape != shape:
            raise ValueError(f"its reader takes it for {list(image.shape)}")
    except Exception as error:  # whatever the decoder meets in there
        raise ValueError(f"is damaged: {error}") from None
    return image
