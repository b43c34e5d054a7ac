"""JPEG files (ITU-T T.81) as the parts that they consist of, without a decoder."""

from __future__ import annotations

import re
import struct

SIGNATURE = b"\xff\xd8\xff"
FRAME, SCAN = 0xC0, 0xDA
KNOWN = {0xE0: "JFIF", 0xDB: "quantisation", 0xC4: "Huffman codes", FRAME: "frame", SCAN: "scan"}
KINDS = {
    0xC2: "progressive",
    0xE1: "with Exif",
    0xE2: "with a colour profile",
    0xEE: "of Adobe's",
    0xFE: "with a comment",
}


def check_jpeg(data: bytes, width: int, height: int, channels: int) -> None:
    """Check that a JPEG file is as `vitcrypt encrypt` writes them, so that decoding it is one short pass.

    That is: baseline, 8 bits, one scan, all planes of full size, no part that pixels do without, nothing behind the
    end. A file may be longer to decode than to send in many other ways.

    Raises:
        ValueError: It is another; the message goes on from "the file ...".
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("is no JPEG")
    place, frames = 2, 0
    while True:
        if place + 4 > len(data):
            raise ValueError("is truncated")
        start, marker, length = struct.unpack_from(">BBH", data, place)
        if start != 0xFF or marker not in KNOWN:
            raise ValueError(f"is a JPEG {KINDS.get(marker, 'with a part that is unknown')}; vitcrypt writes it plain")
        if place + 2 + length > len(data):
            raise ValueError("is truncated")
        if marker == FRAME:
            frames += 1
            _check_frame(data[place + 4 : place + 2 + length], width, height, channels)
        place += 2 + length
        if marker == SCAN:
            break
    if frames != 1:
        raise ValueError("is damaged: a JPEG has one frame")
    end = re.compile(rb"\xff[^\x00]").search(data, place)  # of the scan: in it, 0 follows 255
    if end is None:
        raise ValueError("is truncated")
    if end[0] != b"\xff\xd9" or end.end() != len(data):
        raise ValueError("holds more than one scan, or something behind its end")


def _check_frame(frame: bytes, width: int, height: int, channels: int) -> None:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5]:
        raise ValueError("is damaged: its frame has another length than it says")
    depth, found_height, found_width, count = struct.unpack_from(">BHHB", frame)
    if (found_width, found_height) != (width, height):
        raise ValueError(f"is {found_width} x {found_height}, not {width} x {height}")
    if depth != 8 or count != channels:
        raise ValueError(f"has {count} planes of {depth} bits, not {channels} of 8")
    if frame[6::3] != bytes(range(1, count + 1)) or frame[7::3] != b"\x11" * count:
        raise ValueError("has subsampled or unusual planes; a ciphertext needs all of its colours (4:4:4)")
