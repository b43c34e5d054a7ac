"""Comparing a folder with its manifest, byte by byte. No key is needed."""

import hashlib
import io
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitcrypt.data.decode import read_image
from vitcrypt.data.manifest import FILENAME, Manifest, names_below
from vitcrypt.folders.job import Advance


def verify_folder(
    folder: Path, workers: int | None = None, advance: Advance | None = None
) -> tuple[Manifest, list[str]]:
    """Return the manifest of a folder, and what is wrong with it: nothing if it is whole.

    Missing, damaged, changed and foreign files are found and named, also in the tar files of `pack_shards`. Who can
    rewrite the manifest can make any folder pass: keep its digest where others cannot change it.

    Raises:
        FileNotFoundError: There is no manifest.
        ValueError: The manifest is damaged, or this is a file.
    """
    if folder.is_file():
        raise ValueError(
            f"{folder} is a file, and verify takes a folder. What vitcrypt pack puts into an .npz file is compared "
            f"with the checksums in there (CRC-32) when data=npz reads it, or now by: python -m zipfile -t {folder}"
        )
    if not (folder / FILENAME).is_file():
        part = folder.with_name(folder.name + ".part")
        begun = f"; {part} was begun and not finished: repeat the command that made it" if part.is_dir() else ""
        raise FileNotFoundError(f"{folder / FILENAME} does not exist, so nothing says what should be there{begun}")
    manifest = Manifest.read(folder / FILENAME)
    shards = [] if any(entry.is_dir() for entry in folder.iterdir()) else sorted(folder.glob("*.tar"))
    if shards:
        return manifest, _wrong_in_shards(shards, manifest, workers, advance)
    wrong = []
    with ThreadPoolExecutor(workers) as pool:
        told = pool.map(lambda name: _wrong(folder / name, manifest.sha256.get(name)), manifest.index)
        for count, (name, complaint) in enumerate(zip(manifest.index, told, strict=True), start=1):
            if complaint is not None:
                wrong.append(f"{name}: {complaint}")
            if advance is not None:
                advance(count, 0, len(manifest.index))
    wrong += [f"{name}: foreign: the manifest does not know it" for name in sorted(_foreign(folder, manifest))]
    return manifest, wrong


def read_checked(folder: Path, name: str, manifest: Manifest) -> bytes:
    """Return what is in a file.

    Raises:
        ValueError: It is not the file of the manifest.
    """
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest.sha256.get(name):
        raise ValueError(
            f"{folder / name} is not the file of the manifest; get it again, or say: vitcrypt verify {folder}"
        )
    return data


def read_checked_image(folder: Path, name: str, manifest: Manifest) -> Tensor:
    """Return the image in a file, uint8 [3, H, W], after the same check."""
    with Image.open(io.BytesIO(read_checked(folder, name, manifest))) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _wrong(path: Path, sha256: str | None) -> str | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if hashlib.sha256(data).hexdigest() == sha256:
        return None
    try:
        read_image(path, None)
    except ValueError:
        return "damaged: no longer a PNG image that can be read"
    return "changed: an image, but not the one of the manifest"


def _foreign(folder: Path, manifest: Manifest) -> set[str]:
    """Return files and folders that do not belong here; to others, a folder is a class."""
    known = {str(parent) for name in manifest.index for parent in Path(name).parents}
    folders = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()} - known
    return (names_below(folder) - manifest.index.keys()) | folders


def _wrong_in_shards(shards: list[Path], manifest: Manifest, workers: int | None, advance: Advance | None) -> list[str]:
    wrong, found = [], Counter[str]()
    with ThreadPoolExecutor(workers) as pool:
        for names, complaints in pool.map(lambda shard: _in_shard(shard, manifest), shards):
            found.update(names)
            wrong += complaints
            if advance is not None:
                advance(len(found), 0, len(manifest.index))
    wrong += [f"{name}: {times} times in the shards" for name, times in found.items() if times > 1]
    if missing := manifest.index.keys() - found.keys():
        wrong.append(f"{len(missing):,} images are in no shard, e.g. {min(missing)}: one is missing or cut off")
    foreign = names_below(shards[0].parent) - {shard.name for shard in shards}
    return wrong + [f"{name}: foreign: no shard" for name in sorted(foreign)]


def _in_shard(path: Path, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Return the names of the images in a tar file, and what is wrong with it."""
    found: list[str] = []
    wrong = []
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                file = shard.extractfile(member) if member.isfile() and member.name in manifest.index else None
                if file is None:
                    wrong.append(f"{path.name}: {member.name}: foreign: the manifest does not know it")
                    continue
                if hashlib.sha256(file.read()).hexdigest() != manifest.sha256.get(member.name):
                    wrong.append(f"{path.name}: {member.name}: changed or damaged")
                found.append(member.name)
    except (tarfile.TarError, EOFError) as error:
        wrong.append(f"{path.name}: damaged after {len(found)} images: {error}")
    except OSError as error:
        wrong.append(f"{path.name}: cannot be read ({error.strerror})")
    return found, wrong
