"""Files that are written whole or not at all, and their SHA-256. Lies below everything else and loads nothing."""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without hard links say


@contextlib.contextmanager
def written_whole(path: Path, *, new: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` at the end of the block, when it is all on the disk.

    Until then it lies beside it and ends in `.part`. If anything goes wrong it is removed, and what was there stays.
    What a kill leaves there is replaced by the next attempt.

    Args:
        path: The file, in a folder that exists. What is there is replaced.
        new: Replace nothing.
        mode: Who may read and write it, less what the umask takes away.

    Raises:
        FileExistsError: Something is there, and `new` was said.
        BlockingIOError: Another process is writing it, and `new` was said.
        OSError: It cannot be written.
    """
    if new and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = path.with_name(f"{path.name}.vitcrypt.part" if new else f"{path.name}.part")
    if new:
        _remove_left(part)
    with part.open("xb" if new else "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        if new:
            _alone(file, path)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if new:
                _put(part, path)
            else:
                part.replace(path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)


def _remove_left(part: Path) -> None:
    """Remove what a killed process left."""
    with contextlib.suppress(FileNotFoundError), part.open("rb", opener=_no_link) as file:
        _alone(file, part)
        part.unlink()


def _no_link(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _alone(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"another process is writing {path}; wait for it, or name another place") from None
    except OSError:  # a file system without locks: `_put` still replaces nothing
        pass


def _put(part: Path, path: Path) -> None:
    """Give a file its name unless something is called so."""
    try:
        os.link(part, path)  # fails where there is something, which a rename would replace
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


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
