"""JPEG files as ciphertexts are kept in them, written and read by Pillow."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from vitcrypt.untrusted.jpeg import check_jpeg

WHOLE_COLOURS = 0
"""Pillow's name for 4:4:4: colours as fine as brightness, since a block of a ciphertext has colours of its own."""


def encode(image: ArrayLike, quality: int, table: list[int] | None = None) -> bytes:
    """Return uint8 [3, H, W] or [1, H, W] as a JPEG file, baseline, without subsampling.

    Args:
        image: The image.
        quality: 1 to 100, by which the standard tables are scaled.
        table: The 64 steps of quantisation, row by row, in place of these.
    """
    pixels = np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))
    file = io.BytesIO()
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    quantised = {"quality": quality} if table is None else {"qtables": [table]}
    picture.save(file, "JPEG", subsampling=WHOLE_COLOURS, **quantised)
    return file.getvalue()


@cache
def _standard(quality: int) -> dict[int, list[int]]:
    """Return the tables of brightness (0) and of colours (1) at a quality, as Pillow writes them into files."""
    with Image.open(io.BytesIO(encode(np.zeros((3, 8, 8), np.uint8), quality)), formats=["JPEG"]) as picture:
        assert isinstance(picture, JpegImageFile)
        return picture.quantization


def of_planes(quality: int) -> list[int]:
    """Return one table for Y, Cb and Cr in a gray image: of the three standard ones the geometric mean.

    A coefficient costs about the logarithm of its size over its step, so that by their mean the three planes cost
    together about what each would by its own.
    """
    tables = _standard(quality)
    return [round((luma * colour**2) ** (1 / 3)) for luma, colour in zip(tables[0], tables[1], strict=True)]


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
