"""One image file of any size and mode, and folders of class folders."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from samples import MODES, class_folders, every, in_mode, noise, save

from vitcrypt.data import (
    TEST_INDEX,
    ArrayDataset,
    FileDataset,
    folder,
    read_image,
)

# One image file


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb_on_white(tmp_path, mode):
    image, expected = in_mode(mode)
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image.save(path)
    with Image.open(path) as reopened:
        assert reopened.mode == mode
    read = read_image(path, None)
    assert read.dtype == torch.uint8
    assert read.shape == (3, 10, 12)
    difference = np.abs(read.permute(1, 2, 0).numpy().astype(float) - expected).max()
    assert difference <= {"CMYK": 1, "LA": 0.5, "RGBA": 0.5}.get(mode, 0)


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


@pytest.mark.parametrize("orientation", TURNED)
def test_an_image_is_turned_as_its_exif_says(tmp_path, orientation):
    image, expected = in_mode("RGB")
    for suffix in (".png", ".tif", ".webp"):
        with_orientation(tmp_path / f"x{suffix}", image, orientation)
        turned = read_image(tmp_path / f"x{suffix}", None).permute(1, 2, 0).numpy()
        assert np.array_equal(turned, TURNED[orientation](expected)), suffix


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


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_images_beside_test_images_are_validated_on(tmp_path, name):
    for first, split in enumerate(("train", name, "test")):
        class_folders(tmp_path / split, {"ant": 2, "bee": 3}, first=10 * first)
    splits = folder(str(tmp_path), 8)
    for part, split, first in (
        (splits.train, "train", 0),
        (splits.val, name, TEST_INDEX // 2),
        (splits.test, "test", TEST_INDEX),
    ):
        assert torch.equal(part.images, torch.stack([pixels_of(p) for p in sorted((tmp_path / split).rglob("*.png"))]))
        assert part.labels.tolist() == [0, 0, 1, 1, 1]
        assert torch.equal(part.index, torch.arange(5) + first)
    assert splits.hold_out(0.5, seed=0) is splits


def test_in_the_layout_of_imagenet_validation_images_are_tested_on(tmp_path):
    class_folders(tmp_path / "train", {"ant": 2, "bee": 2})
    class_folders(tmp_path / "val", {"ant": 1, "bee": 2}, first=10)
    splits = folder(str(tmp_path), 8)
    assert splits.val is None
    assert torch.equal(splits.test.index, torch.arange(3) + TEST_INDEX)


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
        for name, value in one.batch(positions).items():
            assert torch.equal(value, other.batch(positions)[name])
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


def test_too_few_images_for_a_split_are_an_error_that_names_the_folder(tmp_path):
    class_folders(tmp_path, {"ant": 2, "bee": 2, "cat": 2})
    with pytest.raises(ValueError, match=rf"{tmp_path}: 6 images of 3 classes are too few"):
        folder(str(tmp_path), 8)
