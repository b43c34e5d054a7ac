"""Where images come from: digits, .npz, folders, CIFAR and its mirrors; and how they are split."""

import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
import time
import zipfile
from collections import Counter
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from vitcrypt.data import (
    TEST_INDEX,
    ArrayDataset,
    FileDataset,
    Splits,
    cifar10,
    cifar100,
    digits,
    folder,
    npz,
    read_image,
)
from vitcrypt.data import cifar as cifar_module
from vitcrypt.data.datasets import stratified_split

MODES = ["L", "P", "RGB", "RGBA", "LA", "I;16", "1", "CMYK"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def some(splits):
    return [part for part in (splits.train, splits.val, splits.test) if part is not None]


def every(dataset):
    return dataset.__getitems__(list(range(len(dataset))))


def shares(labels):
    return np.bincount(labels.numpy()) / len(labels)


# Digits


def test_digits_are_1797_rgb_images_of_which_360_are_for_testing():
    splits = digits()
    assert (len(splits.train), len(splits.test), splits.val) == (1437, 360, None)
    assert splits.classes == [str(digit) for digit in range(10)]
    for part in (splits.train, splits.test):
        assert part.images.dtype == torch.uint8
        assert part.images.shape[1:] == (3, 8, 8)
        assert torch.equal(part.images[:, 0], part.images[:, 1])
        assert torch.equal(part.images[:, 0], part.images[:, 2])
        assert (int(part.images.min()), int(part.images.max())) == (0, 255)


def test_digits_are_those_of_scikit_learn_each_once():
    from sklearn.datasets import load_digits

    bunch, splits = load_digits(), digits()
    seen = []
    for part, first in ((splits.train, 0), (splits.test, TEST_INDEX)):
        positions = (part.index - first).tolist()
        seen += positions
        levels = (part.images[:, 0].numpy().astype(float) * 16 / 255).round()
        assert np.array_equal(levels, bunch.images[positions])
        assert np.array_equal(part.labels.numpy(), bunch.target[positions])
    assert sorted(seen) == list(range(1797))


def test_digits_are_split_by_class_and_always_alike():
    first, second = digits(), digits()
    assert torch.equal(first.test.index, second.test.index)
    assert np.abs(shares(first.test.labels) - shares(first.train.labels)).max() < 0.005


# One .npz file


def medmnist(side=6, train=9, test=4, val=None, shape=(3,)):
    counts = {"train": train, "test": test} | ({"val": val} if val else {})
    arrays = {}
    for seed, (split, count) in enumerate(counts.items()):
        arrays[f"{split}_images"] = noise(count, side, side, *shape, seed=seed)
        arrays[f"{split}_labels"] = np.arange(count)[:, None] % 3
    return arrays


def written(path, arrays, compressed=True):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return str(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_npz_in_the_layout_of_medmnist_is_read_as_it_is(tmp_path, compressed):
    arrays = medmnist(val=5)
    splits = npz(written(tmp_path / "x.npz", arrays, compressed))
    assert splits.classes == ["0", "1", "2"]
    for name in ("train", "val", "test"):
        part = getattr(splits, name)
        assert np.array_equal(part.images.permute(0, 2, 3, 1).numpy(), arrays[f"{name}_images"])
        assert part.labels.tolist() == arrays[f"{name}_labels"][:, 0].tolist()
        assert part.labels.dtype == torch.int64
    assert torch.cat([part.index for part in some(splits)]).unique().numel() == 9 + 5 + 4


@pytest.mark.parametrize("shape", [(), (1,)], ids=["[N, H, W]", "[N, H, W, 1]"])
def test_grey_npz_becomes_rgb(tmp_path, shape):
    arrays = medmnist(shape=shape)
    images = npz(written(tmp_path / "x.npz", arrays)).train.images
    assert images.shape == (9, 3, 6, 6)
    for channel in range(3):
        assert np.array_equal(images[:, channel].numpy(), arrays["train_images"].reshape(9, 6, 6))


def test_npz_names_its_classes_where_it_can(tmp_path):
    arrays = medmnist() | {"classes": np.array(["ant", "bee", "cat"])}
    assert npz(written(tmp_path / "x.npz", arrays)).classes == ["ant", "bee", "cat"]


def test_npz_labels_may_be_flat_and_of_any_integer_type(tmp_path):
    arrays = medmnist()
    arrays["train_labels"] = arrays["train_labels"][:, 0].astype(np.uint8)
    assert npz(written(tmp_path / "x.npz", arrays)).train.labels.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize(("height", "width"), [(6, 10), (9, 6)])
def test_npz_images_that_are_not_square_are_cropped_around_the_centre(tmp_path, height, width):
    arrays = medmnist()
    arrays["train_images"] = noise(9, height, width, 3)
    top, left = (height - 6) // 2, (width - 6) // 2
    expected = arrays["train_images"][:, top : top + 6, left : left + 6]
    images = npz(written(tmp_path / "x.npz", arrays)).train.images
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected)


def test_npz_needs_a_path():
    with pytest.raises(FileNotFoundError, match=r"data=npz needs data\.root=PATH"):
        npz(None)


def test_npz_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz does not exist; data=npz reads a \.npz file"):
        npz(str(tmp_path / "nothing.npz"))


def test_npz_is_not_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="is a folder"):
        npz(str(tmp_path))


def test_arrays_that_npz_lacks_are_named_with_those_that_it_has(tmp_path):
    arrays = medmnist()
    del arrays["train_labels"], arrays["test_images"]
    path = written(tmp_path / "x.npz", arrays)
    with pytest.raises(ValueError, match=r"has no train_labels, test_images; it has train_images, test_labels"):
        npz(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "train_images",
            np.zeros((9, 6, 6, 3), np.float32),
            r"train_images must be uint8 .*got float32 \[9, 6, 6, 3\]",
        ),
        ("test_images", np.zeros((4, 6, 6, 4), np.uint8), r"test_images must be uint8 .*got uint8 \[4, 6, 6, 4\]"),
        ("test_images", np.zeros((4, 36), np.uint8), r"test_images must be uint8 .*got uint8 \[4, 36\]"),
        ("train_labels", np.zeros((8, 1), np.int64), r"train_labels must be integers .* with N = 9, got int64 \[8\]"),
        ("train_labels", np.zeros((9, 1)), r"train_labels must be integers .*got float64 \[9\]"),
        ("train_labels", np.zeros((9, 14), np.int64), r"got int64 \[9, 14\]; several labels an image"),
    ],
)
def test_an_array_of_the_wrong_kind_is_named_with_what_it_should_be(tmp_path, name, value, said):
    path = written(tmp_path / "x.npz", medmnist() | {name: value})
    with pytest.raises(ValueError, match=said):
        npz(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_npz_is_named(tmp_path, share):
    path = tmp_path / "x.npz"
    whole = io.BytesIO()
    np.savez_compressed(whole, **medmnist())
    path.write_bytes(whole.getvalue()[: int(share * len(whole.getvalue()))])
    with pytest.raises(ValueError, match=r"cannot read .*x\.npz as \.npz"):
        npz(str(path))


def test_a_text_file_is_no_npz(tmp_path):
    (tmp_path / "x.npz").write_text("train_images")
    with pytest.raises(ValueError, match=r"cannot read .*x\.npz as \.npz"):
        npz(str(tmp_path / "x.npz"))


def test_a_npy_file_is_no_npz(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"cannot read .*x\.npy as \.npz"):
        npz(str(tmp_path / "x.npy"))


def test_a_damaged_member_of_a_compressed_npz_is_named(tmp_path):
    path = tmp_path / "x.npz"
    written(path, medmnist())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("train_images.npy").header_offset
    data = bytearray(path.read_bytes())
    data[start + 70 : start + 90] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read .*x\.npz as \.npz"):
        npz(str(path))


def test_pickled_arrays_are_refused_and_nothing_of_them_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    arrays = medmnist() | {"classes": np.array([Bomb()], dtype=object)}
    path = written(tmp_path / "x.npz", arrays)
    with pytest.raises(ValueError, match=r"cannot read .*allow_pickle"):
        npz(path)
    assert not (tmp_path / "boom").exists()


def test_npz_may_have_one_image_in_a_split(tmp_path):
    assert npz(written(tmp_path / "x.npz", medmnist(test=1))).test.labels.tolist() == [0]


def test_validation_images_without_labels_are_named(tmp_path):
    path = written(tmp_path / "x.npz", medmnist() | {"val_images": noise(2, 6, 6, 3)})
    with pytest.raises(ValueError, match="has no val_labels"):
        npz(path)


@pytest.mark.parametrize("change", [{"train_labels": np.arange(9) % 3 - 1}, {"classes": np.array(["ant", "bee"])}])
def test_labels_that_are_no_class_are_refused(tmp_path, change):
    path = written(tmp_path / "x.npz", medmnist() | change)
    with pytest.raises(ValueError, match="labels"):
        npz(path)


# One image file


def in_mode(mode):
    """Return an image of 12 x 10 pixels in a mode, and its RGB values by hand."""
    grey, colour = noise(10, 12), noise(10, 12, 3, seed=1)
    thrice = np.repeat(grey[..., None], 3, -1)
    if mode == "L":
        return Image.fromarray(grey), thrice
    if mode == "RGB":
        return Image.fromarray(colour), colour
    if mode == "1":
        return Image.fromarray(grey > 127), np.where(thrice > 127, 255, 0)
    if mode == "LA":
        return Image.fromarray(np.stack([grey, noise(10, 12, seed=2)], -1), "LA"), thrice
    if mode == "RGBA":
        return Image.fromarray(np.concatenate([colour, noise(10, 12, 1, seed=2)], -1)), colour
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 256 + noise(10, 12, seed=2)), thrice
    if mode == "P":
        image, palette = Image.fromarray(grey, "P"), noise(256, 3, seed=3)
        image.putpalette(palette.tobytes())
        return image, palette[grey]
    image = noise(10, 12, 4, seed=1)  # CMYK
    return Image.fromarray(image, "CMYK"), (255 - image[..., :3].astype(int)) * (255 - image[..., 3:].astype(int)) / 255


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb_without_its_transparency(tmp_path, mode):
    image, expected = in_mode(mode)
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image.save(path)
    with Image.open(path) as reopened:
        assert reopened.mode == mode
    read = read_image(path, None)
    assert read.dtype == torch.uint8
    assert read.shape == (3, 10, 12)
    difference = np.abs(read.permute(1, 2, 0).numpy().astype(float) - expected).max()
    assert difference <= (1 if mode == "CMYK" else 0)


def test_a_palette_with_a_transparent_colour_keeps_its_colours(tmp_path):
    image, expected = in_mode("P")
    image.save(tmp_path / "x.png", transparency=int(np.asarray(image)[0, 0]))
    assert np.array_equal(read_image(tmp_path / "x.png", None).permute(1, 2, 0).numpy(), expected)


TURNED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def with_orientation(path, image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", TURNED)
def test_an_image_is_turned_as_its_exif_says(tmp_path, orientation, suffix):
    image, expected = in_mode("RGB")
    with_orientation(tmp_path / f"x{suffix}", image, orientation)
    turned = read_image(tmp_path / f"x{suffix}", None).permute(1, 2, 0).numpy()
    assert np.array_equal(turned, TURNED[orientation](expected))


def test_a_photograph_in_jpeg_is_turned_as_its_exif_says(tmp_path):
    pixels = np.zeros((32, 16, 3), np.uint8)
    pixels[:16] = 255
    with_orientation(tmp_path / "x.jpg", Image.fromarray(pixels), 6)
    turned = read_image(tmp_path / "x.jpg", None)
    assert turned.shape == (3, 16, 32)
    assert turned[..., 20:].min() > 230
    assert turned[..., :12].max() < 25


def test_a_16_bit_image_is_turned_as_its_exif_says(tmp_path):
    image, expected = in_mode("I;16")
    with_orientation(tmp_path / "x.png", image, 6)
    turned = read_image(tmp_path / "x.png", None).permute(1, 2, 0).numpy()
    assert np.array_equal(turned, np.rot90(expected, -1))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("width", "height"), [(20, 13), (9, 30), (16, 16)])
def test_an_image_is_cropped_around_its_centre_and_resized_by_pillow(tmp_path, width, height, interpolation):
    pixels = noise(height, width, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    expected = square.resize((12, 12), {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[interpolation])
    read = read_image(tmp_path / "x.png", 12, interpolation)
    assert np.array_equal(read.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_an_image_that_is_gone_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*x\.png: it is gone"):
        read_image(tmp_path / "x.png", None)


# A folder of class folders


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def class_folders(root, counts, side=8, first=0):
    """Write `counts[name]` different images into ROOT/name for each class."""
    for name, count in counts.items():
        for i in range(count):
            first += 1
            save(root / name / f"{i:03}.png", noise(side, side, 3, seed=first))
    return root


def pixels_of(path):
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_train_and_test_folders_are_read_in_the_order_of_their_names(tmp_path):
    class_folders(tmp_path / "train", {"bee": 3, "ant": 2})
    class_folders(tmp_path / "test", {"bee": 1, "ant": 2}, first=100)
    splits = folder(str(tmp_path), image_size=32)
    assert splits.classes == ["ant", "bee"]
    assert splits.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert splits.test.labels.tolist() == [0, 0, 1]
    paths = sorted((tmp_path / "train").rglob("*.png"))
    assert torch.equal(splits.train.images, torch.stack([pixels_of(path) for path in paths]))
    assert torch.equal(splits.train.index, torch.arange(5))
    assert torch.equal(splits.test.index, torch.arange(3) + TEST_INDEX)


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_the_folder_of_test_images_may_have_other_names(tmp_path, name):
    class_folders(tmp_path / "train", {"ant": 2, "bee": 2})
    class_folders(tmp_path / name, {"ant": 1, "bee": 1})
    assert len(folder(str(tmp_path), 8).test) == 2


def test_a_class_may_lack_test_images_and_labels_still_mean_the_same_class(tmp_path):
    class_folders(tmp_path / "train", {"ant": 2, "bee": 2, "cat": 2})
    class_folders(tmp_path / "test", {"cat": 2})
    assert folder(str(tmp_path), 8).test.labels.tolist() == [2, 2]


def test_a_class_in_the_test_folder_alone_is_named(tmp_path):
    class_folders(tmp_path / "train", {"ant": 2, "bee": 2})
    class_folders(tmp_path / "test", {"ant": 2, "cow": 2, "dog": 1})
    with pytest.raises(ValueError, match=r"classes that .*train has not: cow, dog"):
        folder(str(tmp_path), 8)


def test_images_in_nested_folders_and_in_capitals_belong_to_their_class_and_other_files_to_none(tmp_path):
    class_folders(tmp_path, {"ant": 5, "bee": 4})
    save(tmp_path / "bee" / "more" / "deep.PNG", noise(8, 8, 3))
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    splits = folder(str(tmp_path), 8)
    assert splits.classes == ["ant", "bee"]
    assert torch.cat([splits.train.labels, splits.test.labels]).bincount().tolist() == [5, 5]


def test_a_seeded_split_is_always_the_same_and_keeps_the_shares_of_the_classes(tmp_path):
    class_folders(tmp_path, {"ant": 10, "bee": 20, "cat": 30}, side=2)
    read = partial(folder, str(tmp_path), 2, test_fraction=0.2)
    first, again, other = read(split_seed=0), read(split_seed=0), read(split_seed=1)
    assert first.test.labels.bincount().tolist() == [2, 4, 6]
    assert first.train.labels.bincount().tolist() == [8, 16, 24]
    assert torch.equal(first.test.images, again.test.images)
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.test.images, other.test.images)
    images = torch.cat([first.train.images, first.test.images])
    assert len(images.flatten(1).unique(dim=0)) == 60


def test_the_split_does_not_depend_on_the_order_in_which_the_disk_lists_files(tmp_path):
    class_folders(tmp_path / "a", {"ant": 6, "bee": 6}, side=2)
    for path in sorted((tmp_path / "a").rglob("*.png"), reverse=True):
        save(tmp_path / "b" / path.parent.name / path.name, np.asarray(Image.open(path)))
    one, two = (folder(str(tmp_path / name), 2) for name in "ab")
    assert torch.equal(one.test.images, two.test.images)


def test_square_images_of_one_size_stay_as_they_are(tmp_path):
    class_folders(tmp_path, {"ant": 5, "bee": 5}, side=8)
    splits = folder(str(tmp_path), image_size=32)
    assert splits.train.images.shape[1:] == (3, 8, 8)
    paths = {tuple(pixels_of(path).flatten().tolist()) for path in tmp_path.rglob("*.png")}
    assert {tuple(image.flatten().tolist()) for image in splits.train.images} < paths


@pytest.mark.parametrize("in_memory_gib", [4.0, 0.0])
@pytest.mark.parametrize("sizes", [[(40, 40)], [(8, 12)], [(8, 8), (12, 12)], [(50, 9), (8, 8)]], ids=str)
def test_large_oblong_or_mixed_images_become_squares_of_the_image_size(tmp_path, sizes, in_memory_gib):
    for i in range(10):
        width, height = sizes[i % len(sizes)]
        save(tmp_path / "ab"[i % 4 // 2] / f"{i}.png", noise(height, width, 3, seed=i))
    splits = folder(str(tmp_path), 16, "bicubic", in_memory_gib=in_memory_gib)
    expected = {tuple(read_image(path, 16, "bicubic").flatten().tolist()) for path in tmp_path.rglob("*.png")}
    images = torch.cat([every(splits.train)["image"], every(splits.test)["image"]])
    assert images.shape == (10, 3, 16, 16)
    assert {tuple(image.flatten().tolist()) for image in images} == expected


@pytest.mark.parametrize("side", [8, 24])
def test_files_read_on_demand_give_the_bytes_that_they_give_in_memory(tmp_path, side):
    class_folders(tmp_path, {"ant": 6, "bee": 5}, side=side)
    held, read = (folder(str(tmp_path), 16, in_memory_gib=gib) for gib in (4.0, 0.0))
    for one, other in ((held.train, read.train), (held.test, read.test)):
        assert isinstance(one, ArrayDataset)
        assert isinstance(other, FileDataset)
        assert len(one) == len(other)
        positions = list(reversed(range(len(one))))
        for name, value in one.__getitems__(positions).items():
            assert torch.equal(value, other.__getitems__(positions)[name])
        subset = torch.tensor([2, 0])
        for name, value in every(one.subset(subset)).items():
            assert torch.equal(value, every(other.subset(subset))[name])


def test_images_of_every_mode_may_lie_in_one_folder(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for mode in MODES:
            image, _ = in_mode(mode)
            image.save(tmp_path / label / (mode.replace(";", "") + (".tif" if mode == "CMYK" else ".png")))
    splits = folder(str(tmp_path), 8)
    assert splits.train.images.shape[1:] == (3, 8, 8)
    assert len(splits.train) + len(splits.test) == 2 * len(MODES)


def test_a_folder_needs_a_path():
    with pytest.raises(FileNotFoundError, match=r"data=folder needs data\.root=PATH"):
        folder(None, 8)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist; data=folder reads a folder with train"):
        folder(str(tmp_path / "nowhere"), 8)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"x\.zip is a file; data=folder reads"):
        folder(str(tmp_path / "x.zip"), 8)


def test_an_empty_class_folder_is_named(tmp_path):
    class_folders(tmp_path, {"ant": 3})
    (tmp_path / "bee").mkdir()
    with pytest.raises(ValueError, match=r"class folder .*bee holds no image \(.*\.png"):
        folder(str(tmp_path), 8)


def test_a_folder_without_class_folders_is_named(tmp_path):
    save(tmp_path / "x.png", noise(8, 8, 3))
    with pytest.raises(ValueError, match=r"has no class folders; expected .*CLASS"):
        folder(str(tmp_path), 8)


@pytest.mark.parametrize("in_memory_gib", [4.0, 0.0])
@pytest.mark.parametrize("damage", ["no image", "empty", "truncated"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, damage, suffix, in_memory_gib):
    class_folders(tmp_path / "train", {"ant": 2, "bee": 2})
    class_folders(tmp_path / "test", {"ant": 2, "bee": 2})
    path = tmp_path / "train" / "ant" / f"broken{suffix}"
    save(path, noise(8, 8, 3))
    data = path.read_bytes()
    path.write_bytes({"no image": b"<html>", "empty": b"", "truncated": data[: len(data) * 3 // 4]}[damage])
    with pytest.raises(ValueError, match=rf"cannot read .*ant.broken\{suffix}: .*; replace the file or move it out"):
        every(folder(str(tmp_path), 8, in_memory_gib=in_memory_gib).train)


def test_a_netpbm_file_with_a_damaged_header_is_named(tmp_path):
    class_folders(tmp_path, {"ant": 6, "bee": 6})
    (tmp_path / "ant" / "broken.ppm").write_bytes(b"P6\n8x8 8\n255\n" + bytes(192))
    with pytest.raises(ValueError, match=r"cannot read .*broken\.ppm"):
        folder(str(tmp_path), 8)


def classes_or_complaint(root):
    try:
        return folder(str(root), 8).classes
    except ValueError as error:
        return str(error)


def test_a_train_folder_alone_is_not_taken_for_a_class(tmp_path):
    class_folders(tmp_path / "train", {"ant": 5, "bee": 5})
    outcome = classes_or_complaint(tmp_path)
    assert outcome == ["ant", "bee"] or "test" in outcome


def test_too_few_images_for_a_split_are_an_error_that_names_the_folder(tmp_path):
    class_folders(tmp_path, {"ant": 2, "bee": 2, "cat": 2})
    outcome = classes_or_complaint(tmp_path)
    assert outcome == ["ant", "bee", "cat"] or str(tmp_path) in outcome


# CIFAR


CIFARS = {"cifar10": (cifar10, datasets.CIFAR10), "cifar100": (cifar100, datasets.CIFAR100)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keep every download below tmp_path, and ask no proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("VITCRYPT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "xdg" / "vitcrypt"


@pytest.fixture
def small(cache, monkeypatch):
    """Put a CIFAR-10 of 40 images, in the original format, in the place of the large one; return its archive."""
    files, images = {}, {}
    for seed, (name, split) in enumerate(
        [("data_batch_1", "train"), ("data_batch_2", "train"), ("test_batch", "test")]
    ):
        data, labels = noise(20 if split == "test" else 10, 3072, seed=seed), list(range(10)) * (2 if seed == 2 else 1)
        files[name] = pickle.dumps({"data": data, "labels": labels}, protocol=2)
        images.setdefault(split, []).append(data.reshape(-1, 3, 32, 32))
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"small-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

    def md5(content):
        return hashlib.md5(content).hexdigest()

    class Small(datasets.CIFAR10):
        base_folder, filename, tgz_md5 = "small-batches-py", "small-python.tar.gz", md5(archive.getvalue())
        train_list = [[name, md5(files[name])] for name in ("data_batch_1", "data_batch_2")]  # noqa: RUF012
        test_list = [["test_batch", md5(files["test_batch"])]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}  # noqa: RUF012
        content = archive.getvalue()
        pixels = {split: np.concatenate(parts) for split, parts in images.items()}  # noqa: RUF012

    monkeypatch.setattr(datasets, "CIFAR10", Small)
    monkeypatch.setitem(cifar_module.MIRRORS, "cifar10", [])
    return Small


def is_small(splits, small):
    """Return whether these are the 20 training and 20 test images of the small CIFAR-10."""
    return (
        np.array_equal(splits.train.images.numpy(), small.pixels["train"])
        and np.array_equal(splits.test.images.numpy(), small.pixels["test"])
        and splits.train.labels.tolist() == splits.test.labels.tolist() == list(range(10)) * 2
        and splits.classes == [f"class {i}" for i in range(10)]
    )


@contextmanager
def serving(answers):
    """Serve {"/path": bytes, or a function of the handler} and yield the address, and the paths asked for so far."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = answers.get(self.path, lambda handler: handler.send_error(404))
            if callable(answer):
                answer(self)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, request, client_address):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def mirrors(monkeypatch, *urls):
    monkeypatch.setitem(cifar_module.MIRRORS, "cifar10", list(urls))


@pytest.mark.parametrize("name", CIFARS)
def test_an_archive_that_is_not_the_original_is_refused_with_its_md5(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    (tmp_path / dataset.filename).write_bytes(b"half of an archive")
    with pytest.raises(ValueError, match=rf"{dataset.filename} is not the original .*MD5 is not {dataset.tgz_md5}"):
        load(str(tmp_path), download=False)


@pytest.mark.parametrize("name", CIFARS)
def test_a_damaged_folder_is_refused_and_never_read(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    base = tmp_path / dataset.base_folder
    base.mkdir()

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    for file, _ in [*dataset.train_list, *dataset.test_list, [dataset.meta["filename"], ""]]:
        (base / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=rf"{dataset.base_folder} is not the original {name}: .*remove the folder"):
        load(str(tmp_path))
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("name", CIFARS)
def test_where_it_is_nowhere_and_may_not_be_fetched_the_message_names_every_way(tmp_path, cache, name):
    load, dataset = CIFARS[name]
    with pytest.raises(FileNotFoundError) as caught:
        load(str(tmp_path), download=False)
    ways = [dataset.filename, dataset.tgz_md5, dataset.base_folder, str(cache), "VITCRYPT_DATA=", "data.root=FOLDER"]
    for way in [*ways, "download=false", "data=folder", "data=npz", "data=digits"]:
        assert way in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize("name", CIFARS)
def test_mirrors_that_cannot_be_reached_are_all_named_and_leave_nothing_behind(monkeypatch, cache, name):
    urls = [f"http://127.0.0.1:9/{part}.tar.gz" for part in ("first", "second", "third")]
    monkeypatch.setitem(cifar_module.MIRRORS, name, urls)
    began = time.perf_counter()
    with pytest.raises(FileNotFoundError) as caught:
        CIFARS[name][0]()
    assert time.perf_counter() - began < 5
    for url in [*urls, "data=digits"]:
        assert url in str(caught.value)
    assert list(cache.iterdir()) == []


def test_the_mirrors_serve_the_archives_that_torchvision_knows_and_the_home_server_comes_last():
    for name, (_, dataset) in CIFARS.items():
        urls = cifar_module.MIRRORS[name]
        assert urls[-1] == dataset.url
        assert all(url.endswith("/" + dataset.filename) for url in urls)
        assert len(set(urls)) == len(urls) >= 2


def test_an_archive_is_fetched_checked_unpacked_and_found_again(monkeypatch, cache, small):
    with serving({"/a.tar.gz": small.content}) as (address, asked):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        assert is_small(cifar10(), small)
        assert is_small(cifar10(), small)
    assert asked == ["/a.tar.gz"]
    assert is_small(cifar10(download=False), small)
    assert sorted(path.name for path in cache.iterdir()) == [small.base_folder, small.filename]
    assert (cache / small.filename).read_bytes() == small.content


def test_cifar_indices_are_unique_over_training_and_test_images(cache, small, tmp_path):
    (tmp_path / small.filename).write_bytes(small.content)
    splits = cifar10(str(tmp_path))
    assert torch.cat([splits.train.index, splits.test.index]).unique().numel() == 40


@pytest.mark.parametrize("given", ["root", "root that is the folder itself", "VITCRYPT_DATA", "cache"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_is_on_this_machine_is_used_without_asking_any_mirror(tmp_path, monkeypatch, cache, small, given, packed):
    place = cache if given == "cache" else tmp_path / "data"
    place.mkdir(parents=True)
    root = place / small.base_folder if "itself" in given else place
    if packed:
        (place / small.filename).write_bytes(small.content)
    else:
        with tarfile.open(fileobj=io.BytesIO(small.content)) as tar:
            tar.extractall(place, filter="data")
    if given == "VITCRYPT_DATA":
        monkeypatch.setenv("VITCRYPT_DATA", str(root))
    with serving({}) as (address, asked):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        assert is_small(cifar10(str(root) if given.startswith("root") else None), small)
    assert asked == []


def wrong_bytes(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>please log in</html>")


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"x" * 1000)


def silent(handler):
    time.sleep(1)


def stalling(handler):
    cut_off(handler)
    handler.wfile.flush()
    time.sleep(1)


def no_http(handler):
    handler.wfile.write(b"220 mail.example.org ESMTP\r\n")


def broken_chunks(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnot a length\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        wrong_bytes,
        cut_off,
        silent,
        stalling,
        lambda handler: handler.send_error(500),
        lambda handler: handler.send_error(404),
        lambda handler: handler.connection.close(),
        no_http,
        broken_chunks,
    ],
    ids=["wrong bytes", "cut off", "silent", "stalling", "500", "404", "hangs up", "no HTTP", "broken chunks"],
)
def test_where_the_first_mirror_fails_the_second_is_used(monkeypatch, cache, small, answer):
    monkeypatch.setattr(cifar_module, "CONNECT_SECONDS", 0.3)
    with serving({"/bad.tar.gz": answer, "/good.tar.gz": small.content}) as (address, asked):
        mirrors(monkeypatch, f"{address}/bad.tar.gz", f"{address}/good.tar.gz")
        assert is_small(cifar10(), small)
    assert sorted(asked) == ["/bad.tar.gz", "/good.tar.gz"]
    assert (cache / small.filename).read_bytes() == small.content


def test_wrong_bytes_never_become_the_archive(monkeypatch, cache, small):
    with serving({"/a.tar.gz": small.content[:-1], "/b.tar.gz": small.content + b"x"}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz", f"{address}/b.tar.gz")
        with pytest.raises(FileNotFoundError) as caught:
            cifar10()
    for name in ("a", "b"):
        assert f"{address}/{name}.tar.gz: wrong checksum" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_download_that_is_interrupted_never_becomes_the_archive_and_can_be_repeated(monkeypatch, cache, small):
    def interrupted(response, path, what):
        path.write_bytes(response.read(100))
        raise KeyboardInterrupt

    with serving({"/a.tar.gz": small.content}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        with monkeypatch.context() as patch:
            patch.setattr(cifar_module, "_save", interrupted)
            with pytest.raises(KeyboardInterrupt):
                cifar10()
        assert not (cache / small.filename).exists()
        assert not (cache / small.base_folder).exists()
        assert is_small(cifar10(), small)
    assert sorted(path.name for path in cache.iterdir()) == [small.base_folder, small.filename]


def test_a_disk_that_is_full_is_said_and_leaves_no_archive(monkeypatch, cache, small):
    def full(response, path, what):
        path.write_bytes(b"some")
        raise OSError(28, "No space left on device")

    with serving({"/a.tar.gz": small.content}) as (address, _):
        mirrors(monkeypatch, f"{address}/a.tar.gz")
        monkeypatch.setattr(cifar_module, "_save", full)
        with pytest.raises(FileNotFoundError, match="No space left"):
            cifar10()
    assert list(cache.iterdir()) == []


# Splits


def splits_of(train=50, test=20, classes=5):
    def part(count, first):
        index = torch.arange(count) + first
        return ArrayDataset(torch.from_numpy(noise(count, 3, 2, 2, seed=first % 97)), index % classes, index)

    return Splits(part(train, 0), part(test, TEST_INDEX), [str(i) for i in range(classes)])


def test_limit_draws_so_many_images_and_always_the_same_ones():
    splits = splits_of()
    first, again, other = splits.limit(10, 5, seed=0), splits.limit(10, 5, seed=0), splits.limit(10, 5, seed=1)
    assert (len(first.train), len(first.test)) == (10, 5)
    for name in ("train", "test"):
        one = getattr(first, name).index
        assert torch.equal(one, getattr(again, name).index)
        assert not torch.equal(one, getattr(other, name).index)
        assert one.unique().numel() == len(one)
        assert set(one.tolist()) < set(getattr(splits, name).index.tolist())


def test_limited_images_keep_their_labels_and_indices():
    splits = splits_of()
    for part in some(splits.limit(7, 7, seed=3)):
        whole = splits.test if part.index[0] >= TEST_INDEX else splits.train
        for image, label, index in zip(part.images, part.labels, part.index, strict=True):
            (position,) = (whole.index == index).nonzero()
            assert torch.equal(image, whole.images[position][0])
            assert label == whole.labels[position]


@pytest.mark.parametrize("count", [None, 50, 1000])
def test_a_limit_above_what_there_is_changes_nothing(count):
    splits = splits_of()
    assert splits.limit(count, None, seed=0).train is splits.train


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_hold_out_takes_validation_images_of_every_class_from_training_and_never_from_test(fraction):
    splits = splits_of()
    held = splits.hold_out(fraction, seed=0)
    assert held.val is not None
    assert (len(held.train), len(held.val)) == (50 - round(50 * fraction), round(50 * fraction))
    assert held.test is splits.test
    assert held.val.labels.bincount().tolist() == [round(10 * fraction)] * 5
    train, val = set(held.train.index.tolist()), set(held.val.index.tolist())
    assert not train & val
    assert train | val == set(splits.train.index.tolist())


def test_hold_out_depends_on_the_seed_alone():
    first, again, other = (splits_of().hold_out(0.2, seed).val.index for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_hold_out_leaves_alone_what_has_a_validation_split_or_wants_none():
    splits = splits_of()
    assert splits.hold_out(0, seed=0) is splits
    with_val = splits.hold_out(0.2, seed=0)
    assert with_val.hold_out(0.5, seed=1) is with_val


def test_limit_keeps_the_validation_split():
    splits = splits_of().hold_out(0.2, seed=0)
    assert splits.limit(5, 5, seed=0).val is splits.val


@pytest.mark.parametrize("source", ["digits", "npz", "folder"])
def test_no_two_images_of_a_source_share_an_index(tmp_path, source):
    if source == "digits":
        splits = digits()
    elif source == "npz":
        splits = npz(written(tmp_path / "x.npz", medmnist(train=30, test=10, val=8)))
    else:
        splits = folder(str(class_folders(tmp_path, {"ant": 20, "bee": 10}, side=2)), 2)
    splits = splits.hold_out(0.1, seed=0)
    index = torch.cat([part.index for part in some(splits)])
    assert len(some(splits)) == 3
    assert Counter(index.tolist()).most_common(1)[0][1] == 1
    assert index.dtype == torch.int64


def test_a_class_with_a_single_image_is_split_all_the_same():
    first, second = stratified_split(torch.tensor([0] * 9 + [1]), 0.2, seed=0)
    assert (len(first), len(second)) == (8, 2)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(10))


@pytest.mark.parametrize(
    ("images", "count", "error"),
    [
        (torch.zeros(4, 3, 2, 2), 4, TypeError),
        (torch.zeros(4, 2, 2, dtype=torch.uint8), 4, TypeError),
        (torch.zeros(4, 3, 2, 2, dtype=torch.uint8), 3, ValueError),
    ],
    ids=["float", "three dimensions", "too few labels"],
)
def test_arrays_that_are_no_labelled_images_are_refused(images, count, error):
    with pytest.raises(error, match=r"uint8 \[N, C, h, w\]|do not belong together"):
        ArrayDataset(images, torch.zeros(count, dtype=torch.int64), torch.arange(4))


def test_an_item_of_a_data_set_is_a_batch_of_one():
    dataset = splits_of().train
    batch = dataset[7]
    assert batch["image"].shape == (1, 3, 2, 2)
    assert torch.equal(batch["image"][0], dataset.images[7])
    assert (batch["label"].tolist(), batch["index"].tolist()) == ([2], [7])
