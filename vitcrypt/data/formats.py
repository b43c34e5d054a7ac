"""Which image formats are read, what other files turn out to be, and Pillow's limits, which are set here once.

Pillow is given this list with every file, whatever the file is called: no other decoder is tried, and none of these
starts a program, as those of EPS do.
"""

import logging
import warnings
from contextlib import suppress
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,  # noqa: F401  importing registers them, so that Pillow never looks for others
    GifImagePlugin,  # noqa: F401
    Image,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
    features,
)

with suppress(ImportError):  # Pillow reads it since 11.3
    from PIL import AvifImagePlugin  # noqa: F401

MAX_PIXELS = 2**28
"""Pixels of the largest image that is read: 268 megapixels."""

_BUILT = features.get_supported()
_EXTENSIONS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo") if "jpg" in _BUILT else (),
    "WEBP": (".webp",) if "webp" in _BUILT else (),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx") if "jpg_2000" in _BUILT else (),
    "AVIF": (".avif", ".avifs") if "avif" in _BUILT else (),
}
FORMATS = tuple(name for name, extensions in _EXTENSIONS.items() if extensions)
"""Names of the formats that are read here, as Pillow has them."""
EXTENSIONS = frozenset(extension for extensions in _EXTENSIONS.values() for extension in extensions)
"""What image files may end in, in lower case. What a file is, its contents say."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses from twice as many on
warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd metadata: they name no file
logging.getLogger("PIL").setLevel(logging.CRITICAL)

CONVERT = "convert it to PNG or JPEG"
REPLACE = "replace the file or move it out of the folder"

_BEGINNINGS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%!PS", "PostScript, which is a program", CONVERT),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript, which is a program", CONVERT),
    (0, b"%PDF", "PDF", CONVERT),
    (0, b"8BPS", "a Photoshop document", CONVERT),
    (0, b"gimp xcf", "a GIMP document", CONVERT),
    (0, b"\xff\x0a", "JPEG XL", CONVERT),
    (4, b"JXL ", "JPEG XL", CONVERT),
    (4, b"ftypcrx", "a raw photograph", CONVERT),
    (8, b"CR\x02", "a raw photograph", CONVERT),
    (0, b"FUJIFILMCCD-RAW", "a raw photograph", CONVERT),
    (0, b"II\xbc", "JPEG XR", CONVERT),
    (0, b"v/1\x01", "OpenEXR, of floating-point numbers", "scale it to 8 bits first"),
    (0, b"#?RADIANCE", "Radiance HDR, of floating-point numbers", "scale it to 8 bits first"),
    (0, b"SIMPLE  =", "FITS", "scale it to 8 bits first"),
    (0, b"\x93NUMPY", "an array of NumPy", "save it as an image of 8 bits"),
    (128, b"DICM", "DICOM", "export it as PNG of 8 bits"),
    (0, b"\x00\x00\x01\x00", "an icon (ICO)", CONVERT),
    (0, b"qoif", "QOI", CONVERT),
    (0, b"\x01\xda", "SGI", CONVERT),
    (0, b"<svg", "SVG", CONVERT),
    (0, b"<?xml", "XML (SVG?)", CONVERT),
    (0, b"<!doctype html", "a web page: its download failed", REPLACE),
    (0, b"<html", "a web page: its download failed", REPLACE),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "fetch the image: git lfs pull"),
    (0, b"\x00\x05\x16\x07", "a note of macOS on another file (AppleDouble)", "remove it"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it"),
)
_OWN = {
    b"\x89PNG": "PNG",
    b"\xff\xd8": "JPEG",
    b"GIF8": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"BM": "BMP",
    b"RIFF": "WebP",
}
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_NUMBERS = {
    1: "integers",
    2: "signed integers",
    3: "floating-point numbers",
    5: "complex numbers",
    6: "complex numbers",
}


class UnfitError(ValueError):
    """A file that is whole, perhaps, but of a kind that is not read. Its text says which, and what to do."""


def foreign_kind(head: bytes) -> str | None:
    """Say what a file is that holds none of `FORMATS`, by its first bytes, and what to do; None if they do not tell."""
    if not head:
        return f"it is empty; {REPLACE}"
    if head[4:8] == b"ftyp" and (brands := head[8:64]).find(b"avi") < 0 and any(brand in brands for brand in _HEIC):
        return f"it is HEIC; {CONVERT}"
    for start, magic, name, remedy in _BEGINNINGS:
        if head[start : start + len(magic)].lower() == magic.lower():
            return f"it is {name}; {remedy}"
    return None


def unidentified(file: BinaryIO, head: bytes) -> str:
    """Say why Pillow does not know a file that `foreign_kind` does not know either."""
    name = next((name for magic, name in _OWN.items() if head.startswith(magic)), None)
    if name == "TIFF" and (layout := _tiff_layout(file)) is not None:
        return f"it is a TIFF of {layout}; scale or convert it to 8-bit grey or RGB first"
    if name is not None:
        return f"it begins as {name}, and is damaged or truncated; {REPLACE}"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return f"it is AVIF, which this Pillow does not read, or damaged; {CONVERT}, or: pip install -U pillow"
    return f"it is no image, or its beginning is damaged; {REPLACE}"


def _tiff_layout(file: BinaryIO) -> str | None:
    """Return the kind of pixels that the first page of a TIFF file has; None if it is too damaged to tell."""
    try:
        file.seek(0)
        head = file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + file.read(8) if head[2] == 43 else head)  # 43: BigTIFF
        file.seek(tags.next)
        tags.load(file)
        bits, channels = tags[TiffImagePlugin.BITSPERSAMPLE], tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
        numbers = numbers_of(tags)
    except Exception:  # the directory of a damaged file can make the reader raise anything
        return None
    white = ", white is 0" if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else ""
    return f"{channels} channel{'s' * (channels != 1)} of {'/'.join(map(str, sorted(set(bits))))}-bit {numbers}{white}"


def numbers_of(tags: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    """Return what the numbers in a page of a TIFF file are: "integers", unsigned, or what else."""
    found = {_NUMBERS.get(entry, "integers") for entry in tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))}
    return " and ".join(sorted(found))
