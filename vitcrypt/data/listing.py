"""Which images lie below a folder of class folders, in an order that does not depend on the disk."""

from dataclasses import dataclass
from pathlib import Path

from vitcrypt.data.datasets import TEST_INDEX
from vitcrypt.data.decode import EXTENSIONS

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
        ValueError: A class folder is empty, or a class is not one of the training classes.
    """
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
