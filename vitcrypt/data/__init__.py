"""Sources of labelled images, and the Lightning data module that encrypts them on the device."""

from vitcrypt.data.cifar import cifar10, cifar100
from vitcrypt.data.datamodule import ImageDataModule
from vitcrypt.data.datasets import TEST_INDEX, ArrayDataset, Batch, FileDataset, ImageDataset, Splits
from vitcrypt.data.decode import read_image
from vitcrypt.data.manifest import Manifest
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
