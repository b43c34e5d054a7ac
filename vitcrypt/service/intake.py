"""What a request brings: encrypted images as PNG or as bare bytes, checked before anything is decoded.

Nothing is repaired here. A resized, converted or recompressed ciphertext is the ciphertext of nothing, so whatever is
not exactly an 8-bit RGB image of the right size is refused with the reason.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

PNG, RAW, FORM = "image/png", "application/octet-stream", "multipart/form-data"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
MODES = {0: "grey", 3: "palette", 4: "grey with transparency", 6: "RGB with transparency"}


@dataclass(frozen=True)
class Limits:
    """What one request may bring.

    Args:
        max_bytes: Length of its body.
        max_images: Images in it.
        read_seconds: How long it may take to arrive.
    """

    max_bytes: int = 32 * 2**20
    max_images: int = 256
    read_seconds: float = 10.0


class RefusedError(Exception):
    """A request that is answered with a status of 4xx and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read the body, and no more of it than is allowed. `asyncio.timeout` around it is the caller's.

    Raises:
        RefusedError: 413, too long; 400, broken off.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise _too_long(limits)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limits.max_bytes:
                raise _too_long(limits)
    except ClientDisconnect:
        raise RefusedError(400, "the connection ended before the request did") from None
    return bytes(body)


async def parts_of(request: Request, body: bytes, limits: Limits) -> tuple[str, list[bytes]]:
    """Return the media type of what was sent, PNG or RAW, and the files: one, or those of a form.

    Raises:
        RefusedError: 400, a damaged form; 413, too many files; 415, of another type; 422, none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in (PNG, RAW):
        return kind, [body]
    if kind != FORM:
        raise RefusedError(
            415, f"Content-Type is {kind or 'missing'}; send {PNG}, {RAW} (uint8 [N, 3, S, S]) or {FORM}"
        )

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=limits.max_images, max_part_size=2**16)
    parser.spool_max_size = limits.max_bytes  # in memory: nothing that a client sends goes to a disk
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError) as error:
        status = 413 if str(error).startswith("Too many") else 400
        raise RefusedError(status, f"the form cannot be read: {error}") from None
    files = [await part.read() for _, part in form.multi_items() if isinstance(part, UploadFile)]
    await form.close()
    if not files:
        raise RefusedError(422, "the form holds no file; add at least one PNG")
    return PNG, files


def decode_all(kind: str, files: list[bytes], size: int, limits: Limits) -> NDArray[np.uint8]:
    """Return all images, uint8 [N, 3, S, S].

    Raises:
        RefusedError: 413, 415 or 422.
    """
    if kind == RAW:
        return _raw(files[0], size, limits)
    return np.stack(
        [decode_png(data, size, f"image {i}" if len(files) > 1 else "image") for i, data in enumerate(files)]
    )


def decode_png(data: bytes, size: int, name: str = "image") -> NDArray[np.uint8]:
    """Decode one PNG of S x S pixels, 8-bit RGB: uint8 [3, S, S].

    Raises:
        RefusedError: 415, no PNG; 422, damaged, truncated, of another size or mode. Sizes are compared before decoding,
            so a small file cannot unfold into a large image.
    """
    if not data.startswith(SIGNATURE):
        kind = next((name for start, name in KINDS.items() if data.startswith(start)), None)
        lossy = ": lossy compression changes the bytes, and a changed ciphertext decrypts to nothing" if kind else ""
        raise RefusedError(415, f"{name} is {kind or 'no image, or its beginning is damaged'}{lossy}; send a PNG")
    width, height, depth, colour = _header(data, name)
    if (width, height) != (size, size):
        raise RefusedError(
            422, f"{name} is {width} x {height}; this network sees {size} x {size}: resize, then encrypt"
        )
    if depth != 8 or colour != 2:
        mode = MODES.get(colour, "RGB")
        raise RefusedError(422, f"{name} is {depth}-bit {mode}; an encrypted image is 8-bit RGB without transparency")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            pixels = np.asarray(image)
    except Exception as error:  # a damaged file can make the reader raise anything
        raise RefusedError(422, f"{name} is damaged: {error}") from None
    if pixels.shape != (size, size, 3) or pixels.dtype != np.uint8:
        raise RefusedError(422, f"{name} is not 8-bit RGB")
    return pixels.transpose(2, 0, 1)


def _header(data: bytes, name: str) -> tuple[int, int, int, int]:
    """Compare the checksum of every chunk, and return width, height, bit depth and colour type."""
    start, header = len(SIGNATURE), None
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[start + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise RefusedError(422, f"{name} is damaged: the checksum of its part {kind!r} does not match")
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise RefusedError(422, f"{name} is damaged: a PNG begins with its header")
            header = struct.unpack_from(">IIBB", data, start + 8)
        if kind == b"IEND":
            return header
        start = end + 4
    raise RefusedError(422, f"{name} is truncated")


def _raw(data: bytes, size: int, limits: Limits) -> NDArray[np.uint8]:
    each = 3 * size * size
    if not data or len(data) % each:
        raise RefusedError(
            422, f"{len(data)} bytes are no whole number of images; each is uint8 [3, {size}, {size}], {each}"
        )
    if (count := len(data) // each) > limits.max_images:
        raise RefusedError(413, f"{count} images; at most {limits.max_images} in one request")
    return np.frombuffer(data, np.uint8).reshape(count, 3, size, size)


def _too_long(limits: Limits) -> RefusedError:
    return RefusedError(413, f"the request is longer than {limits.max_bytes} bytes; send fewer images at once")
