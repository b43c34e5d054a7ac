"""Labelled images, in memory or in files, and the splits that a source of data hands over."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vitcrypt.data.columns import Mapped, Numbers
from vitcrypt.data.stratified import split_positions
from vitcrypt.untrusted.documents import names_once


class Batch(TypedDict):
    """Images of a data set: `image` uint8 [B, C, h, w], `label` int64 [B], and `index` int64 [B], their names there.

    Of received ciphertexts that are no images, `image` is float32.
    """

    image: Tensor
    label: Tensor
    index: Tensor


class ImageDataset(Dataset[Batch]):
    """Labelled images: `dataset.batch([4, 7])` returns two of them.

    Args:
        labels: int64 [N].
        index: int64 [N], unique in the whole data set.
    """

    def __init__(self, labels: Tensor, index: Tensor) -> None:
        self.labels, self.index = labels, index

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: list[int] | Tensor) -> Batch:
        """Return the images at these positions (0..N-1)."""
        chosen = torch.as_tensor(positions)
        return Batch(image=self.images_at(chosen), label=self.labels[chosen], index=self.index[chosen])

    def __getitem__(self, position: int) -> Batch:
        return self.batch([position])

    def __getitems__(self, positions: list[int]) -> Batch:
        return self.batch(positions)

    def images_at(self, positions: Tensor) -> Tensor:
        """Return the images at these positions, uint8 [B, C, h, w]."""
        raise NotImplementedError

    def subset(self, positions: Tensor) -> ImageDataset:
        """Return the data set of these positions alone."""
        raise NotImplementedError

    def load(self) -> None:
        """Do beforehand what reading all images takes, where they are to be in memory."""


class ArrayDataset(ImageDataset):
    """Images that are in memory, uint8 [N, C, h, w]; received ciphertexts also float32."""

    def __init__(self, images: Tensor, labels: Tensor, index: Tensor) -> None:
        if images.dtype not in (torch.uint8, torch.float32) or images.dim() != 4:
            raise TypeError(f"expected images as uint8 [N, C, h, w], got {images.dtype} {list(images.shape)}")
        if not len(images) == len(labels) == len(index):
            raise ValueError(f"{len(images)} images have {len(labels)} labels and {len(index)} indices")
        super().__init__(labels, index)
        self.images = images

    def images_at(self, positions: Tensor) -> Tensor:
        """Gather."""
        return self.images.index_select(0, positions)

    def subset(self, positions: Tensor) -> ArrayDataset:
        """Gather once."""
        return ArrayDataset(self.images[positions], self.labels[positions], self.index[positions])


class DecodedDataset(ImageDataset):
    """Images that are decoded one by one, when they are asked for."""

    def images_at(self, positions: Tensor) -> Tensor:
        """Decode."""
        return torch.from_numpy(np.stack([self.pixels(i) for i in positions.tolist()]))

    def pixels(self, position: int) -> NDArray[Any]:
        """Return one image, uint8 [3, size, size], or a ciphertext as its manifest says."""
        raise NotImplementedError

    def subset(self, positions: Tensor) -> DecodedDataset:
        """Choose, and decode nothing."""
        raise NotImplementedError


class HeldDataset(ArrayDataset):
    """Images that are decoded, all of them, into memory when the first is asked for; a subset of it only its own.

    Args:
        dataset: The same images, decoded one by one.
        decode: From it to uint8 [N, C, h, w].
    """

    def __init__(self, dataset: DecodedDataset, decode: Callable[[DecodedDataset], Tensor]) -> None:
        ImageDataset.__init__(self, dataset.labels, dataset.index)
        self.dataset, self.decode = dataset, decode

    @cached_property
    def images(self) -> Tensor:  # type: ignore[override]
        """All of them."""
        return self.decode(self.dataset)

    def load(self) -> None:
        """Decode."""
        _ = self.images

    def subset(self, positions: Tensor) -> ArrayDataset:
        """Gather what is decoded; else choose what will be."""
        if "images" in vars(self):
            return super().subset(positions)
        return HeldDataset(self.dataset.subset(positions), self.decode)


class FileDataset(DecodedDataset):
    """Images that are read from their files when asked for, by a function from a path to uint8 [3, size, size]."""

    def __init__(self, paths: Sequence[Path], labels: Tensor, index: Tensor, read: Callable[[Path], ArrayLike]) -> None:
        super().__init__(labels, index)
        self.paths, self.read = paths, read

    def pixels(self, position: int) -> NDArray[Any]:
        """Decode."""
        return np.asarray(self.read(self.paths[position]))

    def subset(self, positions: Tensor) -> FileDataset:
        """Choose paths."""
        paths = Mapped(self.paths.__getitem__, Numbers(positions.numpy()))
        return FileDataset(paths, self.labels[positions], self.index[positions], self.read)


@dataclass(frozen=True)
class Splits:
    """What a source of data is: training, perhaps validation, and test images, and the names of the classes.

    `notes` are lines for the user on what was found there, and what was left out; `content` is what `content_of` says
    of the whole.
    """

    train: ImageDataset
    test: ImageDataset
    classes: list[str]
    val: ImageDataset | None = None
    notes: tuple[str, ...] = ()
    content: str | None = None

    def loaded(self) -> Splits:
        """Return the same, with the images decoded that are to be in memory; ValueError if one cannot be."""
        for part in filter(None, (self.train, self.test, self.val)):
            part.load()
        return self

    def usable(self) -> Splits:
        """Return the same; ValueError unless there are images to train and test on, and several classes by name."""
        for purpose, part in (("train", self.train), ("test", self.test), ("validate", self.val)):
            if part is not None and not len(part):
                raise ValueError(f"the data have no image to {purpose} on; add some")
        if len(self.classes) < 2:
            raise ValueError(f"there is one class, {self.classes}: nothing to tell apart; add images of another class")
        names_once(self.classes)
        return self

    def hold_out(self, fraction: float, seed: int) -> Splits:
        """Return the same with a validation split taken out of the training images, unless there is one."""
        if self.val is not None or fraction == 0:
            return self
        if (held_out := math.ceil(fraction * len(self.train))) >= len(self.train):
            raise ValueError(
                f"data.validation={fraction} holds out {held_out} of {len(self.train)} training images, which leaves "
                "none; set data.validation=0, or a smaller share"
            )
        kept, held = stratified_split(self.train.labels, fraction, seed)
        return replace(self, train=self.train.subset(kept), val=self.train.subset(held))

    def limit(self, train: int | None, test: int | None, seed: int, skip: int = 0) -> Splits:
        """Return the same with at most so many images, drawn at random (always the same ones).

        The first `skip` training images of that draw are left out: for parts that have no image in common.
        """
        for name, count in (("limit_train", train), ("limit_test", test), ("skip_train", skip)):
            if count is not None and count < 0:
                raise ValueError(
                    f"data.{name}={count} is a number of images and cannot be negative; set it to null for all"
                )
        if skip and skip >= len(self.train):
            raise ValueError(f"data.skip_train={skip} leaves none of {len(self.train)} training images; skip fewer")

        def some(dataset: ImageDataset, count: int | None, skip: int = 0) -> ImageDataset:
            if (count is None or count >= len(dataset)) and not skip:
                return dataset
            order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
            return dataset.subset(order[skip:][:count].sort().values)

        asked = {"limit_train": (train, len(self.train) - skip), "limit_test": (test, len(self.test))}
        fewer = [
            f"data.{name}={wanted:,}: there are {n:,}" for name, (wanted, n) in asked.items() if wanted and wanted > n
        ]
        notes = (*self.notes, *fewer)
        return replace(self, train=some(self.train, train, skip), test=some(self.test, test), notes=notes)


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Do what `split_positions` does, with tensors."""
    first, second = map(torch.from_numpy, split_positions(labels.numpy(), fraction, seed))
    return first, second
