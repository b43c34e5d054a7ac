"""Which folders are splits, which are classes, and which are one level too high: by their names and what they hold."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.data.walk import Folder, told
from vitcrypt.untrusted.text import shortened

WORDS = {
    "train": ("train", "training", "trn", "tr", "trainset"),
    "test": ("test", "testing", "tst", "testset"),
    "val": ("val", "valid", "validation", "valset"),
}
ROLE = {word: role for role, words in WORDS.items() for word in words}
WORD_BORDER = r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
FILLERS = frozenset(("set", "split", "data", "dataset", "folder", "images", "image", "imgs", "img"))


def normal(name: str) -> str:
    """Return a name in Unicode's NFC: macOS writes the same letters as other characters than Linux does."""
    return unicodedata.normalize("NFC", name)


def split_role(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return "train", "test" or "val" if a folder of that name may be this split, and what else its name says.

    >>> split_role("Testing"), split_role("train_images"), split_role("seg_test"), split_role("val2017")
    (('test', ()), ('train', ()), ('test', ('seg',)), ('val', ('2017',)))
    >>> split_role("trains"), split_role("train_test")
    (None, None)
    """
    spaced = re.sub(WORD_BORDER, " ", normal(name)).casefold()
    words = [word for word in re.split(r"[\W_]+", spaced) if word]
    roles = [ROLE[word] for word in words if word in ROLE]
    rest = tuple(word for word in words if word not in ROLE and word not in FILLERS)
    return (roles[0], rest) if len(roles) == 1 else None


def find_splits(base: Folder) -> dict[str, Folder]:
    """Return the folders to train, test and validate on by role; empty if all folders are classes.

    A folder for training counts with one to test or validate on beside it, whose name says the same otherwise
    (seg_train and seg_test); or alone, if it is called train and holds folders and no image.

    Raises:
        ValueError: More than one folder could be a split.
    """
    groups: dict[tuple[str, ...], dict[str, list[Folder]]] = defaultdict(lambda: defaultdict(list))
    for folder in base.folders:
        if (found := split_role(folder.path.name)) is not None:
            role, rest = found
            groups[rest][role].append(folder)
    whole = [group for group in groups.values() if "train" in group and len(group) > 1]
    plain = groups.get((), {})
    chosen = [plain] if plain in whole else whole
    if not chosen:
        alone = [folder for folder in plain.get("train", []) if normal(folder.path.name).casefold() == "train"]
        chosen = [{"train": [folder]} for folder in alone if folder.folders and not folder.images]
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
    full = [folder for folder in base.folders if folder.holds_images()]
    _refuse_wrapper(base, full)
    _refuse_same_folders(base, full)
    folders = class_folders(base)
    if len(folders) == 1:
        name = folders[0].path.name
        raise ValueError(f"{base.path} holds one class, {name}: nothing to tell apart; add a folder for another class")
    return folders


def class_folders(base: Folder) -> list[Folder]:
    """Return the folders of the classes in the order of their names (in NFC).

    Raises:
        ValueError: There are none, or two have the same name, or one holds no image.
    """
    folders = sorted(base.folders, key=lambda folder: normal(folder.path.name))
    if not folders:
        here = f"; it holds images itself: is {base.path.parent} the folder to name?" if base.images else ""
        raise ValueError(
            f"{base.path} has no class folders; expected {base.path}/CLASS/*.png, one folder for each class{here}"
        )
    for folder in folders:
        if not folder.holds_images():
            others = told(folder.all_left_out()) or ", ".join(sorted(EXTENSIONS))
            raise ValueError(f"class folder {folder.path} holds no image ({others}); add images, or remove it")
    for first, second in pairwise(folders):
        if normal(first.path.name) == normal(second.path.name):
            raise ValueError(
                f"{base.path} has one class twice, written with other characters (Unicode NFC and NFD): "
                f"{first.path.name!a} and {second.path.name!a}; move the images of one into the other"
            )
    return folders


def _refuse_wrapper(base: Folder, full: list[Folder]) -> None:
    """Raise ValueError if all images lie in one folder, and that holds folders."""
    if len(full) != 1:
        return
    inner = full[0]
    while len(inner.folders) == 1 and not inner.images:
        inner = inner.folders[0]
    if inner.folders and not inner.images:
        raise ValueError(
            f"{base.path} holds one folder, {full[0].path.name}/: one level too high? {inner.path} holds "
            f"{len(inner.folders)}: {_named(inner.folders)}. {_instead(inner.path)}"
        )


def _refuse_same_folders(base: Folder, full: list[Folder]) -> None:
    """Raise ValueError if folders that hold no image themselves hold two or more folders of the same names each."""
    bare = [folder for folder in full if not folder.images]
    if len(bare) < 2 or 2 * len(bare) < len(full):
        return
    within = [{normal(inner.path.name).casefold() for inner in folder.folders} for folder in bare]
    most, common = max(within, key=len), set.intersection(*within)
    if len(common) >= 2 or (len(most) >= 2 and all(names <= most for names in within)):
        same = max(bare, key=lambda folder: len(folder.folders))
        raise ValueError(
            f"{base.path}: {_named(bare)} hold no image themselves but the same folders ({_named(same.folders)}). One "
            f"level too high? {_instead(same.path)} Splits? Call them train/ and test/ (and val/). Classes? Put all "
            "images of a class into one folder"
        )


def _instead(path: Path) -> str:
    return f"Name that folder: data.root={path}, or vitcrypt encrypt {shlex.quote(str(path))}."


def _named(folders: list[Folder]) -> str:
    return shortened([folder.path.name for folder in folders])
