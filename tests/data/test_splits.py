"""How images are split: limits, validation, indices."""

from collections import Counter

import pytest
import torch
from samples import class_folders, medmnist, noise, some, written

from vitcrypt.data import (
    TEST_INDEX,
    ArrayDataset,
    Splits,
    digits,
    folder,
    npz,
)
from vitcrypt.data.datasets import stratified_split

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


def test_parts_of_the_training_images_are_disjoint():
    splits = splits_of()
    total = len(splits.train)
    first, second = splits.limit(10, None, seed=0), splits.limit(10, None, seed=0, skip=10)
    rest = splits.limit(None, None, seed=0, skip=20)
    indices = torch.cat([part.train.index for part in (first, second, rest)])
    assert len(first.train) == len(second.train) == 10
    assert indices.sort().values.tolist() == splits.train.index.sort().values.tolist()
    assert second.test is splits.test
    with pytest.raises(ValueError, match=f"data.skip_train={total} leaves none of {total} training images"):
        splits.limit(None, None, seed=0, skip=total)


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
        (torch.zeros(4, 3, 2, 2, dtype=torch.float64), 4, TypeError),
        (torch.zeros(4, 2, 2, dtype=torch.uint8), 4, TypeError),
        (torch.zeros(4, 3, 2, 2, dtype=torch.uint8), 3, ValueError),
    ],
    ids=["float", "three dimensions", "too few labels"],
)
def test_arrays_that_are_no_labelled_images_are_refused(images, count, error):
    with pytest.raises(error, match=r"uint8 \[N, C, h, w\]|have 3 labels and 4 indices"):
        ArrayDataset(images, torch.zeros(count, dtype=torch.int64), torch.arange(4))


def test_an_item_of_a_data_set_is_a_batch_of_one():
    dataset = splits_of().train
    batch = dataset[7]
    assert batch["image"].shape == (1, 3, 2, 2)
    assert torch.equal(batch["image"][0], dataset.images[7])
    assert (batch["label"].tolist(), batch["index"].tolist()) == ([2], [7])
