"""Digits, which come with the installation, and one .npz file."""

import io
import zipfile

import numpy as np
import pytest
import torch
from samples import medmnist, noise, shares, some, written

from vitcrypt.data import (
    TEST_INDEX,
    digits,
    npz,
)

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
        ("train_labels", np.zeros(9), r"got float64 \[9\]$"),
        ("train_images", np.zeros((9, 3, 8, 8), np.uint8), r"put the channels last"),
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


def test_npz_may_have_one_image_in_a_split(tmp_path):
    assert npz(written(tmp_path / "x.npz", medmnist(test=1))).test.labels.tolist() == [0]


def test_validation_images_without_labels_are_named(tmp_path):
    path = written(tmp_path / "x.npz", medmnist() | {"val_images": noise(2, 6, 6, 3)})
    with pytest.raises(ValueError, match="has no val_labels"):
        npz(path)


# Labels: every class has an image or a name


def relabelled(path, change, **more):
    arrays = medmnist(train=9, test=6, val=3)
    changed = {name: change(array) if name.endswith("labels") else array for name, array in arrays.items()}
    return written(path / "x.npz", changed | more)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64, np.int64, ">i2"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_from_0_on_without_gaps_need_no_names(tmp_path, kind, shape):
    splits = npz(relabelled(tmp_path, lambda labels: labels.astype(kind).reshape(shape)))
    assert splits.classes == ["0", "1", "2"]
    assert splits.train.labels.tolist() == [0, 1, 2] * 3
    assert splits.notes == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels + 1, "no image has the label 0; do they count from 1? Subtract 1, or add an array"),
        (lambda labels: labels % 2 * 5, "no image has the label 1, 2, 3, 4; number the classes 0, 1, 2"),
        (lambda labels: labels + 7, "no image has the label 0, 1, 2, 3, 4, 5, 6; number"),
        (lambda labels: labels * 10**9, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,999,999,988 more; number the classes"),
        (
            lambda labels: labels.astype(np.uint64) + np.uint64(2**64 - 3),
            "a name for each label from 0 to 1844674407370",
        ),
    ],
)
def test_a_class_without_image_and_name_is_refused(tmp_path, change, said):
    with pytest.raises(ValueError, match="no image has the label") as refused:
        npz(relabelled(tmp_path, change))
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_class_without_image_may_be_there_if_it_has_a_name_and_is_told(tmp_path):
    names = np.array(["ant", "bee", "cat", "dog"])
    splits = npz(relabelled(tmp_path, lambda labels: labels + 1, classes=names))
    assert splits.classes == ["ant", "bee", "cat", "dog"]
    assert splits.train.labels.tolist() == [1, 2, 3] * 3
    assert splits.notes == tuple(f"no {split} image of ant" for split in ("train", "val", "test"))


def test_a_split_that_lacks_images_of_a_class_is_told(tmp_path):
    arrays = medmnist(train=9, test=4) | {"test_labels": np.array([0, 0, 1, 1])}
    assert npz(written(tmp_path / "x.npz", arrays)).notes == ("no test image of 2",)


@pytest.mark.parametrize(
    ("names", "change", "said"),
    [
        (["ant", "bee"], lambda labels: labels, r"labels are 0\.\.2; expected 0\.\.1"),
        (["ant", "bee", "cat"], lambda labels: labels - 1, r"labels are -1\.\.1; expected 0\.\.2"),
        (
            ["ant", "bee", "cat"],
            lambda labels: labels.astype(np.uint64) + np.uint64(2**63),
            r"labels are 9223372036854775808",
        ),
        (["ant", "bee", "ant"], lambda labels: labels, "each once"),
        ([["ant", "bee", "cat"]], lambda labels: labels, "each once"),
    ],
)
def test_labels_and_names_that_do_not_fit_are_refused(tmp_path, names, change, said):
    with pytest.raises(ValueError, match=said):
        npz(relabelled(tmp_path, change, classes=np.array(names)))
