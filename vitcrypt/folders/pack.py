"""Packing a folder of encrypted images, for sets of very many: into one .npz file, or into tar files. Needs no key.

    OUT.part/.lock      held while a process makes OUT
    OUT.NUMBER.part     a file or, as .OUT.NUMBER.part, a folder that becomes OUT in one step when it is complete; if it
                        does not get there it is removed, at the latest by the next attempt

Files go through memory one by one, a few of them ahead of their turn.
"""

from __future__ import annotations

import io
import os
import shlex
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.data.columns import Texts
from vitcrypt.data.listing import list_folder
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import check_names, contents, image_complaint, read_checked, read_checked_pixels
from vitcrypt.data.store import Store
from vitcrypt.folders.job import GROUP, Advance, disk_errors, quiet, refuse_nesting
from vitcrypt.folders.upload import make_shards, member, room_in, taken
from vitcrypt.jobs.atomic import atomic_folder, atomic_write, remove_left
from vitcrypt.jobs.forked import mapping
from vitcrypt.jobs.lock import alone_in

AHEAD = 16
"""Groups of files that are read and checked before their turn: at most so many are in memory."""
AHEAD_BYTES = 2**29
OURS = ("[0-9]*.tar", FILENAME, f"{FILENAME}.*part")  # files in a folder of tar files


def pack_npz(folder: Path, out: Path, workers: int | None = None, advance: Advance = quiet) -> Manifest:
    """Pack a folder into one .npz file in the layout of MedMNIST, which `data.npz` and `numpy.load` read.

    It contains `{train,test,val}_images` (uint8 [N, S, S, 3], or float32 [N, C, H, W]), `_labels` (int64 [N, 1]) and
    `_index` (int64 [N], as `data.folder` has them), `classes`, and `manifest`, the manifest as one string of JSON. A
    folder without train/ is split as `data.folder` splits it. Only the manifest is compressed, as encrypted images do
    not get smaller.

    Args:
        folder: What `encrypt_folder` made.
        out: The new file.
        workers: Number of processes, of few images of threads.
        advance: Shows progress.

    Raises:
        FileNotFoundError: The folder has no manifest.
        FileExistsError: Something else is at `out`. What this same folder was packed into before is no error.
        BlockingIOError: Another process is making it.
        ValueError: A file of the folder is missing, foreign or not the one of the manifest.
        OSError: The disk is full. Nothing is left at `out`.
    """
    manifest = _manifest(folder, out)
    if os.path.lexists(out):
        found = Manifest.of(out) if out.is_file() and not out.is_symlink() else None
        _refuse_other(out, found[1] if found else None, manifest)
        _tidy(out)
        return manifest

    stored, dtype = manifest.stored
    of_each = (*stored[1:], stored[0]) if dtype == "uint8" else stored

    def pixels(name: str) -> bytes:
        values = read_checked_pixels(folder, name, manifest)
        return (values.transpose(1, 2, 0) if dtype == "uint8" else values.astype("<f4")).tobytes()

    with (
        _alone(folder, out),
        mapping(pixels, len(manifest.index), workers, GROUP, _ahead(manifest)) as mapped,
        atomic_write(out, new=True) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        listing = list_folder(folder)
        splits = listing.splits()
        _write_array(archive, "classes", np.array(listing.classes))
        _write_array(archive, "manifest", np.array(manifest.text()), zipfile.ZIP_DEFLATED)
        for split, files in splits.items():
            _write_array(archive, f"{split}_labels", np.array([[image.label] for image in files]))
            _write_array(archive, f"{split}_index", np.array([image.index for image in files]))
        names = (image.path.relative_to(folder).as_posix() for image in chain(*splits.values()))
        images, done = mapped(names), count(1)
        for split, files in splits.items():
            kind = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (len(files), *of_each)}
            with archive.open(zipfile.ZipInfo(f"{split}_images.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, kind)
                for image in islice(images, len(files)):
                    member.write(image)
                    advance(next(done), 0, len(manifest.index))
    return manifest


def pack_shards(
    folder: Path, out: Path | Store, shard_mib: int = 1024, workers: int | None = None, advance: Advance = quiet
) -> Manifest:
    """Pack a folder into tar files of limited size: OUT/000000.tar, OUT/000001.tar, ... and OUT/manifest.json.

    Members have the paths that they have in the folder and are sorted by them; times, users and groups are 0, so equal
    folders give equal files. All of them unpacked into one place, with manifest.json, are the folder again.

    Args:
        folder: What `encrypt_folder` made.
        out: The new folder, or an address where nothing lies: see `make_shards`.
        shard_mib: No tar file is larger than so many MiB.
        workers: Number of processes, of few images of threads.
        advance: Shows progress.

    Raises:
        ValueError: An image is larger than a shard may be.
        The errors of `pack_npz`.
    """
    manifest = _manifest(folder, out if isinstance(out, Path) else None)
    column = manifest.column
    names = Texts(column.names.at(position) for position in column.names.in_order())

    def read(name: str) -> bytes:
        data = read_checked(folder, name, manifest)
        if complaint := image_complaint(data, name, manifest):
            raise ValueError(f"{folder / name} {complaint}; take it from its owner again")
        return data

    if isinstance(out, Store):
        sources = {name: folder / name for name in names}
        make_shards(out, manifest, sources, read, manifest.sha256.__getitem__, shard_mib, workers, advance)
        return manifest
    shards = {f"{number:06}.tar": size for number, size in enumerate(_planned(folder, names, shard_mib))}
    if os.path.lexists(out):
        found = Manifest.read(out / FILENAME) if (out / FILENAME).is_file() and not out.is_symlink() else None
        _refuse_other(out, found, manifest)
        if contents(out).files.keys() != {*shards, FILENAME}:
            raise FileExistsError(
                f"{out} contains this folder in other tar files than {len(shards)} of at most {shard_mib} MiB, or not "
                f"all of them: name another folder, or see what is there: vitcrypt verify {shlex.quote(str(out))}"
            )
        _tidy(out)
        return manifest
    with (
        _alone(folder, out),
        mapping(read, len(names), workers, GROUP, _ahead(manifest)) as mapped,
        atomic_folder(out, OURS) as part,
    ):
        files, done = zip(names, mapped(names), strict=True), count(1)
        for shard_name, size in shards.items():
            with (part / shard_name).open("wb") as file, tarfile.open(fileobj=file, mode="w") as shard:
                for name, data in islice(files, size):
                    shard.addfile(member(name, len(data)), io.BytesIO(data))
                    advance(next(done), 0, len(names))
        manifest.write(part / FILENAME)
    return manifest


def _manifest(folder: Path, out: Path | None) -> Manifest:
    """Return the manifest of a folder that is to be packed, after a look at its names."""
    if not (folder / FILENAME).is_file():
        raise FileNotFoundError(f"{folder / FILENAME} does not exist; pack takes a folder that vitcrypt encrypt made")
    if out is not None:
        refuse_nesting(folder, out)
    manifest = Manifest.read(folder / FILENAME)
    check_names(folder, manifest)
    return manifest


def _refuse_other(out: Path, found: Manifest | None, wanted: Manifest) -> None:
    """Raise FileExistsError unless what is there was packed from the same folder."""
    if found is None:
        raise FileExistsError(f"{out} exists, and nothing is overwritten; name another one")
    if found.digest != wanted.digest:
        differences = found.differences(wanted) or ["its files have other contents"]
        raise FileExistsError(
            f"{out} was packed from another folder, or from this one as it was before ({'; '.join(differences)}): "
            f"nothing is overwritten; name another one, or remove it first: rm -r {shlex.quote(str(out))}"
        )


@contextmanager
def _alone(folder: Path, out: Path) -> Iterator[None]:
    """Let no other process pack into the same place."""
    lock, state = _lock_of(out), f"{folder} is as it was, nothing is left of {out}"
    with disk_errors(lock, lambda: state, "it starts over"), alone_in(lock):
        if any(entry.name != ".lock" for entry in lock.iterdir()):
            raise FileExistsError(
                f"{lock} contains files of something else; move them away, or remove it: rm -r {shlex.quote(str(lock))}"
            )
        yield


def _tidy(out: Path) -> None:
    """Remove what an attempt left that was killed when only this was missing."""
    if (_lock_of(out) / ".lock").exists():
        with alone_in(_lock_of(out)):
            remove_left(out)


def _lock_of(out: Path) -> Path:
    return out.absolute().with_name(f"{out.absolute().name}.part")


def _ahead(manifest: Manifest) -> int:
    return max(1, min(AHEAD, AHEAD_BYTES // (GROUP * manifest.max_file_bytes)))


def _write_array(
    archive: zipfile.ZipFile, name: str, array: NDArray[Any], compression: int = zipfile.ZIP_STORED
) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980, so that equal folders give equal files
    entry.compress_type = compression
    with archive.open(entry, "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _planned(folder: Path, names: Iterable[str], mib: int) -> list[int]:
    """Distribute files over tar files of at most so many MiB, in order; return how many go into each."""
    shards: list[int] = []
    left = 0
    for name in names:
        takes = taken(name, (folder / name).stat().st_size, mib)
        if takes > left:
            shards.append(0)
            left = room_in(mib)
        shards[-1] += 1
        left -= takes
    return shards
