"""A user's own folder as it lies on the disk: its folders, its images, and what else there is, counted by kind.

Links are followed, each real folder once. Nothing that cannot be listed is passed over: it is an error with its path.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from vitcrypt.data.decode import with_image
from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.untrusted.files import kind_of_file
from vitcrypt.untrusted.text import shortened

SYSTEM_FOLDERS = frozenset(
    ("@eadir", "#recycle", "__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found")
)
HIDDEN, NO_EXTENSION = "hidden", "without an extension"
IN_HIDDEN = "in hidden or system folders"

SIDECARS = frozenset((".txt", ".json", ".xml", ".csv", ".tsv", ".md", ".yaml", ".yml", ".html", ".ini", ".db", ".pdf"))


class Content(NamedTuple):
    """What lies directly in a folder, in the order of the names."""

    folders: list[Folder]
    images: list[Path]
    left_out: Counter[str]


class Folder:
    """A folder that is read when it is asked for what is in it.

    An image is a regular file with an extension of `EXTENSIONS`, or without one if its first bytes are those of an
    image. Files and folders whose names begin with a dot, and folders that other systems make, are left out.

    Args:
        path: Where it is.
        seen: The real folders that were read before, by device and inode; shared by all that one listing reads.

    Raises (all that is asked of it):
        ValueError: It cannot be listed, or was read before under another path; or something in it is a link without
            target, a pipe, a socket, a device or an image that may not be read.
    """

    def __init__(self, path: Path, seen: dict[tuple[int, int], Path] | None = None) -> None:
        self.path = path
        self._seen = {} if seen is None else seen

    @property
    def folders(self) -> list[Folder]:
        """The folders in it."""
        return self._content.folders

    @property
    def images(self) -> list[Path]:
        """The images directly in it."""
        return self._content.images

    @property
    def left_out(self) -> Counter[str]:
        """The number of other files directly in it, by kind; those of its hidden folders count here too."""
        return self._content.left_out

    def all_images(self) -> list[Path]:
        """Return the images in it and in all its folders, in the order of their paths."""
        return sorted(path for folder in self.walk() for path in folder.images)

    def holds_images(self) -> bool:
        """Say whether there is an image in it or below."""
        return any(folder.images for folder in self.walk())

    def all_left_out(self) -> Counter[str]:
        """Return the number of other files in it and in all its folders, by kind."""
        return sum((folder.left_out for folder in self.walk()), Counter())

    def walk(self) -> list[Folder]:
        """Return it and all folders below."""
        found = [self]
        for folder in found:  # grows as it is gone through
            found += folder.folders
        return found

    @cached_property
    def _content(self) -> Content:
        content = Content([], [], Counter())
        try:
            self._refuse_second_reading()
            _refuse_closed(self.path, os.R_OK | os.X_OK)
            with os.scandir(self.path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise _unlisted(self.path, error) from error
        for entry in found:
            try:
                self._sort_in(entry, content)
            except OSError as error:
                raise _unlisted(Path(entry.path), error) from error
        return content

    def _sort_in(self, entry: os.DirEntry[str], content: Content) -> None:
        path = self.path / entry.name
        hidden, real_folder = entry.name.startswith("."), entry.is_dir(follow_symlinks=False)
        if real_folder and (hidden or entry.name.casefold() in SYSTEM_FOLDERS):
            content.left_out[IN_HIDDEN] += count_files(path)
        elif hidden:
            content.left_out[HIDDEN] += 1
        elif entry.is_dir():
            content.folders.append(Folder(path, self._seen))
        elif not entry.is_file():
            raise ValueError(f"{path} is {kind_of_file(entry.stat().st_mode)}, not a file; move it out of the folder")
        elif is_image(path):
            _refuse_closed(path, os.R_OK)
            content.images.append(path)
        else:
            content.left_out[path.suffix.lower() or NO_EXTENSION] += 1

    def _refuse_second_reading(self) -> None:
        status = self.path.stat()
        before = self._seen.setdefault((status.st_dev, status.st_ino), self.path)
        if before != self.path:
            raise ValueError(f"{self.path} and {before} are one folder, by a link, and each counts once; remove one")


def is_image(path: Path) -> bool:
    """Say whether a regular file is an image by its extension, or by its first bytes if it has none."""
    if path.suffix:
        return path.suffix.lower() in EXTENSIONS
    try:
        return with_image(path, lambda image: min(image.size) > 0)
    except ValueError:
        return False


def count_files(folder: Path) -> int:
    """Return how many files lie below a folder that is left out; what cannot be listed there does not matter."""
    return sum(len(names) for _, _, names in os.walk(folder))


def told(left_out: Counter[str]) -> str:
    """Say what was left out, in a line: the number and kind of the files; empty if there are none."""
    if not left_out:
        return ""
    kinds = shortened([f"{count:,} {kind}" for kind, count in left_out.most_common()])
    unread = any(kind.startswith(".") and kind not in SIDECARS for kind in left_out)
    return f"left out: {kinds}{'; convert images among them to PNG or JPEG' if unread else ''}"


def _refuse_closed(path: Path, wanted: int) -> None:
    if not os.access(path, wanted):
        raise ValueError(f"you may not read {path}; change its permissions, or move it out of the folder")


def _unlisted(path: Path, error: OSError) -> ValueError:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        reason = f"it is a link to {os.readlink(path)}, which does not exist; get what it links to"  # noqa: PTH115
    else:
        reason = f"{error.strerror}; make it readable"
    return ValueError(f"cannot read {path}: {reason}, or move it out of the folder")
