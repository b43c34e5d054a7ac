"""Files that are written whole or not at all, and their SHA-256. Lies below everything else and loads nothing."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path, *, new: bool = False) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` at the end of the block, when it is all on the disk.

    Until then it lies beside it and ends in `.part`. If anything goes wrong it is removed, and what was there stays.

    Args:
        path: The file, in a folder that exists. What is there is replaced.
        new: Replace nothing.

    Raises:
        FileExistsError: Something is there, and `new` was said.
        OSError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part" if new else f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(part, path)  # fails where there is something, which a rename would replace
        else:
            part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that what was renamed stays so; not all file systems can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
