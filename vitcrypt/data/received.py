"""Folders that have a manifest: what lies in them, and reading it. No key is needed.

A folder may come from another party: only regular files are opened, none larger than an image can be, and nothing but
PNG (or JPEG or .npy, as its scheme says) of the manifest's size is decoded. All that reads such a folder, reads it by
these functions.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitcrypt.data.layout import SYSTEM_FOLDERS
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.encryption.float_files import read_npy
from vitcrypt.encryption.jpeg_files import decode_foreign
from vitcrypt.untrusted.files import kind_of_file, read_regular
from vitcrypt.untrusted.text import shortened

SYSTEM_FILES = frozenset((".ds_store", ".localized", ".directory", "thumbs.db", "ehthumbs.db", "desktop.ini"))
SYSTEM_FILES |= {"icon\r", ".apdisk", ".volumeicon.icns", ".com.apple.timemachine.donotpresent"}
"""Files that file managers and systems leave in folders, by their names in lower case."""


@dataclass
class Contents:
    """What lies in a folder, by its path there: files with their kind and size, folders, what file managers left.

    Images that are as a manifest says are in `sound` alone, a truth value for each file of it.
    """

    files: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    junk: list[str] = field(default_factory=list)
    sound: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def complaints(self, manifest: Manifest) -> dict[str, str]:
        """Return what does not agree with a manifest, by its path."""
        index, names = manifest.index, manifest.column.names
        inner = {name.rpartition("/")[0] for name in names}
        known = {f"{name}/"[:end] for name in inner for end, letter in enumerate(f"{name}/") if letter == "/"}
        left = names if not len(self.sound) else map(names.at, np.flatnonzero(~self.sound).tolist())
        wrong = dict.fromkeys(sorted(name for name in left if name not in self.files), "missing")
        for name in sorted(name for name in self.files if name in index):
            if self.files[name] != "a regular file":
                wrong[name] = f"{self.files[name]}, not a regular file"
            elif self.sizes[name] > manifest.max_file_bytes:
                wrong[name] = f"larger than an image can be: {self.sizes[name]:,} bytes"
        foreign = self.folders - known | {name for name in self.files if name not in index} - {FILENAME, ".lock"}
        return wrong | dict.fromkeys(sorted(foreign), "foreign: the manifest does not know it")

    @property
    def left_out(self) -> str:
        """What of it is passed over, as a sentence for the user; nothing if there is nothing."""
        if not self.junk:
            return ""
        return f"passed over: {len(self.junk):,} entries that file managers left ({shortened(self.junk, 3)})"


def contents(folder: Path, manifest: Manifest | None = None) -> Contents:
    """Return what lies in a folder; images of a manifest, if one is given, as `Contents.sound`. Links are not followed.

    Raises:
        OSError: A folder cannot be read; nothing is passed over for that.
    """
    found, waiting = Contents(), [(folder, "")]
    if manifest is not None:
        found.sound, names = np.zeros(len(manifest.index), bool), manifest.column.names
        most = manifest.max_file_bytes
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name, is_folder = prefix + entry.name, entry.is_dir(follow_symlinks=False)
                regular = entry.is_file(follow_symlinks=False)
                junk = entry.name.casefold() in (SYSTEM_FOLDERS if is_folder else SYSTEM_FILES)
                if junk or (entry.name.startswith("._") and regular):
                    found.junk.append(name)
                elif is_folder:
                    found.folders.add(name)
                    waiting.append((Path(entry.path), f"{name}/"))
                else:
                    status = entry.stat(follow_symlinks=False)
                    if manifest is not None and regular and status.st_size <= most and (at := names.find(name)) >= 0:
                        found.sound[at] = True
                    else:
                        found.files[name], found.sizes[name] = kind_of_file(status.st_mode), status.st_size
    found.junk.sort()
    return found


def check_names(folder: Path, manifest: Manifest) -> Contents:
    """Return what lies in a folder.

    Raises:
        ValueError: An image of the manifest is missing or no regular file, or something is there that it does not know.
    """
    found = contents(folder, manifest)
    if wrong := found.complaints(manifest):
        kinds: dict[str, list[str]] = {}
        for name, complaint in wrong.items():
            kinds.setdefault(complaint.partition(":")[0].replace("foreign", "not of this folder"), []).append(name)
        place = shlex.quote(str(folder))
        remedy = f"For all of them: vitcrypt verify {place}"
        foreign = wrong.keys() - manifest.index
        if foreign and all(name.endswith(".tar") for name in foreign):
            remedy = (
                f"If these are shards, train on them by data=shards, or unpack them first: mkdir NEW && "
                f"cp {place}/{FILENAME} NEW && for shard in {place}/*.tar; do tar xf $shard -C NEW; done"
            )
        elif not manifest.encrypted:
            remedy += f"; if the changes are yours, remove {FILENAME} there"
        listed = "; ".join(f"{len(names)} {kind}, e.g. {names[0]}" for kind, names in kinds.items())
        raise ValueError(f"{folder} is not as its manifest says: {listed}. {remedy}")
    return found


def read_checked(folder: Path, name: str, manifest: Manifest) -> bytes:
    """Return what is in a file; ValueError if it is not the file of the manifest."""
    try:
        data = read_regular(folder / name, manifest.max_file_bytes, below=folder)
    except FileNotFoundError:
        raise ValueError(f"{folder / name} is missing; get it again") from None
    if hashlib.sha256(data).hexdigest() != manifest.sha256.get(name):
        raise ValueError(
            f"{folder / name} is not the file of the manifest; get it again, or run: "
            f"vitcrypt verify {shlex.quote(str(folder))}"
        )
    return data


def read_checked_pixels(folder: Path, name: str, manifest: Manifest) -> NDArray[Any]:
    """Return the ciphertext in a file, uint8 [3, S, S] or as `manifest.stored` says, after the same check.

    Raises:
        ValueError: It is not the file of the manifest, or no image of the manifest's kind and size.
    """
    try:
        return decode_image(read_checked(folder, name, manifest), manifest)
    except ImageError as error:
        raise ValueError(f"{folder / name} {error}; take it from its owner again") from error


def read_listed_pixels(path: Path, folder: Path, manifest: Manifest) -> NDArray[Any]:
    """Return the image at a path below a folder as `read_checked_pixels` does."""
    return read_checked_pixels(folder, path.absolute().relative_to(folder.absolute()).as_posix(), manifest)


def image_complaint(data: bytes, name: str, manifest: Manifest) -> str | None:
    """Say what is wrong with the bytes of a file, None if they are the image of the manifest."""
    same = hashlib.sha256(data).hexdigest() == manifest.sha256.get(name)
    try:
        decode_image(data, manifest)
    except ImageError as error:
        kind = {".png": "PNG image", ".jpg": "JPEG image", ".npy": ".npy file"}[manifest.suffix]
        return f"{error}" if same else f"damaged: no longer a {kind} that can be read"
    return None if same else "changed: an image, but not the one of the manifest"


class ImageError(ValueError):
    """Bytes that are not the image that was expected."""


def decode_image(data: bytes, manifest: Manifest) -> NDArray[Any]:
    """Return a ciphertext of the manifest's kind and size, as `manifest.stored` says; ImageError if it is none."""
    if manifest.suffix == ".png":
        return decode_png(data, manifest.image_size)
    try:
        if manifest.suffix == ".npy":
            return read_npy(data, manifest.stored[0])
        return decode_foreign(data, manifest.stored[0])
    except ValueError as error:
        raise ImageError(str(error)) from None


def decode_png(data: bytes, side: int) -> NDArray[np.uint8]:
    """Return 8-bit RGB PNG of `side` x `side` pixels as uint8 [3, side, side].

    Raises:
        ImageError: It is something else. Neither another decoder nor a larger image was tried.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            complete = [(tile[1], tile[3]) for tile in image.tile] == [((0, 0, side, side), "RGB")]
            if image.size != (side, side) or not complete or getattr(image, "n_frames", 1) != 1:
                size, kind = f"{image.width} x {image.height}", image.tile[0][3] if image.tile else "nothing"
                raise ImageError(f"is an image of {size} in {kind}, not a single one of {side} x {side} in RGB")
            return np.asarray(image).transpose(2, 0, 1).copy()
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # whatever the decoder meets in there
        raise ImageError("is no PNG image that can be read") from error
