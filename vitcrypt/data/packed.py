"""Tar files that `vitcrypt pack` wrote, read where they are: an image at a time, by its place in them."""

from __future__ import annotations

import hashlib
import os
import shlex
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.data.datasets import DecodedDataset, Splits
from vitcrypt.data.listing import by_manifest
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.members import MAX_SHARD_BYTES, members
from vitcrypt.data.received import ImageError, contents, decode_image
from vitcrypt.data.remote import shards_near
from vitcrypt.data.sources import existing, held
from vitcrypt.data.survey import map_files
from vitcrypt.jobs.place import is_address
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import printable, shortened

OPEN = 256
"""Tar files that a process holds open at most."""
PLACES = np.dtype([("index", "i8"), ("shard", "i4"), ("offset", "i8"), ("length", "i8"), ("sha256", "u1", 32)])


def shards(
    root: str | None,
    in_memory_gib: float = 4.0,
    cache_gib: float = 100.0,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Splits:
    """Read the tar files that `vitcrypt pack` made of a folder, as `data.folder` reads that folder.

    Args:
        root: Their folder, or its address: s3://BUCKET/FOLDER, gs://..., https://... From there they are brought once
            into $XDG_CACHE_HOME/vitcrypt/shards.
        in_memory_gib: What fits into it is decoded once; else each image is decoded when it is asked for.
        cache_gib: How much may be brought.
        test_fraction: Of each class, where there are no train/ and test/.
        split_seed: Of that split.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: An image is missing, foreign, there twice, or not the one of the manifest; or more would have to be
            brought than may be.
    """
    what = "a folder with 000000.tar, 000001.tar, ... and manifest.json, as vitcrypt pack writes it, or its address"
    address = root is not None and is_address(root)
    base = shards_near(str(root), cache_gib) if address else existing(root, "shards", what)
    if not (base / FILENAME).is_file():
        raise FileNotFoundError(f"data.root={root} holds no {FILENAME}; data=shards reads {what}")
    manifest = Manifest.read(base / FILENAME)
    files = Shards(base, _names(base))
    places = _places(files, manifest)
    parts = {}
    for split, images in by_manifest(base, base, manifest).splits(test_fraction, split_seed).items():
        chosen = places[np.searchsorted(places["index"], images.indices)]
        dataset = ShardDataset(files, chosen, torch.from_numpy(images.labels), manifest)
        parts[split] = held(dataset, manifest.stored, in_memory_gib, f"decoding {split} images of {base}")
    return Splits(parts["train"], parts["test"], manifest.classes, parts.get("val"))


class Shards:
    """The tar files of a folder, each opened when it is first read, once in a process."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, names
        self._opened = lru_cache(OPEN)(self.open)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shards, (self.folder, self.names)  # what is open stays in this process

    def open(self, number: int) -> BufferedReader:
        """Open a tar file; ValueError if it is a link, or no file."""
        return open_regular(self.folder / self.names[number], MAX_SHARD_BYTES, below=self.folder)

    def read(self, number: int, offset: int, length: int) -> bytes:
        """Return bytes of a tar file."""
        file = self._opened(number)  # held here, as another thread may have it put out of the cache
        return os.pread(file.fileno(), length, offset)


class ShardDataset(DecodedDataset):
    """Images in tar files; `places` is an array of `PLACES`, one for each image."""

    def __init__(self, files: Shards, places: NDArray[Any], labels: Tensor, manifest: Manifest) -> None:
        super().__init__(labels, torch.from_numpy(places["index"].copy()))
        self.files, self.places, self.manifest = files, places, manifest

    def subset(self, positions: Tensor) -> ShardDataset:
        """Choose places."""
        return ShardDataset(self.files, self.places[positions.numpy()], self.labels[positions], self.manifest)

    def pixels(self, position: int) -> NDArray[Any]:
        """Read, compare with the manifest and decode."""
        place = self.places[position]
        shard, offset = int(place["shard"]), int(place["offset"])
        data = self.files.read(shard, offset, int(place["length"]))
        try:
            if hashlib.sha256(data).digest() != place["sha256"].tobytes():
                raise ImageError("is not the one of the manifest")
            return decode_image(data, self.manifest)
        except ImageError as error:
            path = self.files.folder / self.files.names[shard]
            raise ValueError(f"{path}: the image at byte {offset:,} {error}; {_again(self.files.folder)}") from error


def _names(base: Path) -> list[str]:
    """Return the names of the tar files in a folder; ValueError if there are none, or anything else."""
    found = contents(base)
    names = sorted(name for name in found.files if name.endswith(".tar"))
    foreign = sorted((found.files.keys() | found.folders) - {*names, FILENAME, ".lock"})
    if not names:
        raise ValueError(f"{base} holds no tar file; set data=folder for a folder of images")
    if foreign:
        raise ValueError(f"{base} holds what is no tar file ({shortened(foreign, 3)}); move it away")
    return names


def _places(files: Shards, manifest: Manifest) -> NDArray[Any]:
    """Return where each image of the manifest is, by its index, from the headers of all tar files."""

    def within(number: int) -> NDArray[Any]:
        found: list[tuple[Any, ...]] = []
        path = files.folder / files.names[number]
        try:
            with files.open(number) as file:
                for member, complaint in members(file, manifest):
                    if complaint is not None or len(found) == len(manifest.index):
                        raise ValueError(f"{printable(member.name, 300)}: {complaint or 'it is there twice'}")
                    sha256 = np.frombuffer(bytes.fromhex(manifest.sha256.get(member.name, "00" * 32)), np.uint8)
                    found.append((manifest.index[member.name], number, member.offset_data, member.size, sha256))
        except Exception as error:  # whatever tarfile meets in there
            raise ValueError(f"{path}: {printable(error, 300)}; {_again(files.folder)}") from error
        return np.array(found, PLACES)

    parts = list(map_files(within, range(len(files.names)), f"reading headers in {files.folder}"))
    places: NDArray[Any] = np.sort(np.concatenate(parts), order="index")
    wanted = np.sort(manifest.column.array)
    if not np.array_equal(places["index"], wanted):
        raise ValueError(
            f"{files.folder} holds {len(places):,} images in {len(files.names):,} tar files, and its manifest has "
            f"{len(wanted):,}: some are missing, or there twice; {_again(files.folder)}"
        )
    return places


def _again(folder: Path) -> str:
    return f"get it again, or run: vitcrypt verify {shlex.quote(str(folder))}"
