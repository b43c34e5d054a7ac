"""The images of a training, from the group `data` to the data module."""

from dataclasses import replace
from typing import cast

from vitcrypt.data import ImageDataModule, Splits
from vitcrypt.data.augmentation import Transform
from vitcrypt.data.content import content_of
from vitcrypt.data.datamodule import Augment
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.job import Job
from vitcrypt.targets import build


def splits_of(config: Config) -> Splits:
    """Return the images of a configuration.

    Raises:
        FileNotFoundError: They are not there; the message names each way to provide them.
        ValueError: They cannot be used.
    """
    data = config.data
    with blame("data.source", data.source):
        splits: Splits = build("data.source", data.source, config.allow_targets).usable()
    splits = replace(splits, content=content_of(splits))
    splits = splits.limit(data.limit_train, data.limit_test, data.split_seed, data.skip_train)
    splits = splits.hold_out(data.validation, data.split_seed)
    with blame("data.source", data.source):
        return splits.loaded()  # only now: of the images that are taken, and of no others


def data_module_of(job: Job[Config], splits: Splits) -> ImageDataModule:
    """Return the data module of a job: its images, augmented, encrypted and normalised on the device."""
    data, transforms = job.config.data, []
    for number, node in enumerate(data.transforms):
        with blame(place := f"data.transforms.{number}", node):
            transforms.append(build(place, node, job.config.allow_targets))
    with blame("data.transforms"):
        return _data_module(job, splits, transforms)


def _data_module(job: Job[Config], splits: Splits, transforms: list[Transform]) -> ImageDataModule:
    data = job.config.data
    return ImageDataModule(
        splits,
        image_size=data.image_size,
        encryption=job.encryption(data.image_size),
        received=job.received,
        seed=job.config.seed,
        batch_size=data.batch_size,
        micro_batch_size=data.micro_batch_size,
        augment=cast("Augment", data.augment),
        crop_padding=data.crop_padding,
        flip=data.flip,
        transforms=transforms,
        interpolation=data.interpolation,
        num_workers=data.num_workers,
        resident_gib=data.resident_gib,
        compile=data.compile,
    )
