"""Image files written byte by byte, as Pillow does not write them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SHORT, LONG, RATIONAL = 3, 4, 5
KINDS = {"u": 1, "i": 2, "f": 3, "b": 1}


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data, checksum=None):
    """A part of a PNG file."""
    right = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + (right if checksum is None else checksum)


def with_chunks(png, *chunks, after=b"IHDR"):
    """A PNG file with more parts behind its first one of a kind."""
    start = png.index(after) - 4
    end = start + 12 + int.from_bytes(png[start : start + 4], "big")
    return png[:end] + b"".join(chunks) + png[end:]


def png(pixels, depth, colour, *chunks):
    """A PNG of so many bits in each sample; `pixels` are integers [h, w] or [h, w, c]."""
    height, width = pixels.shape[:2]
    rows = np.asarray(pixels).reshape(height, -1)
    if depth == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def directory(entries, at, order="<", following=0):
    """A directory of TIFF at an offset: entries are (tag, type, count, bytes or number)."""
    size = 2 + 12 * len(entries) + 4
    body, outside = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, count, value in sorted(entries, key=lambda entry: entry[0]):
        data = value if isinstance(value, bytes) else struct.pack(f"{order}{'H' if kind == SHORT else 'I'}", value)
        if len(data) > 4:
            data, outside = struct.pack(f"{order}I", at + size + len(outside)), outside + data
        body += struct.pack(f"{order}HHI", tag, kind, count) + data.ljust(4, b"\0")
    return body + struct.pack(f"{order}I", following) + outside


def tiff(*pages, order="<"):
    """A TIFF file; a page is (array [h, w] or [h, w, c], {tag: number or entry without its tag})."""
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    for number, (pixels, more) in enumerate(pages):
        height, width = pixels.shape[:2]
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        planes = pixels.transpose(2, 0, 1) if more.get(284) == 2 else pixels
        raw = planes.astype(planes.dtype.newbyteorder(order)).tobytes()
        bits, kind = pixels.dtype.itemsize * 8, KINDS[pixels.dtype.kind]
        several = struct.pack(f"{order}{channels}H", *[bits] * channels)
        tags = {256: width, 257: height, 259: 1, 262: 2 if channels > 2 else 1, 277: channels, 278: height}
        tags |= {258: (SHORT, channels, several), 339: (SHORT, 1, kind), 279: (LONG, 1, len(raw)), 273: (LONG, 1, 0)}
        tags |= more
        if more.get(284) == 2:
            each = len(raw) // channels
            tags[279] = (LONG, channels, struct.pack(f"{order}{channels}I", *[each] * channels))
            tags[273] = (LONG, channels, bytes(4 * channels))

        def entries(tags=tags):
            return [(tag, *(value if isinstance(value, tuple) else (SHORT, 1, value))) for tag, value in tags.items()]

        start = len(data) + len(directory(entries(), len(data), order))
        if more.get(284) == 2:
            offsets = [start + each * i for i in range(channels)]
            tags[273] = (LONG, channels, struct.pack(f"{order}{channels}I", *offsets))
        else:
            tags[273] = (LONG, 1, start)
        end = start + len(raw) + len(raw) % 2
        data += directory(entries(), len(data), order, end if number + 1 < len(pages) else 0) + raw
        data += b"\0" * (len(raw) % 2)
    return data


def exif(*entries):
    """EXIF data with these entries."""
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + directory(list(entries), 8)


def with_exif(image, kind, data):
    """A file of an image with these EXIF data, as they are."""
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    return saved(image, kind, exif=data, **options)


def grey(array):
    """The same grey in three channels."""
    return np.repeat(np.asarray(array, np.uint8)[..., None], 3, -1)


def opened(data):
    return Image.open(io.BytesIO(data))
