"""Decoding one image that a client sent: only what Pillow itself takes for the right size and mode is unpacked."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import HTTPException

from vitcrypt.encryption import Shape
from vitcrypt.encryption.jpeg_files import decode_foreign
from vitcrypt.untrusted.png import SIGNATURE, parts_of

KINDS = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
MODES = {0: "grey", 3: "palette", 4: "grey with transparency", 6: "RGB with transparency"}
ANIMATED = (b"acTL", b"fcTL", b"fdAT")


def decode_png(data: bytes, size: int, name: str = "image") -> NDArray[np.uint8]:
    """Decode one PNG of S x S pixels, 8-bit RGB: uint8 [3, S, S].

    The reader gets header, pixels and end alone, each of them once: no text or profile that could unfold, no second
    header, nothing behind the end. Its size and mode are compared before a pixel is unpacked.

    Raises:
        HTTPException: 415, no PNG; 422, damaged, truncated, animated, of another size or mode.
    """
    if not data.startswith(SIGNATURE):
        kind = next((name for start, name in KINDS.items() if data.startswith(start)), None)
        lossy = ": lossy compression changes the bytes, and a changed ciphertext decrypts to nothing" if kind else ""
        raise HTTPException(415, f"{name} is {kind or 'not an image, or its header is corrupt'}{lossy}; send a PNG")
    header, bare = _bare(data, name)
    width, height, depth, colour = struct.unpack_from(">IIBB", header)
    if (width, height) != (size, size):
        reason = f"{name} is {width} x {height}; this network sees {size} x {size}: resize, then encrypt"
        raise HTTPException(422, reason)
    if depth != 8 or colour != 2:
        mode = MODES.get(colour, "RGB")
        raise HTTPException(422, f"{name} is {depth}-bit {mode}; an encrypted image is 8-bit RGB without transparency")
    return _pixels(bare, size, name)


def decode_jpeg(data: bytes, shape: Shape, name: str = "image") -> NDArray[np.uint8]:
    """Decode one JPEG as `vitcrypt encrypt` writes them: uint8 [C, H, W], as `shape` says.

    Raises:
        HTTPException: 422, any other.
    """
    try:
        return decode_foreign(data, shape)
    except ValueError as error:
        raise HTTPException(422, f"{name} {error}") from None


def _pixels(data: bytes, size: int, name: str) -> NDArray[np.uint8]:
    """Decode a PNG that was checked."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if (image.size, image.mode) != ((size, size), "RGB"):  # what will be unpacked, as its reader sees it
                raise ValueError(f"its reader takes it for {image.mode} of {image.size}")
            return np.asarray(image).transpose(2, 0, 1)
    except Exception as error:  # a damaged file can make the reader raise anything
        raise HTTPException(422, f"{name} is damaged: {error}") from None


def _bare(data: bytes, name: str) -> tuple[bytes, bytes]:
    """Return the header's contents, and the PNG less all that the pixels do without; compare every checksum."""
    kept, kinds = [SIGNATURE], list[bytes]()
    for kind, start, end in parts_of(data):
        if end > len(data):
            break
        if zlib.crc32(data[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise HTTPException(422, f"{name} is damaged: the checksum of its part {kind!r} does not match")
        if (kind == b"IHDR") != (not kinds) or (kind == b"IHDR" and end - start != 25):
            raise HTTPException(422, f"{name} is damaged: a PNG begins with its one header")
        if kind in ANIMATED:
            raise HTTPException(422, f"{name} is animated; an encrypted image is a single one")
        kinds.append(kind)
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            kept.append(data[start:end])
        elif kind[0:1].isupper() and kind != b"PLTE":
            raise HTTPException(422, f"{name} is damaged: a part {kind!r} is unknown")
        if kind == b"IEND":
            return kept[1][8:-4], b"".join(kept)
    raise HTTPException(422, f"{name} is truncated")
