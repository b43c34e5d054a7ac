"""Sources of data that are at hand: scikit-learn's digits, one .npz file, a folder of class folders.

Each returns `Splits`. CIFAR, which may have to be fetched, is in `cifar`.
"""

import hashlib
import math
import mmap
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.data.archive import Header, open_archive
from vitcrypt.data.datasets import (
    ArrayDataset,
    DecodedDataset,
    FileDataset,
    HeldDataset,
    ImageDataset,
    Splits,
    stratified_split,
)
from vitcrypt.data.decode import read_pixels
from vitcrypt.data.image_files import ImageFiles
from vitcrypt.data.listing import list_folder
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.received import read_listed_pixels
from vitcrypt.data.stratified import TEST_INDEX
from vitcrypt.data.survey import Transparency, map_files, survey
from vitcrypt.encryption import Shape
from vitcrypt.encryption.float_files import check_floats, write_npy
from vitcrypt.jobs.place import expanded, is_address
from vitcrypt.untrusted.text import printable

MAX_NAMES = 2**26
"""Bytes that the names of the classes may take."""
SHOWN = 10


def digits(test_fraction: float = 0.2) -> Splits:
    """Return scikit-learn's 1,797 handwritten digits (8 x 8 grey, made RGB), which come with the installation.

    There is no official test set; a fixed stratified fifth (360 images) is set aside.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = torch.from_numpy((bunch.images * 255 / 16).round().astype(np.uint8))
    images = grey[:, None].expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(bunch.target).long()
    train, test = stratified_split(labels, test_fraction, seed=0)
    return Splits(
        ArrayDataset(images[train], labels[train], train),
        ArrayDataset(images[test], labels[test], test + TEST_INDEX),
        [str(name) for name in bunch.target_names],
    )


def folder(
    root: str | None,
    image_size: int,
    interpolation: str = "bilinear",
    test_fraction: float = 0.2,
    split_seed: int = 0,
    in_memory_gib: float = 4.0,
    transparency: Transparency = "white",
) -> Splits:
    """Read a folder of class folders: ROOT/{train,test,val}/CLASS/*.png, or ROOT/CLASS/*.png with a seeded test split.

    ROOT/val becomes the validation split; without ROOT/test it is what is tested on, as in ImageNet's layout.
    Any size and mode will do. Images that are all square, of one size and at most `image_size` stay as they are; others
    are centre-cropped and resized to `image_size`. What then fits into `in_memory_gib` is decoded once, when the first
    image is asked for: of a subset that was chosen before, its own images alone.
    Transparency is laid on white, or ("refuse") an error.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A class folder is empty, test classes are not those of training, an image cannot be read, or an
            encrypted folder lacks a file of its manifest or has another one.
    """
    base = existing(root, "folder", "a folder with train/CLASS/*.png and test/CLASS/*.png, or just CLASS/*.png")
    listing = list_folder(base)
    files = listing.splits(test_fraction, split_seed)
    notes = listing.lines()
    read: Callable[[Path], NDArray[Any]]
    if listing.received is not None and listing.received[1].encrypted:
        place, manifest = listing.received
        stored, read = manifest.stored, partial(read_listed_pixels, folder=place, manifest=manifest)
    else:
        found = survey(listing.files.paths, f"reading headers in {base}", transparency)
        width, height = next(iter(found.sizes))
        side = min(width, image_size) if len(found.sizes) == 1 and width == height else image_size
        stored = (3, side, side), "uint8"
        read, notes = partial(read_pixels, size=side, interpolation=interpolation), [*notes, *found.lines()]
    parts = {split: _from_files(part, stored, read, in_memory_gib) for split, part in files.items()}
    return Splits(parts["train"], parts["test"], listing.classes, parts.get("val"), tuple(notes))


def _from_files(
    files: ImageFiles, stored: tuple[Shape, str], read: Callable[[Path], NDArray[Any]], gib: float
) -> ImageDataset:
    dataset = FileDataset(files.paths, torch.from_numpy(files.labels), torch.from_numpy(files.indices), read)
    return held(dataset, stored, gib, f"decoding {files[0].path.parents[1]}")


def held(dataset: DecodedDataset, stored: tuple[Shape, str], gib: float, what: str) -> ImageDataset:
    """Return images of this shape and dtype as they are held in memory, if they take at most so many GiB; else as is.

    They are decoded when the first is asked for, or by `load`: `what` says so.
    """
    if math.prod((len(dataset), *stored[0])) * np.dtype(stored[1]).itemsize > gib * 2**30:
        return dataset
    return HeldDataset(dataset, partial(_decoded, stored=stored, what=what))


def _decoded(dataset: DecodedDataset, stored: tuple[Shape, str], what: str) -> Tensor:
    shape, dtype = (len(dataset), *stored[0]), np.dtype(stored[1])
    # shared with the processes that decode
    images = np.ndarray(shape, dtype, mmap.mmap(-1, max(1, math.prod(shape) * dtype.itemsize)))

    def decode(position: int) -> None:
        images[position] = dataset.pixels(position)

    for _ in map_files(decode, range(len(dataset)), what, by="processes"):
        pass
    return torch.from_numpy(images)


def npz(root: str | None) -> Splits:
    """Read one .npz file in the layout of MedMNIST.

    It holds `{train,test}_images` (uint8 [N, H, W, 3], or [N, H, W] if grey) and `{train,test}_labels` (integers [N] or
    [N, 1]); `val_images` and `val_labels` become the validation split, and `classes` their names, where present. What
    `vitcrypt pack` made also holds a manifest and `{train,test,val}_index`, the indices that `folder` gives the images.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, an array is missing or of the wrong kind, or images and manifest do not fit; or there
            is no image of a class, and no `classes` to say that there is one.
    """
    path = existing(root, "npz", "a .npz file with train_images, train_labels, test_images, test_labels")
    received = Manifest.of(path)
    try:
        manifest = received[1] if received is not None else None
        named, arrays = _arrays(path, manifest)
        labels = {split: arrays[f"{split}_labels"].reshape(-1) for split in named}
        names, notes = _class_names(path, labels, arrays.get("classes"))
        splits = {split: _from_arrays(arrays, split, manifest) for split in named}
    except MemoryError:
        raise ValueError(f"{path} does not fit into memory; pack fewer or smaller images") from None
    if manifest is not None:
        _check_packed(path, splits, names, manifest)
        if manifest.suffix == ".npy":
            _check_values(path, splits, manifest)
    return Splits(splits["train"], splits["test"], names, splits.get("val"), tuple(notes))


def existing(root: str | None, source: str, what: str) -> Path:
    """Return where a source reads `what`: a folder, for npz a file; FileNotFoundError if there is none."""
    if root is None:
        raise FileNotFoundError(f"data={source} needs data.root=PATH: {what}")
    if is_address(root):
        raise FileNotFoundError(f"data.root={root} is an address, and data={source} reads {what}; set data=shards")
    path = expanded(root)
    if not path.exists():
        raise FileNotFoundError(f"data.root={root} does not exist; data={source} reads {what}")
    if (source == "npz") == path.is_dir():
        kind = "a folder" if path.is_dir() else "a file"
        raise FileNotFoundError(f"data.root={root} is {kind}; data={source} reads {what}")
    return path


def _arrays(path: Path, manifest: Manifest | None) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Return the names of the splits, and every array that is needed, after comparing what all of them are."""
    with open_archive(path) as archive:
        named = ["train", *(["val"] if "val_images" in archive.names else []), "test"]
        kinds = ("images", "labels", "index") if manifest else ("images", "labels")
        wanted = [f"{split}_{kind}" for split in named for kind in kinds]
        if missing := [name for name in wanted if name not in archive.names]:
            there = printable(", ".join(archive.names) or "nothing", 300)
            raise ValueError(f"{path} has no {', '.join(missing)}; it has {there}")
        for split in named:
            _check_kinds(path, split, {kind: archive.header(f"{split}_{kind}") for kind in kinds}, manifest)
        if "classes" in archive.names:
            wanted.append("classes")
            archive.check_sizes(["classes"], MAX_NAMES)
        archive.check_sizes(wanted)
        return named, {name: archive.read(name) for name in wanted}


def _check_kinds(path: Path, split: str, headers: dict[str, Header], manifest: Manifest | None) -> None:
    images, labels = headers["images"], headers["labels"]
    shape, count = images.shape, images.shape[0] if images.shape else 0
    fits = len(shape) == 3 or (len(shape) == 4 and shape[-1] in (1, 3))
    if manifest is not None and manifest.suffix == ".npy":
        if images.dtype != np.float32 or shape[1:] != manifest.stored[0]:
            wanted = f"float32 [N, {', '.join(map(str, manifest.stored[0]))}]"
            raise ValueError(
                f"{path}: {split}_images must be {wanted}, as the manifest says, got {images.dtype} {list(shape)}; "
                "take it from its owner again"
            )
    elif images.dtype != np.uint8 or not fits or not all(shape[1:]):
        raise ValueError(
            f"{path}: {split}_images must be uint8 [N, H, W, 3] or [N, H, W], got {images.dtype} {list(shape)}"
            + "; put the channels last: images.transpose(0, 2, 3, 1)" * (len(shape) == 4 and shape[1] in (1, 3))
        )
    flat = labels.shape[:1] if labels.shape[1:] == (1,) else labels.shape
    if flat != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: {split}_labels must be integers [N] or [N, 1] with N = {count}, "
            f"got {labels.dtype} {list(flat)}" + "; several labels an image are not supported" * (len(flat) > 1)
        )
    index = headers.get("index", Header((count,), np.dtype(np.int64)))
    if index.shape != (count,) or index.dtype != np.int64:
        raise ValueError(f"{path}: {split}_index must be int64 [{count}], got {index.dtype} {list(index.shape)}")


def _class_names(
    path: Path, labels: Mapping[str, NDArray[Any]], given: NDArray[Any] | None
) -> tuple[list[str], list[str]]:
    """Return the names of the classes ("0", "1", ... where none are given), and a note for each split that lacks some.

    Raises:
        ValueError: There is no label at all, one is below 0 or none of the classes; or a class without any image has
            no name: then labels may count from 1, or leave out numbers.
    """
    present = {split: {int(label) for label in np.unique(found)} for split, found in labels.items()}
    union = set().union(*present.values())
    if not union:
        raise ValueError(f"{path} holds no image")
    count, names = max(union) + 1, None
    if given is not None:
        names = [str(name) for name in given.reshape(-1)]
        if given.ndim != 1 or len(set(names)) != len(names):
            raise ValueError(f"{path}: classes must be the names of the classes, each once; got {list(given.shape)}")
        count = len(names)
    if min(union) < 0 or max(union) >= count:
        raise ValueError(f"{path}: labels are {min(union)}..{max(union)}; expected 0..{count - 1}, one for each class")
    if names is None and len(union) < count:
        first = "; do they count from 1? Subtract 1" if min(union) == 1 else "; number the classes 0, 1, 2, ..."
        raise ValueError(
            f"{path}: no image has the label {_absent(union, count)}{first}, or add an array `classes` with a name "
            f"for each label from 0 to {count - 1}"
        )
    names = names or [str(number) for number in range(count)]
    lacking = {split: found for split, found in present.items() if found and len(found) < count}
    return names, [f"no {split} image of {_absent(found, count, names)}" for split, found in lacking.items()]


def _absent(found: set[int], count: int, names: list[str] | None = None) -> str:
    absent = (label for label in range(count) if label not in found)  # there may be a billion
    first = [names[label] if names else str(label) for label in islice(absent, SHOWN)]
    more = count - len(found) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "")


def _from_arrays(arrays: dict[str, NDArray[Any]], split: str, manifest: Manifest | None) -> ArrayDataset:
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"].reshape(-1)
    if images.dtype == np.float32:  # ciphertexts that are no images
        square = torch.from_numpy(images)
    elif manifest is not None and images.ndim == 4:
        square = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    else:
        planes = (images if images.ndim == 4 else images[..., None]).transpose(0, 3, 1, 2)
        side = min(planes.shape[2:])
        top, left = (planes.shape[2] - side) // 2, (planes.shape[3] - side) // 2
        cropped = planes[:, :, top : top + side, left : left + side]
        # NumPy does this in less than half the time that torch takes
        square = torch.from_numpy(np.ascontiguousarray(np.broadcast_to(cropped, (len(images), 3, side, side))))
    first = {"train": 0, "val": TEST_INDEX // 2, "test": TEST_INDEX}[split]
    index = arrays.get(f"{split}_index", np.arange(len(labels)) + first)
    return ArrayDataset(square, torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(index))


def _check_packed(path: Path, splits: dict[str, ArrayDataset], classes: list[str], manifest: Manifest) -> None:
    """Raise ValueError if images are missing or are of another size than the manifest says."""
    index = torch.cat([part.index for part in splits.values()]).sort().values.tolist()
    sizes = {tuple(part.images.shape[1:]) for part in splits.values()}
    if index != sorted(manifest.index.values()) or sizes != {manifest.stored[0]} or classes != manifest.classes:
        raise ValueError(
            f"{path} holds {len(index)} images {sorted(sizes)} of {len(classes)} classes, and these are not the "
            f"{len(manifest.index)} {manifest.stored[0]} of {len(manifest.classes)} classes of its manifest; "
            "pack it again"
        )


def _check_values(path: Path, splits: dict[str, ArrayDataset], manifest: Manifest) -> None:
    """Raise ValueError unless every float32 ciphertext is one, and has the checksum of its file in the manifest."""
    expected = {index: manifest.sha256.get(name) for name, index in manifest.index.items()}
    for split, part in splits.items():
        try:
            check_floats(part.images.numpy())
        except ValueError as error:
            raise ValueError(f"{path}: {split}_images {error}; take the file from its owner again") from None
        for index, values in zip(part.index.tolist(), part.images.numpy(), strict=True):
            if hashlib.sha256(write_npy(values)).hexdigest() != expected[index]:
                raise ValueError(
                    f"{path}: the {split} ciphertext of index {index} is not the one of the manifest: it was changed "
                    "after vitcrypt pack; take the file from its owner again"
                )
