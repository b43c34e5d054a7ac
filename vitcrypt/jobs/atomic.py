"""Files and folders that appear complete or not at all, and their SHA-256. Lies below everything else."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from vitcrypt.jobs.lock import take

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without hard links answer
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@contextlib.contextmanager
def atomic_write(path: Path, *, new: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` at the end of the block, when it is complete and on the disk.

    Until then it lies beside it as `NAME.NUMBER.part`, so that several processes can write the same: the last one
    stays. If anything goes wrong it is removed, and what was there stays. What a killed process left of this file is
    removed too, unless another process holds it. A device or a pipe is written as it is.

    Args:
        path: The file, in a folder that exists. What is there is replaced.
        new: Replace nothing.
        mode: Who may read and write it, less what the umask takes away.

    Raises:
        FileExistsError: Something is there, and `new` is set.
        OSError: It cannot be written.
    """
    if path.is_dir():  # "." and "/" have no name at all
        raise _exists(path) if new else IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file() and not new:
        with path.open("wb") as file:
            yield file
        return
    remove_left(path)
    part, descriptor = _held_part(path, lambda part: os.open(part, NEW_FILE, mode))
    try:
        with _disk_errors(path), part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            _link(part, path)
        else:
            part.replace(path)
        fsync_dir(path.parent)
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def write_new(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file that was not there before, complete or not at all.

    Raises:
        FileExistsError: Something is there. It is left as it is.
        OSError: It cannot be written.
    """
    with atomic_write(path, new=True, mode=mode) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_folder(folder: Path, names: Collection[str], again: bool = False) -> Iterator[Path]:
    """Create a folder that becomes `folder` at the end of the block, when it is complete and on the disk.

    Until then it lies beside it as `.NAME.NUMBER.part`. If anything goes wrong it is removed. What a killed process
    left of the same name is removed too, unless another process holds it or it contains other files.

    Args:
        folder: The folder. Nothing may be there.
        names: Of the files that will be in it; `*` stands for any part of a name.
        again: A folder that is the same to the last byte may be there, and stays.

    Raises:
        FileExistsError: Something else is there.
        OSError: It cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_left(folder, names)
    part, descriptor = _held_part(folder.with_name(f".{folder.name}"), _opened_folder)
    try:
        with _disk_errors(folder):
            yield part
            for path in part.rglob("*"):
                (fsync_dir if path.is_dir() else fsync_file)(path)
        if not os.path.lexists(folder):  # a rename would replace an empty folder
            rename_folder(part, folder)
        elif not (again and _hashes(part) == _hashes(folder)):
            raise _exists(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(descriptor)


def _hashes(folder: Path) -> dict[Path, str]:
    """Return the SHA-256 of each file in a folder and below."""
    return {path.relative_to(folder): sha256(path) for path in folder.rglob("*") if not path.is_dir()}


def rename_folder(part: Path, folder: Path) -> None:
    """Give a folder, whose files are on the disk, its final name in one step. An empty folder there is replaced."""
    fsync_dir(part)
    part.rename(folder)
    fsync_dir(folder.parent)


def remove_left(path: Path, names: Collection[str] | None = None) -> None:
    """Remove what killed processes left of `path`: our own files, or with `names` folders of no other files.

    Args:
        path: What they were to make.
        names: As of `atomic_folder`; None: a file.
    """
    name = path.name if names is None else f".{path.name}"
    for left in path.parent.glob(f"{glob.escape(name)}.*.part"):
        if not re.fullmatch(rf"{re.escape(name)}\.[0-9]+\.part", left.name):
            continue
        with contextlib.suppress(OSError):
            found = left.lstat()
            ours = stat.S_ISREG(found.st_mode) if names is None else stat.S_ISDIR(found.st_mode)
            if not ours or found.st_uid != os.getuid():
                continue
            with _held(left):
                if names is None:
                    left.unlink()
                elif all(any(fnmatchcase(entry.name, known) for known in names) for entry in left.iterdir()):
                    shutil.rmtree(left)


def fsync_file(path: Path) -> None:
    """Bring a file to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_dir(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that what was renamed stays so; not all file systems can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits; ValueError if it is a pipe or device, which may not end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{path} is no regular file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Let an error of the disk be an OSError that names the path, also where a library made another one of it."""
    try:
        yield
    except Exception as error:
        for code in DISK:
            if os.strerror(code) in f"{error} {error.__context__}":
                raise OSError(code, os.strerror(code), str(path)) from error
        raise


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(f"{path} exists, and nothing is overwritten; name another one")


def _link(part: Path, path: Path) -> None:
    """Name a file `path` too unless that exists; a rename would replace it."""
    try:
        try:
            os.link(part, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            part.replace(path)
    except FileExistsError:
        raise _exists(path) from None


def _held_part(path: Path, made: Callable[[Path], int]) -> tuple[Path, int]:
    """Make what becomes `path`, under a name of its own, and hold it, so that nobody takes it for left behind.

    Args:
        path: What it becomes.
        made: Makes it and opens it.
    """
    while True:
        part = path.with_name(f"{path.name}.{int.from_bytes(os.urandom(4))}.part")
        try:
            descriptor = made(part)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the user knows
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is removed either
            take(descriptor, wait=True)
        if os.path.lexists(part):
            return part, descriptor
        os.close(descriptor)  # it was not yet held, and taken for left behind


def _opened_folder(part: Path) -> int:
    part.mkdir()
    try:
        return os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # likewise
        return _opened_folder(part)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Lock a file or folder.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        take(descriptor)
        yield
    finally:
        os.close(descriptor)
