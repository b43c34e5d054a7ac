"""What image files hold beside their pixels: orientation counts, and nothing of it makes whole pixels unreadable."""

import io
import re
import struct
from typing import Any, BinaryIO

from vitcrypt.untrusted.png import SIGNATURE, parts_of

ORIENTATION = 274
_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}
"""Types of TIFF that an orientation may have, as `struct` has them."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_OF_PIXELS = b"tRNS", b"acTL", b"fcTL", b"fdAT"
MAX_DIRECTORIES = 100


def orientation(info: dict[Any, Any]) -> int:
    """Return the orientation in the `info` of an image of Pillow's: 1..8; 1 where it is missing or damaged."""
    data, text = info.get("exif"), info.get("Raw profile type exif")  # the latter is ImageMagick's
    try:
        if data is None and text is not None:
            data = bytes.fromhex("".join(text.split("\n")[3:]))
        value = _orientation(re.sub(rb"^(Exif\0\0){1,2}", b"", data or b""))
    except (struct.error, ValueError, TypeError):
        return 1
    return value if 1 <= value <= 8 else 1


def _orientation(exif: bytes) -> int:
    """Return what the first directory says, whatever its other entries are."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
        if tag == ORIENTATION and kind in _INTEGERS:
            return struct.unpack_from(f"{order}{_INTEGERS[kind]}", exif, entry + 8)[0]
    return 1


def without_metadata(file: BinaryIO) -> io.BytesIO | None:
    """Return an image file without what may be damaged or very large and says nothing of its pixels.

    None if nothing is to be taken out, or the format is none of those where that helps.
    """
    file.seek(0)
    head = file.read(8)
    mend = _png if head == SIGNATURE else _tiff if head[:4] in (b"II*\0", b"MM\0*") else None
    if head[4:] == b"ftyp":
        mend = _avif
    if mend is None:
        return None
    data = head + file.read()
    return io.BytesIO(mended) if (mended := mend(data)) != data else None


def _png(data: bytes) -> bytes:
    kept, end = [SIGNATURE], len(SIGNATURE)
    for kind, start, end in parts_of(data):
        if not kind[0] & 0x20 or kind in _OF_PIXELS:
            kept.append(data[start:end])
    return b"".join([*kept, data[end:]])


def _tiff(data: bytes) -> bytes:
    """Turn entries of the directories whose values lie outside of the file into ones that mean nothing."""
    mended, order, seen = bytearray(data), "<" if data[:2] == b"II" else ">", set[int]()
    try:
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
    except struct.error:  # truncated
        pass
    return bytes(mended)


def _avif(data: bytes) -> bytes:
    """Empty the directories of EXIF; the orientation of AVIF is elsewhere."""
    return re.sub(rb"(II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08)..", rb"\1\0\0", data, flags=re.DOTALL)
