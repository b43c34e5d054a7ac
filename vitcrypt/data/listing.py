"""Which images lie below a folder of class folders, in an order that does not depend on the disk."""

from dataclasses import dataclass
from pathlib import Path

import torch

from vitcrypt.data.datasets import TEST_INDEX, stratified_split
from vitcrypt.data.decode import EXTENSIONS
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.received import listed

TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class ImageFile:
    """An image file in a folder of class folders.

    Args:
        path: Where it is.
        split: "train", "test", ..., or "" where there are only class folders.
        label: Number of its class.
        index: Names it within the whole folder, as `Batch` has it.
    """

    path: Path
    split: str
    label: int
    index: int


def image_files(base: Path) -> tuple[list[str], list[ImageFile]]:
    """Return the names of the classes, and every image of BASE/CLASS/* or of BASE/{train,test,val}/CLASS/*.

    Training images are numbered from 0, those of the first of `TEST_NAMES` from `TEST_INDEX`, those of another from
    half of it.

    Raises:
        ValueError: A class folder is empty, or a class is not one of the training classes; or the folder is not as its
            manifest says, which it is listed by, if it has one.
    """
    if (received := Manifest.of(base)) is not None:
        return received[1].classes, [ImageFile(*image) for image in listed(base, *received)]
    tests = [name for name in TEST_NAMES if (base / name).is_dir()]
    if not (base / "train").is_dir():
        classes, found = _class_files(base)
        return classes, [ImageFile(path, "", label, index) for index, (path, label) in enumerate(found)]
    if len(tests) > 2:
        raise ValueError(f"{base} has {', '.join(tests)} beside train; at most two of them, please: test and val")
    classes, found = _class_files(base / "train")
    files = [ImageFile(path, "train", label, index) for index, (path, label) in enumerate(found)]
    for name, first in zip(tests, (TEST_INDEX, TEST_INDEX // 2), strict=False):
        names, found = _class_files(base / name)
        if unknown := sorted(set(names) - set(classes)):
            raise ValueError(f"{base / name} has classes that {base / 'train'} has not: {', '.join(unknown)}")
        labels = [classes.index(known) for known in names]
        files += [ImageFile(path, name, labels[label], first + i) for i, (path, label) in enumerate(found)]
    return classes, files


def split_files(
    base: Path, test_fraction: float = 0.2, split_seed: int = 0
) -> tuple[list[str], dict[str, list[ImageFile]]]:
    """Return the names of the classes, and the images to train and test on, by split: "train", "test", perhaps "val".

    The first of `TEST_NAMES` beside train/ is tested on; of two, the other one is for validation. Where there are only
    class folders, a seeded `test_fraction` of each class is tested on.

    Raises:
        ValueError: The folder is none that `image_files` reads, has nothing to test on, or too few images to split.
    """
    classes, files = image_files(base)
    names = list(dict.fromkeys(file.split for file in files))  # train first, then in the order of TEST_NAMES
    if names == ["train"]:
        raise ValueError(f"{base} has train/ but no test/; add it, or split train/: data.root={base}/train")
    if names != [""]:
        roles = zip(("train", "test", "val"), names, strict=False)
        return classes, {role: [file for file in files if file.split == name] for role, name in roles}
    if not 1 <= round(test_fraction * len(files)) < len(files) or test_fraction * len(files) < len(classes):
        raise ValueError(
            f"{base}: {len(files)} images of {len(classes)} classes are too few to test on {test_fraction} of each "
            "class; add images, or make train/ and test/ yourself"
        )
    train, test = stratified_split(torch.tensor([file.label for file in files]), test_fraction, split_seed)
    return classes, {"train": [files[i] for i in train.tolist()], "test": [files[i] for i in test.tolist()]}


def _class_files(base: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """Return the class names, and every image file with its label; both in the order of the names."""
    classes = sorted(entry.name for entry in base.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise ValueError(f"{base} has no class folders; expected {base}/CLASS/*.png, one folder for each class")
    files = []
    for label, name in enumerate(classes):
        found = sorted(
            path for path in (base / name).rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file()
        )
        if not found:
            raise ValueError(f"class folder {base / name} holds no image ({', '.join(sorted(EXTENSIONS))})")
        files += [(path, label) for path in found]
    return classes, files
