"""Sources of labelled images, and the Lightning data module that encrypts them on the device.

Lightning and torchvision are imported when what needs them is first used: who encrypts a folder needs neither.
"""

from typing import TYPE_CHECKING, Any

from vitcrypt.data.datasets import TEST_INDEX, ArrayDataset, Batch, FileDataset, ImageDataset, Splits
from vitcrypt.data.decode import read_image
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.packed import ShardDataset, shards
from vitcrypt.data.sources import digits, folder, npz
from vitcrypt.data.transforms import normalise, resize

if TYPE_CHECKING:
    from vitcrypt.data.cifar import cifar10, cifar100
    from vitcrypt.data.datamodule import ImageDataModule

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


def __getattr__(name: str) -> Any:
    if name == "ImageDataModule":
        from vitcrypt.data.datamodule import ImageDataModule

        return ImageDataModule
    if name in ("cifar10", "cifar100"):
        from vitcrypt.data import cifar

        return getattr(cifar, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
