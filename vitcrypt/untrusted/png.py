"""PNG files (ISO/IEC 15948) as the parts that they consist of, without a decoder."""

import struct
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def parts_of(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each part of a PNG file. The end of a truncated one lies behind that of the file."""
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, start + 12 + length
        start += 12 + length
