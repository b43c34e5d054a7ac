"""Comparing a folder with its manifest, byte by byte. No key is needed.

Tar files may come from another party: only images that the manifest knows are read, and no more than these can take.
"""

from __future__ import annotations

import shlex
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import contents, image_complaint
from vitcrypt.folders.job import Advance, quiet
from vitcrypt.untrusted.files import open_regular, read_regular
from vitcrypt.untrusted.text import printable

MAX_SHARD_BYTES = 2**50
HEADER_BYTES = 2**20  # at most read between two images: long names take that of the next member
TOLD = 20  # members of a shard that are named; one that has more wrong ones is not read further


def verify_folder(folder: Path, workers: int | None = None, advance: Advance = quiet) -> tuple[Manifest, list[str]]:
    """Return the manifest of a folder, and what is wrong with it: nothing if it is complete.

    Missing, damaged, changed and foreign files are found and named, also in the tar files of `pack_shards`. What passes
    can be decrypted, packed and trained on to the last image. What file managers leave in folders is passed over.
    Anyone who can rewrite the manifest can make any folder pass: keep its digest where others cannot change it.

    Raises:
        FileNotFoundError: There is no manifest.
        ValueError: The manifest is damaged, or this is a file.
    """
    if folder.is_file():
        raise ValueError(
            f"{folder} is a file, and verify takes a folder. What vitcrypt pack puts into an .npz file is compared "
            "with the checksums in there (CRC-32) when data=npz reads it, or now by: "
            f"python -m zipfile -t {shlex.quote(str(folder))}"
        )
    if not (folder / FILENAME).is_file():
        part = folder.parent / f"{folder.name}.part"  # with_name refuses "." and "/"
        begun = f"; {part} was begun and not finished: repeat the command that made it" if part.is_dir() else ""
        raise FileNotFoundError(f"{folder / FILENAME} does not exist, so nothing says what should be there{begun}")
    manifest, found = Manifest.read(folder / FILENAME), contents(folder)
    shards = sorted(name for name in found.files if name.endswith(".tar")) if not found.folders else []
    with ThreadPoolExecutor(workers) as pool:
        if shards:
            foreign = sorted(found.files.keys() - {*shards, FILENAME, ".lock"})
            wrong = _wrong_in_shards(folder, shards, manifest, pool, advance)
            return manifest, wrong + [f"{name}: foreign: no shard" for name in foreign]
        complaints, wrong = found.complaints(manifest), []
        names = [name for name in manifest.index if name not in complaints]
        results = pool.map(lambda name: _complaint(folder, name, manifest), names)
        for count, (name, complaint) in enumerate(zip(names, results, strict=True), start=1):
            if complaint is not None:
                wrong.append(f"{name}: {complaint}")
            advance(count, 0, len(names))
    return manifest, wrong + [f"{name}: {complaint}" for name, complaint in complaints.items()]


def _complaint(folder: Path, name: str, manifest: Manifest) -> str | None:
    try:
        return image_complaint(read_regular(folder / name, manifest.max_file_bytes, below=folder), name, manifest)
    except FileNotFoundError:
        return "missing"
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _wrong_in_shards(
    folder: Path, shards: list[str], manifest: Manifest, pool: ThreadPoolExecutor, advance: Advance
) -> list[str]:
    """Return what is wrong with the tar files of a folder: nothing if they hold every image once, and nothing else."""
    wrong, found = [], Counter[str]()
    for names, complaints in pool.map(lambda shard: _in_shard(folder, shard, manifest), shards):
        found.update(names)
        wrong += complaints
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
