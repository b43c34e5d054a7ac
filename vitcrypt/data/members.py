"""What is in a tar file of another party: no more is read than the images that its manifest knows can take."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vitcrypt.data.manifest import Manifest

MAX_SHARD_BYTES = 2**50
HEADER_BYTES = 2**20
"""At most read between two images: long names take that of the next member."""


def members(file: BinaryIO, manifest: Manifest) -> Iterator[tuple[tarfile.TarInfo, str | None]]:
    """Yield the members of an open tar file, and what is wrong with each before its contents are read.

    Raises (not all are ValueErrors):
        Exception: It is damaged, ends too early, or has a header that is larger than any of ours.
    """
    bounded, end = _Bounded(file), file.seek(0, os.SEEK_END)
    file.seek(0)
    with tarfile.open(fileobj=bounded, mode="r:") as shard:  # type: ignore[call-overload]
        while (member := shard.next()) is not None:
            shard.members = []  # else all of them stay in memory
            complaint = _complaint(member, manifest)
            if complaint is None and member.offset_data + member.size > end:
                raise tarfile.ReadError("unexpected end of data")
            yield member, complaint
            bounded.left = HEADER_BYTES


def _complaint(member: tarfile.TarInfo, manifest: Manifest) -> str | None:
    if member.name not in manifest.index:
        return "foreign: the manifest does not know it"
    if not member.isreg() or member.issparse() or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return "foreign: no ordinary file but a link, a folder, a device or one with holes"
    if not 0 <= member.size <= manifest.max_file_bytes:
        return f"foreign: {member.size:,} bytes; an image of the manifest takes {manifest.max_file_bytes:,} at most"
    return None


@dataclass
class _Bounded:
    """A file of which no more is read than `left`, whatever the sizes in it say."""

    file: BinaryIO
    left: int = HEADER_BYTES

    def __post_init__(self) -> None:
        self.seek, self.tell = self.file.seek, self.file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.left:
            raise ValueError(f"a header of more than {self.left:,} bytes")
        self.left -= size
        return self.file.read(size)
