"""A user's own folder: what lies in it, which of its folders are splits, which classes, and which one level too high.

Links are followed, each real folder once. Nothing that cannot be listed is passed over: it is an error with its path.
"""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from vitcrypt.data.columns import Texts
from vitcrypt.data.decode import with_image
from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.untrusted.files import kind_of_file
from vitcrypt.untrusted.text import shortened

SYSTEM_FOLDERS = frozenset(("@eadir", "#recycle", "__macosx", "$recycle.bin", "recycler", "system volume information"))
SYSTEM_FOLDERS |= {"lost+found", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".appledouble"}
SYSTEM_FOLDERS |= {".thumbnails", ".ipynb_checkpoints"}
"""Folders that file managers and systems make, by their names in lower case. None of what is in them is read."""
SIDECARS = frozenset((".txt", ".json", ".xml", ".csv", ".tsv", ".md", ".yaml", ".yml", ".html", ".ini", ".db", ".pdf"))
WORDS = {
    "train": ("train", "training", "trn", "tr", "trainset"),
    "test": ("test", "testing", "tst", "testset"),
    "val": ("val", "valid", "validation", "valset"),
}
ROLES = {word: role for role, words in WORDS.items() for word in words}
WORD_BORDER = r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
FILLERS = frozenset(("set", "split", "data", "dataset", "folder", "images", "image", "imgs", "img"))


class Content(NamedTuple):
    """What lies directly in a folder, in the order of the names; other files are counted by kind."""

    folders: list[Folder]
    images: Texts
    left_out: Counter[str]


@dataclass(eq=False)
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

    path: Path
    seen: dict[tuple[int, int], Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name as it is on the disk."""
        return self.path.name

    @property
    def label(self) -> str:
        """Its name in Unicode's NFC: macOS writes the same letters as other characters than Linux does."""
        return unicodedata.normalize("NFC", self.name)

    @cached_property
    def content(self) -> Content:
        """What lies directly in it."""
        content, path = Content([], Texts(), Counter()), self.path
        entry: os.DirEntry[str] | None = None
        try:
            status = path.stat()
            before = self.seen.setdefault((status.st_dev, status.st_ino), path)
            if before != path:
                raise ValueError(f"{path} and {before} are one folder, by a link, and each counts once; remove one")
            _refuse_closed(path, os.R_OK | os.X_OK)
            with os.scandir(path) as entries:
                found = sorted(entries, key=attrgetter("name"))
            for entry in found:
                self._sort_in(entry, content)
        except OSError as error:
            path = self.path / entry.name if entry is not None else self.path
            reason = f"{error.strerror}; make it readable"
            if isinstance(error, FileNotFoundError) and path.is_symlink():
                reason = f"it is a link to {path.readlink()}, which does not exist; get what it links to"
            raise ValueError(f"cannot read {path}: {reason}, or move it out of the folder") from error
        return content

    def _sort_in(self, entry: os.DirEntry[str], content: Content) -> None:
        stem, _, extension = entry.name.rpartition(".")
        suffix = f".{extension.lower()}" if stem and extension else ""
        hidden, real_folder = entry.name.startswith("."), entry.is_dir(follow_symlinks=False)
        if real_folder and (hidden or entry.name.casefold() in SYSTEM_FOLDERS):
            content.left_out["in hidden or system folders"] += count_files(self.path / entry.name)
        elif hidden:
            content.left_out["hidden"] += 1
        elif entry.is_dir():
            content.folders.append(Folder(self.path / entry.name, self.seen))
        elif not entry.is_file():
            path = self.path / entry.name
            raise ValueError(f"{path} is {kind_of_file(entry.stat().st_mode)}, not a file; move it out of the folder")
        elif suffix in EXTENSIONS or (not suffix and _begins_as_image(self.path / entry.name)):
            _refuse_closed(entry.path, os.R_OK)
            content.images.append(entry.name)
        else:
            content.left_out[suffix or "without an extension"] += 1

    def walk(self) -> list[Folder]:
        """Return it and all folders below."""
        found = [self]
        for folder in found:  # grows while it is iterated over
            found += folder.content.folders
        return found

    @cached_property
    def all_images(self) -> Texts:
        """The paths here of the images in it and in all its folders, in the order of their parts."""
        if not self.content.folders:
            return self.content.images
        start = len(self.path.parts)
        inner = [((*folder.path.parts[start:], name)) for folder in self.walk() for name in folder.content.images]
        return Texts("/".join(parts) for parts in sorted(inner))

    def all_left_out(self) -> Counter[str]:
        """Return the number of other files in it and in all its folders, by kind."""
        return sum((folder.content.left_out for folder in self.walk()), Counter())


def _begins_as_image(path: Path) -> bool:
    try:
        return with_image(path, lambda image: min(image.size) > 0)
    except ValueError:
        return False


def _refuse_closed(path: Path | str, wanted: int) -> None:
    if not os.access(path, wanted):
        raise ValueError(f"you may not read {Path(path)}; change its permissions, or move it out of the folder")


def count_files(folder: Path) -> int:
    """Return how many files lie below a folder that is left out; what cannot be listed there does not matter."""
    return sum(len(names) for _, _, names in os.walk(folder))


def describe_left_out(left_out: Counter[str]) -> str:
    """Say in a line how many files of which kinds were left out; empty if there are none."""
    if not left_out:
        return ""
    kinds = shortened([f"{count:,} {kind}" for kind, count in left_out.most_common()])
    unread = any(kind.startswith(".") and kind not in SIDECARS for kind in left_out)
    return f"left out: {kinds}{'; convert images among them to PNG or JPEG' if unread else ''}"


def split_role(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return "train", "test" or "val" if a folder of that name may be this split, and what else its name says.

    >>> split_role("Testing"), split_role("train_images"), split_role("seg_test"), split_role("val2017")
    (('test', ()), ('train', ()), ('test', ('seg',)), ('val', ('2017',)))
    >>> split_role("trains"), split_role("train_test")
    (None, None)
    """
    spaced = re.sub(WORD_BORDER, " ", unicodedata.normalize("NFC", name)).casefold()
    words = [word for word in re.split(r"[\W_]+", spaced) if word]
    roles = [ROLES[word] for word in words if word in ROLES]
    rest = tuple(word for word in words if word not in ROLES and word not in FILLERS)
    return (roles[0], rest) if len(roles) == 1 else None


def find_splits(base: Folder) -> dict[str, Folder]:
    """Return the folders to train, test and validate on by role; empty if all folders are classes.

    A folder for training counts with one to test or validate on beside it, whose name says the same otherwise
    (seg_train and seg_test); or alone, if it is called train and holds folders and no image.

    Raises:
        ValueError: More than one folder could be a split.
    """
    groups: dict[tuple[str, ...], dict[str, list[Folder]]] = defaultdict(lambda: defaultdict(list))
    for folder in base.content.folders:
        if (found := split_role(folder.name)) is not None:
            role, rest = found
            groups[rest][role].append(folder)
    complete = [group for group in groups.values() if "train" in group and len(group) > 1]
    plain = groups.get((), {})
    chosen = [plain] if plain in complete else complete
    if not chosen:
        alone = [folder for folder in plain.get("train", []) if folder.label.casefold() == "train"]
        chosen = [{"train": [folder]} for folder in alone if folder.content.folders and not folder.content.images]
    candidates = {role: [folder for group in chosen for folder in group.get(role, [])] for role in WORDS}
    for role, folders in candidates.items():
        if len(folders) > 1:
            raise ValueError(
                f"{base.path} has {len(folders)} folders that could be {role}/: {_named(folders)}; leave one of them, "
                "or rename the others"
            )
    return {role: folders[0] for role, folders in candidates.items() if folders}


def training_folders(base: Folder) -> list[Folder]:
    """Return the folders of the classes to train on, as `class_folders` does.

    Raises:
        ValueError: There is only one, or these are not the classes, but lie one level above them.
    """
    full = [folder for folder in base.content.folders if folder.all_images]
    if len(full) == 1:
        _refuse_wrapper(base, full[0])
    _refuse_same_folders(base, full)
    folders = class_folders(base)
    if len(folders) == 1:
        name = folders[0].name
        raise ValueError(f"{base.path} holds one class, {name}: nothing to tell apart; add a folder for another class")
    return folders


def class_folders(base: Folder) -> list[Folder]:
    """Return the folders of the classes in the order of their names (in NFC).

    Raises:
        ValueError: There are none, or two have the same name, or one holds no image.
    """
    folders = sorted(base.content.folders, key=lambda folder: folder.label)
    if not folders:
        here = f"; it holds images itself: is {base.path.parent} the folder to name?" if base.content.images else ""
        raise ValueError(
            f"{base.path} has no class folders; expected {base.path}/CLASS/*.png, one folder for each class{here}"
        )
    for folder in folders:
        if not folder.all_images:
            others = describe_left_out(folder.all_left_out()) or ", ".join(sorted(EXTENSIONS))
            raise ValueError(f"class folder {folder.path} holds no image ({others}); add images, or remove it")
    for first, second in pairwise(folders):
        if first.label == second.label:
            raise ValueError(
                f"{base.path} has one class twice, written with other characters (Unicode NFC and NFD): "
                f"{first.name!a} and {second.name!a}; move the images of one into the other"
            )
    return folders


def _refuse_wrapper(base: Folder, only: Folder) -> None:
    """Raise ValueError if the one folder that has images holds folders."""
    inner = only
    while len(inner.content.folders) == 1 and not inner.content.images:
        inner = inner.content.folders[0]
    if (found := inner.content.folders) and not inner.content.images:
        raise ValueError(
            f"{base.path} holds one folder, {only.name}/: one level too high? {inner.path} holds {len(found)}: "
            f"{_named(found)}. {_instead(inner.path)}"
        )


def _refuse_same_folders(base: Folder, full: list[Folder]) -> None:
    """Raise ValueError if folders that hold no image themselves hold two or more folders of the same names each."""
    bare = [folder for folder in full if not folder.content.images]
    if len(bare) < 2 or 2 * len(bare) < len(full):
        return
    within = [{inner.label.casefold() for inner in folder.content.folders} for folder in bare]
    most, common = max(within, key=len), set.intersection(*within)
    if len(common) >= 2 or (len(most) >= 2 and all(names <= most for names in within)):
        same = max(bare, key=lambda folder: len(folder.content.folders))
        raise ValueError(
            f"{base.path}: {_named(bare)} hold no image themselves but the same folders "
            f"({_named(same.content.folders)}). One level too high? {_instead(same.path)} Splits? Call them train/ and "
            "test/ (and val/). Classes? Put all images of a class into one folder"
        )


def _instead(path: Path) -> str:
    return f"Name that folder: data.root={path}, or vitcrypt encrypt {shlex.quote(str(path))}."


def _named(folders: list[Folder]) -> str:
    return shortened([folder.name for folder in folders])
