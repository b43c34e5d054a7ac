"""Which image formats are read, what other files turn out to be, and what files hold beside their pixels.

Pillow is given this list with every file, whatever the file is called: no other decoder is tried, and none of these
starts a program, as those of EPS do. Of the metadata only the orientation counts, and no damage in them makes pixels
unreadable that are complete.
"""

import io
import logging
import re
import struct
import warnings
import zlib
from contextlib import suppress
from typing import Any, BinaryIO

from PIL import Image, Jpeg2KImagePlugin, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin, features  # noqa: F401

from vitcrypt.untrusted.png import SIGNATURE, parts_of

Image.preinit()  # registers BMP, GIF, JPEG, PNG and PPM, as importing does the others: Pillow never looks for more
with suppress(ImportError):  # Pillow reads it since 11.3
    from PIL import AvifImagePlugin  # noqa: F401

MAX_PIXELS = 2**28
"""Pixels of the largest image that is read: 268 megapixels."""
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses from twice as many on
warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd metadata: they name no file
logging.getLogger("PIL").setLevel(logging.CRITICAL)

_LIBRARIES = {"JPEG": "jpg", "WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}
_KNOWN = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
FORMATS = tuple(name for name in _KNOWN if name not in _LIBRARIES or features.check(_LIBRARIES[name]))
"""Names of the formats that are read here, as Pillow has them. A JPEG may be an MPO, of several images."""
EXTENSIONS = frozenset(
    extension
    for extension, name in Image.EXTENSION.items()
    if name.replace("MPO", "JPEG") in FORMATS and extension != ".pfm"  # floating-point numbers
)
"""What image files may end in, in lower case. What a file is, its contents say."""

CONVERT = "convert it to PNG or JPEG"
REPLACE = "replace the file or move it out of the folder"
SCALE = "scale it to 8 bits first"
_FOREIGN = {
    rb"%!PS|\xc5\xd0\xd3\xc6": ("PostScript, which is a program", CONVERT),
    rb"%PDF": ("PDF", CONVERT),
    rb"8BPS": ("a Photoshop document", CONVERT),
    rb"gimp xcf": ("a GIMP document", CONVERT),
    rb"\xff\x0a|.{4}JXL ": ("JPEG XL", CONVERT),
    rb".{4}ftyp(?!.{0,53}avi).{0,52}(hei[cxms]|hev[cx])": ("HEIC", CONVERT),
    rb".{4}ftypcrx|.{8}CR\x02|FUJIFILMCCD-RAW": ("a raw photograph", CONVERT),
    rb"II\xbc": ("JPEG XR", CONVERT),
    rb"v/1\x01": ("OpenEXR, of floating-point numbers", SCALE),
    rb"#\?RADIANCE": ("Radiance HDR, of floating-point numbers", SCALE),
    rb"SIMPLE  =": ("FITS", SCALE),
    rb"\x93NUMPY": ("an array of NumPy", "save it as an image of 8 bits"),
    rb".{128}DICM": ("DICOM", "export it as PNG of 8 bits"),
    rb"\x00\x00\x01\x00": ("an icon (ICO)", CONVERT),
    rb"qoif": ("QOI", CONVERT),
    rb"\x01\xda": ("SGI", CONVERT),
    rb"<svg": ("SVG", CONVERT),
    rb"<\?xml": ("XML (SVG?)", CONVERT),
    rb"<!doctype html|<html": ("a web page: its download failed", REPLACE),
    rb"version https://git-lfs": ("a pointer of Git LFS", "fetch the image: git lfs pull"),
    rb"\x00\x05\x16\x07": ("a note of macOS on another file (AppleDouble)", "remove it"),
    rb"PK\x03\x04": ("a zip archive", "unpack it"),
}
"""Regular expressions of how files begin that hold none of `FORMATS`."""
_OWN = {rb"\x89PNG": "PNG", rb"\xff\xd8": "JPEG", rb"GIF8": "GIF", rb"BM": "BMP", rb"RIFF": "WebP"}
_TIFF = rb"II[*+]\x00|MM\x00[*+]"
_NUMBERS = {2: "signed integers", 3: "floating-point numbers", 5: "complex numbers", 6: "complex numbers"}

ORIENTATION = 274
_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}
"""Types of TIFF that an orientation may have, as `struct` has them."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_OF_PIXELS = b"tRNS", b"acTL", b"fcTL", b"fdAT"
MAX_DIRECTORIES = 100
_PNG_START = struct.Struct(">8sI4sIIBB3sI")
HEAD = 1024
"""Bytes of a file that `plain_png` is given: more than stands before the pixels of most PNG files."""


class UnfitError(ValueError):
    """A file that is undamaged, perhaps, but of a kind that is not read. Its text says which, and what to do."""


def foreign_kind(head: bytes) -> str | None:
    """Say what a file is that holds none of `FORMATS`, by its first bytes, and what to do; None if they do not tell."""
    if not head:
        return f"it is empty; {REPLACE}"
    for beginning, (name, remedy) in _FOREIGN.items():
        if re.match(beginning, head, re.DOTALL | re.IGNORECASE):
            return f"it is {name}; {remedy}"
    return None


def unidentified(file: BinaryIO, head: bytes) -> str:
    """Say why Pillow does not know a file that `foreign_kind` does not know either."""
    tiff = re.match(_TIFF, head)
    if tiff and (layout := _tiff_layout(file)) is not None:
        return f"it is a TIFF of {layout}; scale or convert it to 8-bit grey or RGB first"
    name = "TIFF" if tiff else next((name for beginning, name in _OWN.items() if re.match(beginning, head)), None)
    if name is not None:
        return f"it begins as {name}, and is damaged or truncated; {REPLACE}"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return f"it is AVIF, which this Pillow does not read, or damaged; {CONVERT}, or: pip install -U pillow"
    return f"it is not an image, or its header is corrupt; {REPLACE}"


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


def orientation(info: dict[Any, Any]) -> int:
    """Return the orientation in the `info` of an image of Pillow's: 1..8; 1 where it is missing or damaged."""
    exif, text = info.get("exif"), info.get("Raw profile type exif")  # the latter is ImageMagick's
    if exif is None and text is None:
        return 1
    try:
        if exif is None and text is not None:
            exif = bytes.fromhex("".join(text.split("\n")[3:]))
        exif = re.sub(rb"^(Exif\0\0){1,2}", b"", exif or b"")
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):  # of the first directory
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == ORIENTATION and kind in _INTEGERS:
                value: int = struct.unpack_from(f"{order}{_INTEGERS[kind]}", exif, entry + 8)[0]
                return value if 1 <= value <= 8 else 1
    except (struct.error, ValueError, TypeError, KeyError):
        pass
    return 1


def without_metadata(file: BinaryIO) -> io.BytesIO | None:
    """Return an image file without what may be damaged or very large and says nothing of its pixels.

    None if nothing is to be taken out, or the format is none of those where that helps.
    """
    file.seek(0)
    data = file.read()
    if data.startswith(SIGNATURE):
        mended = _mended_png(data)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        mended = _mended_tiff(data)
    elif data[4:8] == b"ftyp":  # AVIF: the directories of EXIF are emptied, and the orientation is elsewhere
        mended = re.sub(rb"(II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08)..", rb"\1\0\0", data, flags=re.DOTALL)
    else:
        return None
    return io.BytesIO(mended) if mended != data else None


def plain_png(head: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a PNG file of 8-bit grey or RGB, one frame and no transparency, by its first bytes.

    None if it is anything else, or damaged, or these bytes do not tell: then Pillow has to look.
    """
    if len(head) < _PNG_START.size:
        return None
    signature, length, kind, width, height, *kinds, checksum = _PNG_START.unpack_from(head)
    if (signature, length, kind, zlib.crc32(head[12:29])) != (SIGNATURE, 13, b"IHDR", checksum):
        return None
    if kinds not in ([8, 0, b"\0\0\0"], [8, 2, b"\0\0\0"]) or not 0 < width * height <= MAX_PIXELS:
        return None
    for kind, start, _ in parts_of(head):
        if kind == b"IDAT":
            return width, height
        if start > len(SIGNATURE) and _says_of_pixels(kind):
            return None
    return None


def _says_of_pixels(kind: bytes) -> bool:
    return not kind[0] & 0x20 or kind in _OF_PIXELS


def _mended_png(data: bytes) -> bytes:
    kept, end = [SIGNATURE], len(SIGNATURE)
    for kind, start, end in parts_of(data):
        if _says_of_pixels(kind):
            kept.append(data[start:end])
    return b"".join([*kept, data[end:]])


def _mended_tiff(data: bytes) -> bytes:
    """Turn entries of the directories whose values lie outside of the file into ones that mean nothing."""
    mended, order, seen = bytearray(data), "<" if data[:2] == b"II" else ">", set[int]()
    with suppress(struct.error):  # truncated
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        while start and start not in seen and len(seen) < MAX_DIRECTORIES:
            seen.add(start)
            (count,) = struct.unpack_from(f"{order}H", data, start)
            for entry in range(start + 2, start + 2 + 12 * count, 12):
                _, kind, values, offset = struct.unpack_from(f"{order}HHII", data, entry)
                size = _SIZES.get(kind, 0) * values
                if size == 0 or (size > 4 and offset + size > len(data)):
                    struct.pack_into(f"{order}HHII", mended, entry, 0xFFFF, 1, 1, 0)
            (start,) = struct.unpack_from(f"{order}I", data, start + 2 + 12 * count)
    return bytes(mended)
