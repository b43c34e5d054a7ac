"""Files that are written whole or not at all, and their SHA-256. Lies below everything else and loads nothing."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without hard links answer


@contextlib.contextmanager
def written_whole(path: Path, *, new: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` at the end of the block, when it is all on the disk.

    Until then it lies beside it and ends in `.part`. If anything goes wrong it is removed, and what was there stays.
    With `new`, what a process that was killed left of this file is removed too, unless someone holds it.

    Args:
        path: The file, in a folder that exists. What is there is replaced.
        new: Replace nothing.
        mode: Who may read and write it, less what the umask takes away.

    Raises:
        FileExistsError: Something is there, and `new` was said.
        OSError: It cannot be written.
    """
    if path.is_dir():  # "." and "/" have no name at all
        number = errno.EEXIST if new else errno.EISDIR
        raise OSError(number, os.strerror(number), str(path))
    part = path.with_name(f"{path.name}.{os.getpid()}.part" if new else f"{path.name}.part")
    if new:
        _remove_left(path)
    try:
        part.touch(mode, exist_ok=not new)
        with part.open("wb") as file, _held(part, must=False) if new else contextlib.nullcontext():
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


@contextlib.contextmanager
def atomic_folder(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Give a new folder that becomes `folder` at the end of the block, when it is all on the disk.

    Until then it lies beside it as `.NAME.PID.part`. If anything goes wrong it is removed. What a process that was
    killed left of the same name is removed too, unless someone holds it or it has other files in it.

    Args:
        folder: The folder. Nothing may be there.
        names: Of the files that will be in it.

    Raises:
        FileExistsError: Something is there.
        OSError: It cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(folder, names)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir()
    with _held(part, must=False):
        try:
            yield part
            for path in part.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            sync_folder(part)
            if os.path.lexists(folder):  # a rename would replace an empty folder
                raise FileExistsError(f"{folder} exists by now")
            part.rename(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, path: Path) -> None:
    """Give a file its name unless something is called so; a rename would replace that."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


def _remove_left(path: Path, names: Collection[str] | None = None) -> None:
    """Remove what killed processes left beside `path`: our own files, or folders of no files but these."""
    dot = "" if names is None else "."
    for left in path.parent.glob(f"{dot}{glob.escape(path.name)}.*.part"):
        if not re.fullmatch(rf"{re.escape(f'{dot}{path.name}')}\.[0-9]+\.part", left.name):
            continue
        with contextlib.suppress(OSError):
            found = left.lstat()
            ours = stat.S_ISREG(found.st_mode) if names is None else stat.S_ISDIR(found.st_mode)
            if not ours or found.st_uid != os.getuid():
                continue
            with _held(left, must=True):
                if names is None:
                    left.unlink()
                elif {entry.name for entry in left.iterdir()} <= set(names):
                    shutil.rmtree(left)


@contextlib.contextmanager
def _held(path: Path, *, must: bool) -> Iterator[None]:
    """Hold a file or folder, so that nobody takes it for left behind.

    Args:
        path: The file or folder.
        must: Raise OSError also where the file system knows no locks; otherwise go on without.

    Raises:
        BlockingIOError: Another process holds it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if must or isinstance(error, BlockingIOError):
                raise
        yield
    finally:
        os.close(descriptor)


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
