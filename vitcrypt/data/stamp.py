"""What the files of a data set are at one moment, so that a later moment can be compared with it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import Field

from vitcrypt.data.archive import open_archive
from vitcrypt.data.listing import by_manifest, list_folder
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.remote import manifest_near
from vitcrypt.jobs.place import expanded, is_address
from vitcrypt.untrusted.documents import Document, Sha256
from vitcrypt.untrusted.files import open_regular

NAMED = 20_000
"""Of larger folders single files are not listed; they still count."""
ENDLESS = 2**63 - 1
FOLDER = ("vitcrypt.data.folder", "vitcrypt.data.sources.folder")
SHARDS = ("vitcrypt.data.shards", "vitcrypt.data.packed.shards")
NPZ = ("vitcrypt.data.npz", "vitcrypt.data.sources.npz")
Counts = dict[str, dict[str, int]]


class FileStamp(Document):
    """A file: what is in it, and how the disk had it then.

    Attributes:
        sha256: Of its contents.
        quick: Of size, times and number on the disk. As long as it is the same, so are the contents; it also changes
            when the contents do not.
    """

    sha256: Sha256
    quick: str = ""


class DataStamp(FileStamp):
    """The images of a source of data; `sha256` covers the name, class and contents of each.

    Attributes:
        images: How many, by split ("" where there is none) and class.
        files: The first digits of the SHA-256 of each file of a folder; empty if there are more than `NAMED`.
    """

    images: Counts
    files: dict[str, str] = Field(default_factory=dict)


def stamp_file(path: Path, before: FileStamp | None = None) -> FileStamp:
    """Return the stamp of a file; it is not read if it is as `before` on the disk.

    Raises:
        FileNotFoundError: It is gone.
    """
    quick = _digest([_on_disk(path)])
    return before if before is not None and before.quick == quick else FileStamp(sha256=_contents(path), quick=quick)


def stamp_data(source: dict[str, Any], before: DataStamp | None = None) -> DataStamp | None:
    """Return the stamp of a configured source; files are not read if all are as `before` on the disk.

    Args:
        source: `data.source` of a configuration.
        before: An earlier stamp of it.

    Returns:
        The stamp; None for sources without a path, and for CIFAR, which is compared with its published checksums.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: It is a folder that cannot be listed.
    """
    if source.get("root") is None or source["_target_"].startswith("vitcrypt.data.cifar"):
        return None
    if source["_target_"] in SHARDS:
        return _of_shards(source["root"])
    root = expanded(source["root"])
    if not root.exists():
        raise FileNotFoundError(f"data.root={source['root']} does not exist")
    if root.is_file():
        stamp = stamp_file(root, before)
        if isinstance(stamp, DataStamp):
            return stamp
        return DataStamp(**stamp.model_dump(), images=_labelled(root) if source["_target_"] in NPZ else {})
    if source["_target_"] in FOLDER:
        listing = list_folder(root)
        found = [(file.path, file.split, _name(listing.classes[file.label])) for file in listing.files]
    else:  # a source of one's own: nobody here knows which files are images
        found = [(path, "", "file") for path in sorted(root.rglob("*")) if path.is_file()]
    paths = [path for path, _, _ in found]
    names = [_name(path.relative_to(root)) for path in paths]
    quick = _digest([f"{name}\0{_on_disk(path)}" for name, path in zip(names, paths, strict=True)])
    if before is not None and before.quick == quick:
        return before
    with ThreadPoolExecutor() as pool:
        contents = dict(zip(names, pool.map(_contents, paths), strict=True))
    images: Counts = {}
    for _, split, label in found:
        images.setdefault(split, Counter())[label] += 1
    lines = [f"{name}\0{contents[name]}\0{label}" for name, (_, _, label) in zip(names, found, strict=True)]
    files = {name: digest[:16] for name, digest in contents.items()} if len(contents) <= NAMED else {}
    return DataStamp(sha256=_digest(lines), quick=quick, images=images, files=files)


def _of_shards(root: str) -> DataStamp:
    """Return the stamp of tar files: that of their manifest, with which each image is compared when it is read."""
    folder = manifest_near(root) if is_address(root) else expanded(root)
    if not (folder / FILENAME).exists():
        raise FileNotFoundError(f"data.root={root} holds no {FILENAME}")
    manifest = Manifest.read(folder / FILENAME)
    images: Counts = {}
    for file in by_manifest(folder, folder, manifest).files:
        images.setdefault(file.split, Counter())[_name(manifest.classes[file.label])] += 1
    return DataStamp(sha256=manifest.digest, images=images)


def _labelled(path: Path) -> Counts:
    counts: Counts = {}
    with open_archive(path) as archive:
        classes = dict(enumerate(archive.read("classes").tolist())) if "classes" in archive.names else {}
        for split in ("train", "val", "test"):
            if f"{split}_labels" in archive.names:
                found = Counter(archive.read(f"{split}_labels").reshape(-1).tolist())
                counts[split] = {_name(classes.get(label, label)): found[label] for label in sorted(found)}
    return counts


def _name(name: object) -> str:
    """Return a name as text that JSON and every terminal take, whatever bytes it is on the disk."""
    return os.fsencode(str(name)).decode("utf-8", "backslashreplace")


def _on_disk(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _contents(path: Path) -> str:
    with open_regular(path, ENDLESS) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
