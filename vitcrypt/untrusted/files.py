"""Reading files that another party made: regular files only, of a bounded size, below their folder."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

MANY = 2**30


def open_regular(path: Path, max_bytes: int = MANY, below: Path | None = None) -> BufferedReader:
    """Open a regular file for reading; never wait for one that is not.

    Args:
        path: The file.
        max_bytes: How long it may be.
        below: Where it came from: neither the file nor a folder between the two may be a link. Without it a link is
            followed, as for paths that the user typed.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is a link, folder, pipe, socket or device, or too large. The message says which.
        OSError: It cannot be opened.
    """
    return os.fdopen(_descriptor(path, max_bytes, below), "rb")


def _descriptor(path: Path, max_bytes: int, below: Path | None) -> int:
    if below is not None:
        refuse_links(path, below)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if below is not None else 0)
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is {kind_of_file(found.st_mode)}, not a regular file")
        if found.st_size > max_bytes:
            raise ValueError(f"{path} has {found.st_size:,} bytes; at most {max_bytes:,} are read")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_head(path: Path, length: int, max_bytes: int = MANY) -> bytes:
    """Return the first bytes of a regular file, at most `length`; errors as of `open_regular`."""
    descriptor = _descriptor(path, max_bytes, None)
    try:
        return os.read(descriptor, length)
    finally:
        os.close(descriptor)


def read_regular(path: Path, max_bytes: int = MANY, below: Path | None = None) -> bytes:
    """Return the contents of a regular file; arguments and errors as of `open_regular`."""
    with open_regular(path, max_bytes, below) as file:
        data = file.read(max_bytes + 1)  # it may have grown, or have no size of its own, as in /proc
    if len(data) > max_bytes:
        raise ValueError(f"{path} has more than {max_bytes:,} bytes; no more are read")
    return data


def refuse_links(path: Path, below: Path) -> None:
    """Raise ValueError if `path`, or a folder between `below` and it, is a link, or if it does not lie below."""
    try:
        parts = path.relative_to(below).parts
    except ValueError:
        raise ValueError(f"{path} does not lie in {below}") from None
    if ".." in parts:
        raise ValueError(f"{path} leads out of {below}")
    place = str(below)
    for part in parts:
        place = os.path.join(place, part)  # noqa: PTH118 (paths take longer, for each of very many files)
        if os.path.islink(place):  # noqa: PTH114
            raise ValueError(f"{Path(place)} is a link; only regular files are read from a folder of another party")


def kind_of_file(mode: int) -> str:
    """Return what a file is, by its `st_mode`, in words."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFREG: "a regular file",
    }
    return kinds.get(stat.S_IFMT(mode), "not a file")
