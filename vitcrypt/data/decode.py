"""Reading one image file of any size and mode as 8-bit RGB."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2"})


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as the header has them, before any EXIF rotation."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def read_image(path: Path | BinaryIO, size: int | None, interpolation: str = "bilinear") -> Tensor:
    """Read an image file as uint8 [3, h, w].

    Args:
        path: The file, or an open one; any format and mode that Pillow reads. Transparency is dropped, 16 bits go to 8.
        size: Side of the square that the centre is cropped and resized to; None keeps the image as it is.
        interpolation: "bilinear" or "bicubic".

    Raises:
        ValueError: The file is damaged, truncated or no image; the message names it.
    """
    try:
        with Image.open(path) as file:
            image = _rgb(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if size is not None:
        image = crop_square(image).resize((size, size), FILTERS[interpolation])
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def crop_square(image: Image.Image) -> Image.Image:
    """Crop the largest square around the centre."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _rgb(image: Image.Image) -> Image.Image:
    """Convert to 8-bit RGB; 16-bit grey keeps its high byte, where Pillow itself would clip at 255."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _unreadable(path: Path | BinaryIO, error: Exception) -> ValueError:
    if isinstance(error, FileNotFoundError):
        reason = "it is gone"
    elif isinstance(error, UnidentifiedImageError):
        reason = "it is no image, or its beginning is damaged"
    else:
        reason = str(error)
    return ValueError(f"cannot read {path}: {reason}; replace the file or move it out of the folder")
