"""Sources of labelled images, and the Lightning data module that encrypts them on the device.

Torch, Lightning and torchvision are imported when what needs them is first used: who encrypts a folder needs none.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from vitcrypt import lazily
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.stratified import TEST_INDEX

if TYPE_CHECKING:
    from vitcrypt.data.cifar import cifar10, cifar100
    from vitcrypt.data.datamodule import ImageDataModule
    from vitcrypt.data.datasets import ArrayDataset, Batch, FileDataset, ImageDataset, Splits
    from vitcrypt.data.decode import read_image
    from vitcrypt.data.packed import ShardDataset, shards
    from vitcrypt.data.sources import digits, folder, npz
    from vitcrypt.data.transforms import normalise, resize

__all__ = [
    "TEST_INDEX",
    "ArrayDataset",
    "Batch",
    "FileDataset",
    "ImageDataModule",
    "ImageDataset",
    "Manifest",
    "ShardDataset",
    "Splits",
    "cifar10",
    "cifar100",
    "digits",
    "folder",
    "normalise",
    "npz",
    "read_image",
    "resize",
    "shards",
]


def _holding(name: str) -> tuple[ModuleType, ...]:
    if name == "ImageDataModule":
        from vitcrypt.data import datamodule

        return (datamodule,)
    if name in ("cifar10", "cifar100"):
        from vitcrypt.data import cifar

        return (cifar,)
    from vitcrypt.data import datasets, decode, packed, sources, transforms

    return datasets, decode, packed, sources, transforms


__getattr__ = lazily(__name__, _holding)
