"""Which images a data set holds: equal for the same images and labels in any order and file, and for no others."""

from dataclasses import replace

import pytest
import torch
from batches import arrays
from torchvision.transforms.functional import to_pil_image

from vitcrypt.data import ArrayDataset, Splits, content, folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(content, "COUNTS", (20, 10))
    monkeypatch.setattr(content, "SHAPE", (3, 8, 8))


@pytest.fixture
def whole():
    return Splits(arrays(20), arrays(10, first=100), [str(number) for number in range(7)])


def test_order_files_and_held_out_images_do_not_count(whole, tmp_path):
    known = content.content_of(whole)
    assert len(known) == 64
    shuffled = replace(whole, train=whole.train.subset(torch.randperm(20)))
    assert content.content_of(shuffled) == known
    assert content.content_of(whole.hold_out(0.2, 0)) == known
    for split in ("train", "test"):
        for number, batch in enumerate(getattr(whole, split)):
            path = tmp_path / split / str(int(batch["label"])) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            to_pil_image(batch["image"][0]).save(path)
    assert content.content_of(folder(str(tmp_path), 8)) == known


def test_every_pixel_label_and_split_counts(whole):
    image, label = whole.train.images.clone(), whole.train.labels.clone()
    image[3, 1, 2, 5] ^= 1
    label[3] += 1
    index = whole.train.index
    others = [replace(whole, train=ArrayDataset(image, whole.train.labels, index))]
    others += [replace(whole, train=ArrayDataset(whole.train.images, label, index))]
    swapped = [
        ArrayDataset(*(part.clone() for part in (d.images, d.labels, d.index))) for d in (whole.train, whole.test)
    ]
    for name in ("images", "labels"):
        first, second = (getattr(each, name)[0].clone() for each in swapped)
        getattr(swapped[0], name)[0], getattr(swapped[1], name)[0] = second, first
    others += [replace(whole, train=swapped[0], test=swapped[1])]
    assert len({content.content_of(each) for each in (whole, *others)}) == 4


def test_other_counts_and_sizes_are_not_read(whole):
    assert content.content_of(replace(whole, train=whole.train.subset(torch.arange(19)))) is None
    assert content.content_of(Splits(arrays(20, side=9), arrays(10, side=9), whole.classes)) is None
