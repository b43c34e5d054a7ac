"""Which images lie below a folder of class folders, in an order that does not depend on the disk.

Training, attacking and encrypting list a folder by `list_folder`, so that all of them see the same images; `predict`,
which needs no classes, by `list_images`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vitcrypt.data.datasets import TEST_INDEX, stratified_split
from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.data.layout import class_folders, find_splits, normal, split_role, training_folders
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.received import check_names, listed
from vitcrypt.data.walk import Folder, count_files, told
from vitcrypt.untrusted.text import shortened

KEPT_NAMES = ("train", "test", "val", "valid", "validation")
LOOSE = "outside of the class folders"


@dataclass(frozen=True)
class ImageFile:
    """An image file in a folder of class folders.

    Args:
        path: Where it is.
        split: "train", "test", "val", "valid" or "validation", or "" where there are only class folders.
        label: Number of its class.
        index: Names it within the whole folder, as `Batch` has it.
        name: Its path within the folder of its class.
    """

    path: Path
    split: str
    label: int
    index: int
    name: str


@dataclass(frozen=True)
class Listing:
    """What a folder of class folders holds.

    Args:
        base: The folder.
        classes: Names of the classes, in the order of their labels, in Unicode's NFC.
        files: The images: of train/, then of test/, then of val/; of each, class by class, in the order of the paths.
        left_out: How many other files there are, by kind: an extension, "hidden", ...
        notes: What else is to be said of the folder, a sentence each.
    """

    base: Path
    classes: list[str]
    files: list[ImageFile] = field(repr=False)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what every program says of the folder: classes and numbers of images, then what was left out."""
        counts = Counter(file.label for file in self.files)
        splits = Counter(file.split for file in self.files if file.split)
        classes = shortened([f"{name} {counts[label]:,}" for label, name in enumerate(self.classes)])
        spread = f", of {min(counts.values()):,} to {max(counts.values()):,} images" if len(counts) > 10 else ""
        parts = f" ({', '.join(f'{split} {count:,}' for split, count in splits.items())})" if splits else ""
        first = f"{len(self.classes):,} classes{spread}: {classes}{parts}"
        return [first, *self.notes, *filter(None, [told(self.left_out)])]

    def splits(self, test_fraction: float = 0.2, split_seed: int = 0) -> dict[str, list[ImageFile]]:
        """Return the images to train and test on, by split: "train", "test", perhaps "val".

        The first split beside train/ is tested on; of two, the other one is for validation. Where there are only class
        folders, a seeded `test_fraction` of each class is tested on.

        Raises:
            ValueError: There is nothing to test on, or there are too few images to split.
        """
        names = list(dict.fromkeys(file.split for file in self.files))
        if names == ["train"]:
            alone = self.base / self.files[0].path.relative_to(self.base).parts[0]
            raise ValueError(f"{self.base} has train/ but no test/; add it, or split train/: data.root={alone}")
        if names != [""]:
            roles = zip(("train", "test", "val"), names, strict=False)
            return {role: [file for file in self.files if file.split == name] for role, name in roles}
        count = len(self.files)
        if not 1 <= round(test_fraction * count) < count or test_fraction * count < len(self.classes):
            raise ValueError(
                f"{self.base}: {count} images of {len(self.classes)} classes are too few to test on {test_fraction} of "
                "each class; add images, or make train/ and test/ yourself"
            )
        train, test = stratified_split(torch.tensor([file.label for file in self.files]), test_fraction, split_seed)
        return {"train": [self.files[i] for i in train.tolist()], "test": [self.files[i] for i in test.tolist()]}


def list_folder(base: Path) -> Listing:
    """List every image of BASE/CLASS/* or of BASE/{train,test,val}/CLASS/*; see `find_splits` for other names of these.

    Training images are numbered from 0, those of test/ (or else of val/) from `TEST_INDEX`, those of val/ beside test/
    from half of it.

    Raises:
        ValueError: It is not laid out like that, or something in it cannot be read; the message says what was found.
            Or it is not as its manifest says, which it is listed by, if it has one.
    """
    if (received := Manifest.of(base)) is not None:
        return _received(base, *received)
    top = Folder(base)
    splits = find_splits(top)
    if not splits:
        folders = training_folders(top)
        classes = [normal(folder.path.name) for folder in folders]
        return Listing(base, classes, _files(folders, classes), _left_out(top, folders), _notes_on_classes(folders))
    train = splits["train"]
    classes = [normal(folder.path.name) for folder in training_folders(train)]
    files, left_out = [], top.left_out + Counter({LOOSE: len(top.images)})
    firsts = {"train": 0, "test": TEST_INDEX, "val": TEST_INDEX // 2 if "test" in splits else TEST_INDEX}
    for role, folder in splits.items():
        folders = class_folders(folder)
        if unknown := sorted({normal(inner.path.name) for inner in folders} - set(classes)):
            raise ValueError(f"{folder.path} has classes that {train.path} has not: {', '.join(unknown)}")
        name = folder.path.name if folder.path.name in KEPT_NAMES else role
        files += _files(folders, classes, name, firsts[role])
        left_out += _left_out(folder, folders)
    return Listing(base, classes, files, left_out, _notes_on_splits(top, splits, classes, files))


def list_images(paths: Iterable[Path]) -> tuple[list[Path], Counter[str]]:
    """Return the files among paths, and every image below the folders among them; and what these hold besides.

    Raises:
        FileNotFoundError: There is nothing of that name.
        ValueError: A folder holds no image, or something in it cannot be read.
    """
    files: list[Path] = []
    left_out: Counter[str] = Counter()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; name image files, or folders of them")
        if not path.is_dir():
            files.append(path)
            continue
        folder = Folder(path)
        found, others = folder.all_images(), folder.all_left_out()
        if not found:
            raise ValueError(f"{path} holds no image ({told(others) or ', '.join(sorted(EXTENSIONS))})")
        files += found
        left_out += others
    return files, left_out


def _received(base: Path, place: Path, manifest: Manifest) -> Listing:
    """List a folder that has a manifest in `place`."""
    found = check_names(place, manifest)
    files = [ImageFile(*image) for image in listed(base, place, manifest)]
    return Listing(base, manifest.classes, files, notes=[found.left_out] if found.junk else [])


def _files(folders: list[Folder], classes: list[str], split: str = "", first: int = 0) -> list[ImageFile]:
    """Return the images of class folders, numbered from `first`."""
    labels = {name: label for label, name in enumerate(classes)}
    found = [
        (path, labels[normal(folder.path.name)], path.relative_to(folder.path).as_posix())
        for folder in folders
        for path in folder.all_images()
    ]
    return [ImageFile(path, split, label, first + i, name) for i, (path, label, name) in enumerate(found)]


def _left_out(base: Folder, folders: list[Folder]) -> Counter[str]:
    """Return what is no image in class folders and beside them."""
    return sum((folder.all_left_out() for folder in folders), base.left_out + Counter({LOOSE: len(base.images)}))


def _notes_on_classes(folders: list[Folder]) -> list[str]:
    splits = [folder.path.name for folder in folders if (split_role(folder.path.name) or (0, 0))[1] == ()]
    return [
        f"{name}/ is taken for a class, not for a split: no train/ and test/ with class folders are here"
        for name in splits
    ]


def _notes_on_splits(top: Folder, splits: dict[str, Folder], classes: list[str], files: list[ImageFile]) -> list[str]:
    renamed = [f"{folder.path.name}/ for {role}" for role, folder in splits.items() if folder.path.name != role]
    others = [
        f"{folder.path.name}/ ({count_files(folder.path):,} files)"
        for folder in top.folders
        if folder not in splits.values()
    ]
    notes = [f"takes {', '.join(renamed)}"] if renamed else []
    notes += [f"left out beside {', '.join(splits)}: {shortened(others)}"] if others else []
    for split in dict.fromkeys(file.split for file in files):
        absent = set(range(len(classes))) - {file.label for file in files if file.split == split}
        if absent:
            notes.append(f"no {split} image of {shortened([classes[label] for label in sorted(absent)])}")
    return notes
