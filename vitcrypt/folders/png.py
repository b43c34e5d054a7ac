"""Writing encrypted images as PNG at the speed of the encryption.

Encrypted images are close to noise: searching them for repetitions and trying filters on every row, as PNG writers do,
costs most of the time and saves little. So the values are written as they are, in a Huffman code. The time it takes
does not depend on what is on the image, either. Pillow can be told the second, not the first.
"""

import struct
import zlib

import numpy as np
from torch import Tensor

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_png(image: Tensor) -> bytes:
    """Return uint8 [3, H, W] as a lossless 8-bit RGB PNG file (ISO/IEC 15948)."""
    _, height, width = image.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each begins with the number of its filter, 0: none
    rows[:, 1:] = image.permute(1, 2, 0).reshape(height, 3 * width).numpy()
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    pixels = packer.compress(rows.data) + packer.flush()
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
