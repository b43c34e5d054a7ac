"""Which images lie below a folder of class folders, in an order that does not depend on the disk.

Training, attacking and encrypting list a folder by `list_folder`, so that all of them see the same images; `predict`,
which needs no classes, by `list_images`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from vitcrypt.data import layout
from vitcrypt.data.columns import Texts
from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.data.image_files import ClassFolder, ImageFiles
from vitcrypt.data.layout import Folder, class_folders, describe_left_out
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import check_names
from vitcrypt.data.stratified import TEST_INDEX, split_positions
from vitcrypt.untrusted.text import shortened

KEPT_NAMES = ("train", "test", "val", "valid", "validation")
LOOSE = "outside of the class folders"


@dataclass(frozen=True)
class Listing:
    """What a folder of class folders holds.

    Args:
        base: The folder.
        classes: Names of the classes, in the order of their labels, in Unicode's NFC.
        files: The images: of train/, then of test/, then of val/; of each, class by class, in the order of the paths.
        left_out: How many other files there are, by kind: an extension, "hidden", ...
        notes: What else is to be said of the folder, a sentence each.
        received: Its manifest and the folder that this speaks of, if it has one.
    """

    base: Path
    classes: list[str]
    files: ImageFiles = field(repr=False)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    received: tuple[Path, Manifest] | None = None

    def lines(self) -> list[str]:
        """Return what every program says of the folder: classes and numbers of images, then what was left out."""
        counts, splits = Counter[int](), Counter[str]()
        for folder, count in self.files.counts():
            counts[folder.label] += count
            splits.update({folder.split: count} if folder.split else {})
        classes = shortened([f"{name} {counts[label]:,}" for label, name in enumerate(self.classes)])
        spread = f", of {min(counts.values()):,} to {max(counts.values()):,} images" if len(counts) > 10 else ""
        parts = f" ({', '.join(f'{split} {count:,}' for split, count in splits.items())})" if splits else ""
        first = f"{len(self.classes):,} classes{spread}: {classes}{parts}"
        return [first, *self.notes, *filter(None, [describe_left_out(self.left_out)])]

    def splits(self, test_fraction: float = 0.2, split_seed: int = 0) -> dict[str, ImageFiles]:
        """Return the images to train and test on, by split: "train", "test", perhaps "val".

        The first split beside train/ is tested on; of two, the other one is for validation. Where there are only class
        folders, a seeded `test_fraction` of each class is tested on.

        Raises:
            ValueError: There is nothing to test on, or there are too few images to split.
        """
        names = list(dict.fromkeys(folder.split for folder, _ in self.files.counts()))
        if names == ["train"]:
            alone = self.base / self.files[0].path.relative_to(self.base).parts[0]
            raise ValueError(f"{self.base} has train/ but no test/; add it, or split train/: data.root={alone}")
        if names != [""]:
            roles = zip(("train", "test", "val"), names, strict=False)
            return {role: self.files.of_split(name) for role, name in roles}
        count = len(self.files)
        if not 1 <= round(test_fraction * count) < count or test_fraction * count < len(self.classes):
            raise ValueError(
                f"{self.base}: {count} images of {len(self.classes)} classes are too few to test on {test_fraction} of "
                "each class; add images, or make train/ and test/ yourself"
            )
        parts = split_positions(self.files.labels, test_fraction, split_seed)
        return {name: self.files.take(part) for name, part in zip(("train", "test"), parts, strict=True)}


def list_folder(base: Path) -> Listing:
    """List every image of BASE/CLASS/* or of BASE/{train,test,val}/CLASS/*; see `find_splits` for other names of these.

    Training images are numbered from 0, those of test/ (or else of val/) from `TEST_INDEX`, those of val/ beside test/
    from half of it.

    Raises:
        ValueError: It is not laid out like that, or something in it cannot be read; the message says what was found.
            Or it is not as its manifest says, which it is listed by, if it has one.
    """
    if (received := Manifest.of(base)) is not None:
        found = check_names(*received)
        return replace(by_manifest(base, *received), notes=[found.left_out] if found.junk else [])
    top = Folder(base)
    splits = layout.find_splits(top)
    train = splits.get("train", top)
    classes = [folder.label for folder in layout.training_folders(train)]
    if not splits:
        files = _files([(top, "", 0)], classes)
        return Listing(base, classes, files, _left_out(top), _notes_on_classes(top))
    bases, left_out = [], _loose(top)
    firsts = {"train": 0, "test": TEST_INDEX, "val": TEST_INDEX // 2 if "test" in splits else TEST_INDEX}
    for role, folder in splits.items():
        if unknown := sorted({inner.label for inner in class_folders(folder)} - set(classes)):
            raise ValueError(f"{folder.path} has classes that {train.path} has not: {', '.join(unknown)}")
        bases.append((folder, folder.name if folder.name in KEPT_NAMES else role, firsts[role]))
        left_out += _left_out(folder)
    files = _files(bases, classes)
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
        others = folder.all_left_out()
        if not folder.all_images:
            raise ValueError(f"{path} holds no image ({describe_left_out(others) or ', '.join(sorted(EXTENSIONS))})")
        files += [path / name for name in folder.all_images]
        left_out += others
    return files, left_out


def by_manifest(base: Path, place: Path, manifest: Manifest) -> Listing:
    """List `base` as its manifest in `place` says, by split and index; the images themselves are not looked for.

    The splits come in the order train, test, val. Their names say nothing here: indices of test images count from
    `TEST_INDEX`, those for validation from half of it.

    Raises:
        ValueError: `base` is one of its classes, or holds none of its images.
    """
    within = base.absolute().relative_to(place.absolute()).as_posix()
    if within != "." and not manifest.split:
        raise ValueError(f"{base} is a part of the folder {place}, which has a manifest: name that folder")
    labels, depth = {name: label for label, name in enumerate(manifest.classes)}, int(manifest.split)
    folders: dict[str, int] = {}
    names, places, index = Texts(), array("q"), manifest.column.array
    for path in manifest.index:
        parts = path.split("/")
        places.append(folders.setdefault("/".join(parts[: depth + 1]), len(folders)))
        names.append("/".join(parts[depth + 1 :]))
    inner = [folder.split("/") for folder in folders]
    if within == ".":
        found = [ClassFolder(place.joinpath(*parts), "/".join(parts[:depth]), labels[parts[depth]]) for parts in inner]
        inside = np.ones(len(found), bool)
    else:  # it is the whole folder for who names it
        found = [ClassFolder(base.joinpath(*parts[1:]), "", labels[parts[depth]]) for parts in inner]
        inside = np.array([parts[0] == within for parts in inner])
    in_folder = np.frombuffer(places, np.int64)
    chosen = np.flatnonzero(inside[in_folder])
    files = ImageFiles(found, names, in_folder, index, chosen[np.argsort(index[chosen])])
    if not files:
        raise ValueError(f"{base} holds none of the {len(manifest.index):,} images of its manifest, {place / FILENAME}")
    by_split = {split: files.of_split(split) for split in {folder.split for folder, _ in files.counts()}}
    first = {split: int(part.indices[0]) for split, part in by_split.items()}
    order = sorted(first, key=lambda split: (TEST_INDEX // 2 <= first[split] < TEST_INDEX, first[split]))
    files = ImageFiles.joined([by_split[split] for split in order])
    return Listing(base, manifest.classes, files, received=(place, manifest))


def _files(bases: list[tuple[Folder, str, int]], classes: list[str]) -> ImageFiles:
    """Return the images of folders of class folders, each with its split and its first index."""
    labels = {name: label for label, name in enumerate(classes)}
    found, index = list[tuple[ClassFolder, Texts]](), list[range]()
    for base, split, first in bases:
        folders = class_folders(base)
        found += [(ClassFolder(folder.path, split, labels[folder.label]), folder.all_images) for folder in folders]
        index.append(range(first, first + sum(len(folder.all_images) for folder in folders)))
    return ImageFiles.of(found, chain.from_iterable(index))


def _loose(base: Folder) -> Counter[str]:
    return base.content.left_out + Counter({LOOSE: len(base.content.images)})


def _left_out(base: Folder) -> Counter[str]:
    return sum((folder.all_left_out() for folder in base.content.folders), _loose(base))


def _notes_on_classes(top: Folder) -> list[str]:
    return [
        f"{folder.name}/ is taken for a class, not for a split: no train/ and test/ with class folders are here"
        for folder in class_folders(top)
        if (layout.split_role(folder.name) or (0, 0))[1] == ()
    ]


def _notes_on_splits(top: Folder, splits: dict[str, Folder], classes: list[str], files: ImageFiles) -> list[str]:
    renamed = [f"{folder.name}/ for {role}" for role, folder in splits.items() if folder.name != role]
    others = [folder for folder in top.content.folders if folder not in splits.values()]
    beside = shortened([f"{folder.name}/ ({layout.count_files(folder.path):,} files)" for folder in others])
    notes = [f"takes {', '.join(renamed)}"] if renamed else []
    notes += [f"left out beside {', '.join(splits)}: {beside}"] if others else []
    counts = files.counts()
    for split in dict.fromkeys(folder.split for folder, _ in counts):
        absent = set(range(len(classes))) - {folder.label for folder, _ in counts if folder.split == split}
        if absent:
            notes.append(f"no {split} image of {shortened([classes[label] for label in sorted(absent)])}")
    return notes
