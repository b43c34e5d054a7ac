"""Comparing a folder with its manifest, byte by byte. No key is needed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from vitcrypt.data.columns import Texts
from vitcrypt.data.manifest import FILENAME, MAX_BYTES, Manifest
from vitcrypt.data.members import MAX_SHARD_BYTES, members
from vitcrypt.data.received import Contents, contents, image_complaint
from vitcrypt.data.store import Store
from vitcrypt.folders.job import GROUP, Advance, quiet
from vitcrypt.jobs.forked import mapping
from vitcrypt.untrusted.files import open_regular, read_regular
from vitcrypt.untrusted.text import printable

Opened = Callable[[str], AbstractContextManager[BinaryIO]]
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
        lacking = f"{folder} has no {FILENAME}, so nothing says what should be there"
        raise FileNotFoundError((lacking if folder.is_dir() else f"there is no folder {folder}") + begun)
    manifest = Manifest.read(folder / FILENAME)
    found = contents(folder, manifest)
    shards = sorted(name for name in found.files if name.endswith(".tar")) if not found.folders else []

    def opened(name: str) -> BinaryIO:
        return open_regular(folder / name, MAX_SHARD_BYTES, below=folder)

    def read(name: str) -> bytes:
        return read_regular(folder / name, manifest.max_file_bytes, below=folder)

    return manifest, _wrong(manifest, found, shards, opened, read, workers, advance, len(manifest.index))


def verify_store(store: Store, workers: int | None = None, advance: Advance = quiet) -> tuple[Manifest, list[str]]:
    """Return the same for what lies at an address: tar files, or a folder of images. All of it is read, and none kept.

    Where a store cannot list what it holds (https://), foreign files are not found.

    Raises:
        FileNotFoundError: There is no manifest.
        ValueError: The manifest is damaged.
        ConnectionError: The store does not answer; then nothing is said of single files.
    """
    manifest = Manifest.read(f"{store}/{FILENAME}", store.read(FILENAME, MAX_BYTES))
    shards = store.shards(len(manifest.index))
    sizes = store.listed() if store.lists else shards or dict.fromkeys(manifest.index, 0)
    folders = {name[:end] for name in sizes for end, letter in enumerate(name) if letter == "/"}
    found = Contents(dict.fromkeys(sizes, "a regular file"), sizes, folders)

    def opened(name: str) -> AbstractContextManager[BinaryIO]:
        return store.open(name, shards[name])

    def read(name: str) -> bytes:
        return store.read(name, manifest.max_file_bytes)

    return manifest, _wrong(manifest, found, list(shards), opened, read, workers, advance)


def _wrong(
    manifest: Manifest,
    found: Contents,
    shards: list[str],
    opened: Opened,
    read: Callable[[str], bytes],
    workers: int | None,
    advance: Advance,
    count: int = 0,
) -> list[str]:
    """Return what is wrong with a folder: of tar files, if it has any, else of images. `count` is as of `mapping`."""
    if shards:
        foreign = sorted(found.files.keys() - {*shards, FILENAME, ".lock"})
        with mapping(partial(_in_shard, opened, manifest), count, workers) as mapped:
            wrong = _wrong_in_shards(mapped(shards), manifest, advance)
        return wrong + [f"{name}: foreign: no shard" for name in foreign]
    complaints, wrong = found.complaints(manifest), []
    names = Texts(name for name in manifest.index if name not in complaints)
    with mapping(partial(_complaint, read, manifest), count, workers, GROUP) as mapped:
        for done, (name, complaint) in enumerate(zip(names, mapped(names), strict=True), start=1):
            if complaint is not None:
                wrong.append(f"{name}: {complaint}")
            advance(done, 0, len(names))
    return wrong + [f"{name}: {complaint}" for name, complaint in complaints.items()]


def _complaint(read: Callable[[str], bytes], manifest: Manifest, name: str) -> str | None:
    try:
        return image_complaint(read(name), name, manifest)
    except FileNotFoundError:
        return "missing"
    except ConnectionError:  # it tells of the store and not of the file
        raise
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _wrong_in_shards(read: Iterable[tuple[list[str], list[str]]], manifest: Manifest, advance: Advance) -> list[str]:
    """Return what is wrong with the tar files of a folder: nothing if they hold every image once, and nothing else."""
    wrong, found = [], Counter[str]()
    for names, complaints in read:
        found.update(names)
        wrong += complaints
        advance(len(found), 0, len(manifest.index))
    wrong += [f"{name}: {times} times in the shards" for name, times in found.items() if times > 1]
    if missing := manifest.index.keys() - found.keys():
        wrong.append(f"{len(missing):,} images are in no shard, e.g. {min(missing)}: one is missing or cut off")
    return wrong


def _in_shard(opened: Opened, manifest: Manifest, name: str) -> tuple[list[str], list[str]]:
    """Return the names of the images in a tar file, and what is wrong with it."""
    found: list[str] = []
    wrong: list[str] = []
    try:
        with opened(name) as file:
            for member, complaint in members(file, manifest):
                if complaint is None:
                    found.append(member.name)
                    file.seek(member.offset_data)
                    complaint = image_complaint(file.read(member.size), member.name, manifest)
                if complaint is not None:
                    wrong.append(f"{name}: {printable(member.name, 300)}: {complaint}")
                if len(wrong) >= TOLD:
                    break
    except ConnectionError:
        raise
    except OSError as error:
        wrong.append(f"{name}: cannot be read ({error.strerror or error})")
    except Exception as error:  # whatever tarfile meets in there
        wrong.append(f"{name}: damaged after {len(found)} images: {printable(error, 300)}")
    if len(wrong) >= TOLD:
        wrong.append(f"{name}: not read further")
    return found, wrong
