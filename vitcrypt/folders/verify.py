"""Comparing a folder with its manifest, byte by byte. No key is needed."""

import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import contents, image_complaint
from vitcrypt.folders.job import Advance
from vitcrypt.folders.shards import wrong_in_shards
from vitcrypt.untrusted.files import read_regular


def verify_folder(
    folder: Path, workers: int | None = None, advance: Advance | None = None
) -> tuple[Manifest, list[str]]:
    """Return the manifest of a folder, and what is wrong with it: nothing if it is whole.

    Missing, damaged, changed and foreign files are found and named, also in the tar files of `pack_shards`. What is
    whole can be decrypted, packed and trained on to the last image. What file managers leave in folders is passed over.
    Who can rewrite the manifest can make any folder pass: keep its digest where others cannot change it.

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
    if shards:
        wrong = wrong_in_shards(folder, shards, manifest, workers, advance)
        foreign = sorted(found.files.keys() - {*shards, FILENAME, ".lock"})
        return manifest, wrong + [f"{name}: foreign: no shard" for name in foreign]
    complaints, wrong = found.complaints(manifest), []
    with ThreadPoolExecutor(workers) as pool:
        names = [name for name in manifest.index if name not in complaints]
        told = pool.map(lambda name: _wrong(folder, name, manifest), names)
        for count, (name, complaint) in enumerate(zip(names, told, strict=True), start=1):
            if complaint is not None:
                wrong.append(f"{name}: {complaint}")
            if advance is not None:
                advance(count, 0, len(names))
    return manifest, wrong + [f"{name}: {complaint}" for name, complaint in complaints.items()]


def _wrong(folder: Path, name: str, manifest: Manifest) -> str | None:
    try:
        return image_complaint(read_regular(folder / name, manifest.max_file_bytes, below=folder), name, manifest)
    except FileNotFoundError:
        return "missing"
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
