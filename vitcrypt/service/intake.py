"""What a request brings: encrypted images as PNG, JPEG or bare bytes, checked before anything is decoded.

Nothing is repaired here. A resized, converted or recompressed ciphertext can no longer be decrypted, so whatever is
not exactly an 8-bit RGB image of the right size is refused with the reason. JPEG is for schemes that are kept so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from vitcrypt.encryption import Shape
from vitcrypt.encryption.float_files import check_floats
from vitcrypt.service.limits import FullError, Limits, Room
from vitcrypt.service.png import decode_jpeg, decode_png
from vitcrypt.untrusted.jpeg import SIGNATURE

PNG, JPEG, RAW, FORM = "image/png", "image/jpeg", "application/octet-stream", "multipart/form-data"
BOUNDARY = re.compile(
    r""";\s*boundary=("?)([\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])\1\s*(;|$)""", re.ASCII | re.IGNORECASE
)
FILE = re.compile(rb"(?i)\r\ncontent-disposition:[^\r\n]*;\s*filename\*?=")
MAX_PART_HEAD = 2**13
Accepts = tuple[Shape, np.dtype[Any]]
UNPACKED = 4
"""How many times longer than a body may be the images in it may be together."""


@asynccontextmanager
async def body_of(request: Request, limits: Limits, memory: Room) -> AsyncIterator[bytes]:
    """Read a body, and no more of it than is allowed; until the block ends its bytes count in `memory`.

    Raises:
        HTTPException: 413, too long; 408, slow; 400, broken off.
        FullError: Too many bytes are under way. What is announced is refused before it is read.
    """
    body, length = bytearray(), request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    too_long = HTTPException(413, f"the request is longer than {limits.max_bytes} bytes; send fewer images at once")
    if announced > limits.max_bytes:
        raise too_long
    if not memory.fits(announced):
        raise FullError
    try:
        try:
            async with asyncio.timeout(limits.read_seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > limits.max_bytes:
                        raise too_long
                    memory.take(len(chunk))
                    body += chunk
        except ClientDisconnect:
            raise HTTPException(400, "the connection ended before the request did") from None
        except TimeoutError:
            raise HTTPException(408, f"the request took longer than {limits.read_seconds:g} s to arrive") from None
        yield bytes(body)
    finally:
        memory.leave(len(body))


def kind_of(request: Request, accepts: Accepts, jpeg: bool) -> str:
    """Return the media type of what is sent: RAW, and of images FORM, PNG of colours, JPEG where they may be kept so.

    Raises:
        HTTPException: 415, another one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    shape, dtype = accepts
    files = {PNG: shape[0] == 3, JPEG: jpeg, RAW: True, FORM: True}
    allowed = [name for name, taken in files.items() if taken and (dtype.kind != "f" or name == RAW)]
    if kind in allowed:
        return kind
    what = {RAW: f"{RAW} ({dtype.name} [N, {', '.join(map(str, shape))}])"}
    named = " or ".join(what.get(name, name) for name in allowed)
    raise HTTPException(415, f"Content-Type is {kind[:64] or 'missing'}; send {named}")


def files_of(header: str, body: bytes, limits: Limits) -> list[bytes]:
    """Return the files of a form.

    Args:
        header: The Content-Type.
        body: What was sent.
        limits: How many there may be.

    Raises:
        HTTPException: 400, a damaged form; 413, too many parts; 422, no file.
    """
    if (found := BOUNDARY.search(header)) is None:
        raise HTTPException(400, "the form cannot be read: its Content-Type names no boundary")
    line = b"--" + found[2].encode()
    first, *parts = body.split(b"\r\n" + line, limits.max_images + 1)
    if first.startswith(line):
        parts = [first[len(line) :], *parts]
    files = []
    for i, part in enumerate(parts):
        if part.startswith(b"--"):
            break
        if i == limits.max_images:
            raise HTTPException(413, f"the form has more than {limits.max_images} parts; send fewer images at once")
        head, end, content = part.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"\r\n") or len(head) > MAX_PART_HEAD:
            raise HTTPException(400, f"the form cannot be read: its part {i} is damaged")
        if FILE.search(head):
            files.append(content)
    else:
        raise HTTPException(400, "the form cannot be read: it does not end")
    if not files:
        raise HTTPException(422, "the form holds no file; add at least one PNG")
    return files


def count_of(kind: str, files: list[bytes], accepts: Accepts, limits: Limits) -> int:
    """Return the number of images that these files hold, before any is decoded.

    Raises:
        HTTPException: 413, too many, or too large when they are unpacked; 422, bare bytes that are no whole number.
    """
    (channels, height, width), dtype = accepts
    length, each = len(files[0]), channels * height * width * dtype.itemsize
    if kind != RAW:
        if len(files) > 1 and len(files) * each > UNPACKED * limits.max_bytes:
            raise HTTPException(413, f"{len(files)} images of {width} x {height} are too many; send fewer at once")
        return len(files)
    if not length or length % each:
        what = f"{dtype.name} [{channels}, {height}, {width}]"
        raise HTTPException(422, f"{length} bytes are no whole number of images; each is {what}, {each}")
    if length // each > limits.max_images:
        raise HTTPException(413, f"{length // each} images; at most {limits.max_images} in one request")
    return length // each


def decode_all(kind: str, files: list[bytes], accepts: Accepts, jpeg: bool) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return all images, of the shape and dtype that are accepted.

    Args:
        kind: What was sent, as `kind_of` names it.
        files: Its files.
        accepts: (C', H', W') and dtype of one.
        jpeg: Whether ciphertexts may be JPEG files.

    Raises:
        HTTPException: 415 or 422, of `decode_png` and `decode_jpeg`; 422, values that no scheme makes.
    """
    shape, dtype = accepts
    if kind == RAW:
        values = np.frombuffer(files[0], dtype).reshape(-1, *shape)
        if dtype == np.uint8:
            return values
        try:
            check_floats(values)
        except ValueError as error:
            raise HTTPException(422, f"the request {error}") from None
        return values
    named = ((f"image {i}" if len(files) > 1 else "image", data) for i, data in enumerate(files))
    return np.stack(
        [
            decode_jpeg(data, shape, name)
            if jpeg and (data.startswith(SIGNATURE) or shape[0] != 3)
            else decode_png(data, shape[1], name)
            for name, data in named
        ]
    )
