"""Reading one image file of any size and mode as 8-bit RGB. Training, encrypting and asking all read by this."""

import re
import shlex
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from PIL import Image
from PIL.ImageFile import ImageFile
from torch import Tensor

from vitcrypt.data.formats import FORMATS, REPLACE, UnfitError, foreign_kind, unidentified
from vitcrypt.data.metadata import orientation, without_metadata
from vitcrypt.data.pixels import to_rgb, to_whole_page, too_large
from vitcrypt.untrusted.files import open_regular

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_BYTES = 2**32
"""Length of the largest file that is read."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of EXIF."""
T = TypeVar("T")


def read_image(path: Path | BinaryIO, size: int | None, interpolation: str = "bilinear") -> Tensor:
    """Read an image file as uint8 [3, h, w].

    Args:
        path: The file, or an open one, of one of `FORMATS`. It is turned as its EXIF orientation says; of several
            pages or frames the first whole one is read. `pixels` says what becomes of transparency and of 16 bits.
        size: Side of the square that the centre is cropped and resized to; None keeps the image as it is.
        interpolation: "bilinear" or "bicubic".

    Raises:
        ValueError: The file cannot be read; the message names it and says why.
    """
    image = with_image(path, _upright)
    if size is not None:
        image = crop_square(image).resize((size, size), FILTERS[interpolation])
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def crop_square(image: Image.Image) -> Image.Image:
    """Crop the largest square around the centre."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def with_image(path: Path | BinaryIO, use: Callable[[ImageFile], T]) -> T:
    """Open an image file at its first whole page, without reading pixels, and return what a function makes of it.

    Raises:
        ValueError: The file cannot be opened, or the function failed; the message names the file and says why.
    """
    try:
        with open_regular(path, MAX_BYTES) if isinstance(path, Path) else nullcontext(path) as file:
            try:
                return use(_opened(file))
            except (MemoryError, UnfitError):
                raise
            except Exception:
                if (mended := without_metadata(file)) is None:
                    raise
            return use(_opened(mended))
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can make the decoders raise anything
        name = path if isinstance(path, Path) else "the image"
        raise ValueError(f"cannot read {name}: {_reason(path, error)}") from error


def _opened(file: BinaryIO) -> ImageFile:
    file.seek(0)
    head = file.read(256)
    try:
        file.seek(0)
        image = Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:
        if (kind := foreign_kind(head)) is not None:
            raise UnfitError(kind) from error
        if isinstance(error, Image.UnidentifiedImageError):
            raise Image.UnidentifiedImageError(unidentified(file, head)) from error
        raise
    to_whole_page(image)
    if image.format == "TIFF":  # else Pillow also reads its other metadata when it loads, and fails where those are odd
        image.is_animated = True  # type: ignore[attr-defined]
        image.info.pop("xmp", None)
    return image


def _upright(image: ImageFile) -> Image.Image:
    """Return the pixels, turned as the orientation says, whatever else is in the metadata."""
    rgb = to_rgb(image)
    if image.format == "TIFF":  # Pillow has turned it
        return rgb
    turn = TURNS.get(orientation(image.info))
    return rgb if turn is None else rgb.transpose(turn)


def _reason(path: Path | BinaryIO, error: Exception) -> str:
    """Say why a file cannot be read, and what to do."""
    if isinstance(error, UnfitError | Image.UnidentifiedImageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"it is gone; {REPLACE}"
    if isinstance(error, IsADirectoryError):
        return "it is a folder; name the files in it"
    if isinstance(error, PermissionError):
        return f"you may not read it; as its owner say: chmod u+r {shlex.quote(str(path))}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror}; see to the disk, then repeat the command"
    if isinstance(error, Image.DecompressionBombError) and (pixels := re.search(r"\((\d+) pixels\)", str(error))):
        return too_large(int(pixels[1]))
    said = str(error) or type(error).__name__
    return f"{'it' + said.removeprefix(str(path)) if said.startswith(f'{path} ') else said}; {REPLACE}"
