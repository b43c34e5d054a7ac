"""Reading tar files of another party: images that a manifest knows, and nothing else; no more than these can take."""

from __future__ import annotations

import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from vitcrypt.data.manifest import Manifest
from vitcrypt.data.received import image_complaint
from vitcrypt.folders.job import Advance
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import printable

MAX_SHARD_BYTES = 2**50
HEADER_BYTES = 2**20  # at most read between two images: long names take that of the next member
TOLD = 20  # members of a shard that are named; one that has more wrong ones is not read further


def wrong_in_shards(
    folder: Path, shards: list[str], manifest: Manifest, workers: int | None, advance: Advance | None
) -> list[str]:
    """Return what is wrong with the tar files of a folder: nothing if they hold every image once, and nothing else."""
    wrong, found = [], Counter[str]()
    with ThreadPoolExecutor(workers) as pool:
        for names, complaints in pool.map(lambda shard: _in_shard(folder, shard, manifest), shards):
            found.update(names)
            wrong += complaints
            if advance is not None:
                advance(len(found), 0, len(manifest.index))
    wrong += [f"{name}: {times} times in the shards" for name, times in found.items() if times > 1]
    if missing := manifest.index.keys() - found.keys():
        wrong.append(f"{len(missing):,} images are in no shard, e.g. {min(missing)}: one is missing or cut off")
    return wrong


def _in_shard(folder: Path, name: str, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Return the names of the images in a tar file, and what is wrong with it."""
    found: list[str] = []
    wrong: list[str] = []
    try:
        with open_regular(folder / name, MAX_SHARD_BYTES, below=folder) as file:
            bounded = _Bounded(file)
            with tarfile.open(fileobj=bounded, mode="r:") as shard:  # type: ignore[call-overload]
                while len(wrong) < TOLD and (member := shard.next()) is not None:
                    shard.members = []  # else all of them stay in memory
                    if (complaint := _wrong_member(shard, member, manifest, bounded)) is not None:
                        wrong.append(f"{name}: {printable(member.name, 300)}: {complaint}")
                    if member.name in manifest.index and not (complaint or "").startswith("foreign"):
                        found.append(member.name)
                    bounded.left = HEADER_BYTES
    except OSError as error:
        wrong.append(f"{name}: cannot be read ({error.strerror or error})")
    except Exception as error:  # whatever tarfile meets in there
        wrong.append(f"{name}: damaged after {len(found)} images: {printable(error, 300)}")
    if len(wrong) >= TOLD:
        wrong.append(f"{name}: not read further")
    return found, wrong


def _wrong_member(shard: tarfile.TarFile, member: tarfile.TarInfo, manifest: Manifest, bounded: _Bounded) -> str | None:
    if member.name not in manifest.index:
        return "foreign: the manifest does not know it"
    if not member.isreg() or member.issparse() or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return "foreign: no ordinary file but a link, a folder, a device or one with holes"
    if not 0 <= member.size <= manifest.max_file_bytes:
        return f"foreign: {member.size:,} bytes; an image of the manifest takes {manifest.max_file_bytes:,} at most"
    bounded.left = manifest.max_file_bytes
    file = shard.extractfile(member)
    assert file is not None, "a regular file has contents"
    return image_complaint(file.read(), member.name, manifest)


class _Bounded:
    """A file of which no more is read than `left`, whatever the sizes in it say."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.left = file, HEADER_BYTES
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """Read so many bytes.

        Raises:
            ValueError: That is too much.
        """
        if not 0 <= size <= self.left:
            raise ValueError(f"a header of more than {self.left:,} bytes")
        self.left -= size
        return self.file.read(size)
