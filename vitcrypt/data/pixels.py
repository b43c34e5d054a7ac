"""What Pillow read, of any mode and depth, as 8-bit RGB; and what is refused, as its file does not say how it looks.

- 16 bits: the high byte counts. 12 bits of a TIFF: the highest 8 of them.
- White is zero (TIFF): inverted.
- Transparency: laid on white, c * a / 255 + 255 - a rounded to the nearest; opaque pixels stay as they are.
- Floating-point numbers, signed and 32-bit integers: refused, as their range is not in the file.
"""

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

from vitcrypt.data.formats import MAX_PIXELS, UnfitError, numbers_of

SIXTEEN_BIT_GREY = ("PNG", "PPM")
"""Formats whose images of mode I are unsigned 16-bit grey; elsewhere they are 32-bit or signed integers."""
SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_IFDS = 254, 255, 330
REDUCED, MASK = 1, 4
MAX_PAGES = 100


def is_deep(image: ImageFile) -> bool:
    """Whether an image that is open and not loaded yet has more than 8 bits in each channel."""
    args = image.tile[0][3] if image.tile else ""
    netpbm = isinstance(args, tuple) and image.format == "PPM" and isinstance(args[-1], int) and args[-1] > 255
    return image.mode.startswith("I") or ";16" in str(args) or netpbm


def to_rgb(image: ImageFile) -> Image.Image:
    """Return the pixels of an image that is open and not loaded yet.

    Raises:
        UnfitError: They are of a kind that is not read.
        Exception: Any other of the decoder's: the file is damaged.
    """
    refuse_unfit(image)
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
        raise UnfitError(too_large(image.width * image.height))
    numbers = "integers"
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        numbers, tags = numbers_of(image.tag_v2), image.tag_v2
        planes = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2 and len(tags.get(258, (1,))) > 1
        if planes and max(tags[TiffImagePlugin.BITSPERSAMPLE]) > 8:
            raise UnfitError("its 16-bit channels lie in planes; store them pixel by pixel, or scale to 8 bits")
    if image.mode == "F" or numbers != "integers":
        kind = "floating-point numbers" if numbers == "integers" else numbers
        raise UnfitError(f"its pixels are {kind}; scale it to 8 bits first")
    if image.mode == "I" and image.format not in SIXTEEN_BIT_GREY:
        raise UnfitError("its pixels are 32-bit integers; scale it to 8 bits first")
    if is_deep(image) and image.mode == "RGB" and "transparency" in image.info:
        raise UnfitError("it has a transparent colour of 16 bits; convert it to 8-bit RGB or RGBA first")


def too_large(pixels: int) -> str:
    """Say that an image has too many pixels."""
    return f"it has {pixels // 10**6:,} megapixels, and at most {MAX_PIXELS // 10**6} are read; make it smaller first"


def to_whole_page(image: ImageFile) -> None:
    """Go to the first page of a TIFF file that is no thumbnail, no other copy of reduced resolution and no mask."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or not _is_reduced(image):
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
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,)))
    return 16
