"""Comparing a folder with its manifest, byte by byte. No key is needed."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vitcrypt.data.decode import read_image
from vitcrypt.data.manifest import FILENAME, Manifest, names_below
from vitcrypt.folders.job import Advance


def verify_folder(
    folder: Path, workers: int | None = None, advance: Advance | None = None
) -> tuple[Manifest, list[str]]:
    """Return the manifest of a folder, and what is wrong with it: nothing if it is whole.

    Missing, damaged, changed and foreign files are found and named. Who can rewrite the manifest can make any folder
    pass: keep its digest where others cannot change it.

    Raises:
        FileNotFoundError: There is no manifest.
        ValueError: The manifest is damaged.
    """
    if not (folder / FILENAME).is_file():
        part = folder.with_name(folder.name + ".part")
        begun = f"; {part} was begun and not finished: repeat the command that made it" if part.is_dir() else ""
        raise FileNotFoundError(f"{folder / FILENAME} does not exist, so nothing says what should be there{begun}")
    manifest = Manifest.read(folder / FILENAME)
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
