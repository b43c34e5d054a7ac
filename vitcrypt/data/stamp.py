"""What the files of a data set are at one moment, so that a later moment can be compared with it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from pydantic import Field

from vitcrypt.data.archive import open_archive
from vitcrypt.data.columns import Numbers
from vitcrypt.data.listing import Listing, by_manifest, list_folder
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.remote import manifest_near
from vitcrypt.data.survey import chunk_of
from vitcrypt.jobs.forked import mapping
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
    paths: Sequence[Path]
    if source["_target_"] in FOLDER:
        listing = list_folder(root)
        paths, classes = listing.files.paths, [_name(name) for name in listing.classes]
        labels: Iterable[str] = (classes[label] for label in Numbers(listing.files.labels))
        images = _counts(listing)
    else:  # a source of one's own: nobody here knows which files are images
        paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
        labels, images = repeat("file"), {"": {"file": len(paths)}}
    quick = _digest(f"{_name(path.relative_to(root))}\0{_on_disk(path)}" for path in paths)
    if before is not None and before.quick == quick:
        return before
    files: dict[str, str] = {}

    def lines(contents: Iterator[str]) -> Iterator[str]:
        for path, digest, label in zip(paths, contents, labels, strict=False):
            name = _name(path.relative_to(root))
            if len(paths) <= NAMED:
                files[name] = digest[:16]
            yield f"{name}\0{digest}\0{label}"

    with mapping(_contents, len(paths), chunk=chunk_of(len(paths))) as mapped:
        sha256 = _digest(lines(mapped(paths)))
    return DataStamp(sha256=sha256, quick=quick, images=images, files=files)


def _counts(listing: Listing) -> Counts:
    images: Counts = {}
    for folder, count in listing.files.counts():
        images.setdefault(folder.split, {})[_name(listing.classes[folder.label])] = count
    return images


def _of_shards(root: str) -> DataStamp:
    """Return the stamp of tar files: that of their manifest, with which each image is compared when it is read."""
    folder = manifest_near(root) if is_address(root) else expanded(root)
    if not (folder / FILENAME).exists():
        raise FileNotFoundError(f"data.root={root} holds no {FILENAME}")
    manifest = Manifest.read(folder / FILENAME)
    return DataStamp(sha256=manifest.digest, images=_counts(by_manifest(folder, folder, manifest)))


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


def _digest(lines: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for number, line in enumerate(lines):
        whole.update(b"\n" * bool(number) + line.encode(errors="surrogateescape"))
    return whole.hexdigest()
