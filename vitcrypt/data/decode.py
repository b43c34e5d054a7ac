"""Reading one image file of any size and mode as 8-bit RGB. Training, encrypting and asking all read by this.

- 16 bits: the high byte counts. 12 bits of a TIFF: the highest 8 of them.
- White is zero (TIFF): inverted.
- Transparency: laid on white, c * a / 255 + 255 - a rounded to the nearest; opaque pixels stay as they are.
- Floating-point numbers, signed and 32-bit integers: refused, as their range is not in the file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from vitcrypt.data import formats
from vitcrypt.data.formats import FORMATS, MAX_PIXELS, REPLACE, UnfitError
from vitcrypt.untrusted.files import open_regular, read_head

if TYPE_CHECKING:
    from torch import Tensor

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
MIRRORED = (TURNS[2], TURNS[3], TURNS[7], TURNS[8]), (TURNS[3], TURNS[4], TURNS[6], TURNS[7])
"""Of these, what mirrors columns, and what mirrors rows."""
SIXTEEN_BIT_GREY = ("PNG", "PPM")
"""Formats whose images of mode I are unsigned 16-bit grey; elsewhere they are 32-bit or signed integers."""
SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_IFDS = 254, 255, 330
REDUCED, MASK = 1, 4
MAX_PAGES = 100
T = TypeVar("T")


def read_image(path: Path | BinaryIO, size: int | None, interpolation: str = "bilinear") -> Tensor:
    """Return what `read_pixels` does as a tensor."""
    import torch

    return torch.from_numpy(read_pixels(path, size, interpolation))


def read_pixels(path: Path | BinaryIO, size: int | None, interpolation: str = "bilinear") -> NDArray[np.uint8]:
    """Read an image file as uint8 [3, h, w].

    Args:
        path: The file, or an open one, of one of `FORMATS`. It is turned as its EXIF orientation says; of several
            pages or frames the first complete one is read.
        size: Side of the square that the centre is cropped and resized to; None keeps the image as it is.
        interpolation: "bilinear" or "bicubic".

    Raises:
        ValueError: The file cannot be read; the message names it and says why.
    """
    if size is None:
        image = with_image(path, _upright)
    else:
        image = with_image(path, partial(_upright, square=True))
        image = image if image.size == (size, size) else image.resize((size, size), FILTERS[interpolation])
    return np.asarray(image).transpose(2, 0, 1).copy()


def crop_square(image: Image.Image, turn: Image.Transpose | None = None) -> Image.Image:
    """Crop the largest square around the centre: of two that are, the one that is left, or upper, when it is turned."""
    side = min(image.size)
    left = (image.width - side + (turn in MIRRORED[0])) // 2
    top = (image.height - side + (turn in MIRRORED[1])) // 2
    return image.crop((left, top, left + side, top + side))


def with_image(path: Path | BinaryIO, use: Callable[[ImageFile], T]) -> T:
    """Open an image file at its first complete page, without reading pixels, and return what a function makes of it.

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
                if (mended := formats.without_metadata(file)) is None:
                    raise
            return use(_opened(mended))
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can make the decoders raise anything
        name = path if isinstance(path, Path) else "the image"
        raise ValueError(f"cannot read {name}: {_reason(path, error)}") from error


def plain_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) if a file begins as `formats.plain_png` knows it; None: `with_image` tells what it is."""
    try:
        return formats.plain_png(read_head(path, formats.HEAD, MAX_BYTES))
    except (OSError, ValueError):
        return None


def _opened(file: BinaryIO) -> ImageFile:
    file.seek(0)
    head = file.read(256)
    file.seek(0)
    try:
        image = Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:
        if (kind := formats.foreign_kind(head)) is not None:
            raise UnfitError(kind) from error
        if isinstance(error, UnidentifiedImageError):
            raise UnidentifiedImageError(formats.unidentified(file, head)) from error
        raise
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _to_complete_page(image)
        image.is_animated = True  # else Pillow also reads its other metadata when it loads, and fails on odd ones
        image.info.pop("xmp", None)
    return image


def _reason(path: Path | BinaryIO, error: Exception) -> str:
    if isinstance(error, UnfitError | UnidentifiedImageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"it is gone; {REPLACE}"
    if isinstance(error, IsADirectoryError):
        return "it is a folder; name the files in it"
    if isinstance(error, PermissionError):
        return f"you may not read it; as its owner run: chmod u+r {shlex.quote(str(path))}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror}; check the disk, then repeat the command"
    if isinstance(error, Image.DecompressionBombError) and (pixels := re.search(r"\((\d+) pixels\)", str(error))):
        return _too_large(int(pixels[1]))
    reason = str(error) or type(error).__name__
    return f"{'it' + reason.removeprefix(str(path)) if reason.startswith(f'{path} ') else reason}; {REPLACE}"


def _upright(image: ImageFile, square: bool = False) -> Image.Image:
    """Return the pixels, or a square of them, turned as the orientation says, whatever else is in the metadata."""
    refuse_unfit(image)
    if square and image.mode == "RGB" and not image.has_transparency_data:
        image.load()
        rgb: Image.Image = image  # copied by cropping alone: large photographs are of this kind
    else:
        rgb = _to_rgb(image)
    # Pillow has turned TIFF; where a PNG is turned can stand behind its pixels
    turn = None if image.format == "TIFF" else TURNS.get(formats.orientation(image.info))
    if square and rgb.width != rgb.height:
        rgb = crop_square(rgb, turn)
    return rgb if turn is None else rgb.transpose(turn)


def _to_rgb(image: ImageFile) -> Image.Image:
    """Return the pixels of an image that is open and not loaded yet; UnfitError if they are of a kind not read."""
    if image.mode.startswith("I"):
        return _high_byte(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    transparent = image.info.get("transparency")
    if image.format == "PNG" and image.mode in ("1", "L") and isinstance(transparent, int):
        scale = {"1": 255, "L;2": 85, "L;4": 17}.get(str(image.tile[0][3]), 1)
        image.info["transparency"] = min(transparent * scale, 255)
    image.load()
    straight = image.convert("LA") if image.mode == "La" else image
    rgba = straight.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def is_deep(image: ImageFile) -> bool:
    """Whether an image that is open and not loaded yet has more than 8 bits in each channel."""
    args = image.tile[0][3] if image.tile else ""
    netpbm = isinstance(args, tuple) and image.format == "PPM" and isinstance(args[-1], int) and args[-1] > 255
    return image.mode.startswith("I") or ";16" in str(args) or netpbm


def used_bits(image: ImageFile) -> int:
    """Return how many of its 16 bits an image uses that `is_deep` and not loaded yet: those of its largest value.

    Where Pillow gives the high byte alone, and that is 0, it is 8.
    """
    refuse_unfit(image)
    if image.mode.startswith("I"):
        return int(np.asarray(image).max()).bit_length() + 16 - _depth(image)
    image.load()
    high = max(int(np.asarray(image.getchannel(name)).max()) for name in image.getbands() if name not in "Aa")
    return 8 + high.bit_length()


def refuse_unfit(image: ImageFile) -> None:
    """Raise UnfitError if an image that is open is too large, or its pixels are of a kind that is not read."""
    if image.width * image.height > MAX_PIXELS:
        raise UnfitError(_too_large(image.width * image.height))
    numbers = "integers"
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        numbers, tags = formats.numbers_of(image.tag_v2), image.tag_v2
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        if tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2 and len(bits) > 1 and max(bits) > 8:
            raise UnfitError("its 16-bit channels lie in planes; store them pixel by pixel, or scale to 8 bits")
    if image.mode == "F" or numbers != "integers":
        kind = "floating-point numbers" if numbers == "integers" else numbers
        raise UnfitError(f"its pixels are {kind}; scale it to 8 bits first")
    if image.mode == "I" and image.format not in SIXTEEN_BIT_GREY:
        raise UnfitError("its pixels are 32-bit integers; scale it to 8 bits first")
    if is_deep(image) and image.mode == "RGB" and "transparency" in image.info:
        raise UnfitError("it has a transparent colour of 16 bits; convert it to 8-bit RGB or RGBA first")


def _too_large(pixels: int) -> str:
    return f"it has {pixels // 10**6:,} megapixels, and at most {MAX_PIXELS // 10**6} are read; make it smaller first"


def _to_complete_page(image: TiffImagePlugin.TiffImageFile) -> None:
    """Go to the first page that is no thumbnail, no other copy of reduced resolution and no mask."""
    if not _is_reduced(image):
        return
    for page in range(1, MAX_PAGES):
        try:
            image.seek(page)
        except EOFError:
            break
        if not _is_reduced(image):
            return
    image.seek(0)
    if SUB_IFDS in image.tag_v2:
        raise UnfitError("it is a raw photograph with a thumbnail; convert it to PNG or JPEG")


def has_more_pages(image: ImageFile) -> bool:
    """Whether there is a page or frame beside the one that is read, not counting those of reduced resolution."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return bool(getattr(image, "is_animated", False))
    try:
        for page in range(image.tell() + 1, MAX_PAGES):
            image.seek(page)
            if not _is_reduced(image):
                return True
    except Exception:  # it ends here, or is damaged where nothing is read
        return False
    return True


def _is_reduced(image: TiffImagePlugin.TiffImageFile) -> bool:
    kind, old = image.tag_v2.get(SUBFILE_TYPE), image.tag_v2.get(OLD_SUBFILE_TYPE)
    return (isinstance(kind, int) and bool(kind & (REDUCED | MASK))) or old == 2


def _high_byte(image: ImageFile) -> Image.Image:
    """Return the high byte of 16-bit grey, where Pillow itself would clip at 255."""
    depth, values = _depth(image), np.asarray(image)
    grey = (values >> (depth - 8)).clip(0, 255).astype(np.uint8)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(262, 0) == 0:  # white is zero
        grey = 255 - grey
    if isinstance(transparent := image.info.get("transparency"), int):
        grey = np.where(values == transparent, np.uint8(255), grey)
    return Image.fromarray(grey).convert("RGB")


def _depth(image: ImageFile) -> int:
    """Return the bits of grey in which Pillow gives more than 8: 12 or 16."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 16
    return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,))))
