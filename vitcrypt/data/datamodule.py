"""The way of the data: from a source to encrypted, normalised batches on the device.

    uint8 [B, C, h, w] -> augment -> resize, rounded to uint8 -> encrypt -> float, normalise -> network

All of it happens after the transfer, in `on_after_batch_transfer`: the CPU ships positions or small 8-bit images. Only
what `transforms` lists is done where images are loaded, one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitcrypt.data.augmentation import Augmentation, Transform
from vitcrypt.data.datasets import ArrayDataset, Batch, ImageDataset, Splits
from vitcrypt.data.manifest import Manifest
from vitcrypt.data.steps import Division, Share, StepSampler, seed_of
from vitcrypt.data.transforms import Part, normalise, random_crop, random_flip, random_roll, resize
from vitcrypt.encryption import ImageEncryption, Scheme, Shape

Augment = Literal["auto", "owner", "provider", "none"]


class ImageDataModule(LightningDataModule):
    """Splits of images, encrypted batch by batch on the device.

    Args:
        splits: The images. Without a validation split nothing is validated; the test split never is.
        image_size: Side of the images that the network sees; smaller and larger ones are resized to it.
        encryption: What encrypts; None if the images are encrypted already (or need not be).
        received: The manifest of images that come encrypted: with it, what would destroy them is an error.
        batch_size: Images in one optimiser step, over all devices; the last step of an epoch takes what is left.
        micro_batch_size: At most so many images at once on one device; a step then accumulates several. None: no limit.
        augment: Who augments training images. "owner" does before encryption, with `transforms`, `crop_padding` and
            `flip`. "provider" only has encrypted images: crop and flip if they are plain or nothing is known of them,
            cyclic moves by whole blocks under LE, and an error where nothing survives. "none": nobody. "auto": nobody
            if the images come encrypted, else the owner.
        crop_padding: Random crop after padding by so many pixels, at the images' own size.
        flip: Random left-right flip.
        transforms: What the owner does to each image before crop and flip, see `Augmentation`.
        interpolation: "bilinear" or "bicubic".
        num_workers: Processes that decode files and apply `transforms`; images in memory need none.
        resident_gib: Keep a data set on the device if it is at most this large.
        compile: Encrypt and normalise in one pass over the pixels, by `torch.compile`, which takes some seconds.
        seed: Of order and augmentation. Both depend on seed and epoch alone, so a resumed run repeats them.

    Batches: a dict of `image` (float [B, C, S, S] in [-1, 1]), `label` (int64 [B]), `index` (int64 [B]), and `share`,
    which says what the batch weighs in its step and how many of its images count.

    Raises:
        ValueError: The images come encrypted, and these options would destroy them; or the cipher cannot be compiled.
    """

    trainer: Trainer

    def __init__(
        self,
        splits: Splits,
        image_size: int,
        encryption: ImageEncryption | None,
        received: Manifest | None = None,
        batch_size: int = 128,
        micro_batch_size: int | None = None,
        augment: Augment = "owner",
        crop_padding: int = 0,
        flip: bool = False,
        transforms: Sequence[Transform] = (),
        interpolation: str = "bilinear",
        num_workers: int = 0,
        resident_gib: float = 4.0,
        compile: bool = False,  # noqa: A002
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.splits, self.encryption, self.received = splits.loaded(), encryption, received
        self.image_size, self.interpolation = image_size, interpolation
        self.batch_size, self.micro_batch_size = batch_size, micro_batch_size
        self.crop_padding, self.flip = crop_padding, flip
        self.num_workers, self.resident_gib, self.seed = num_workers, resident_gib, seed
        come_encrypted = received is not None and received.encrypted
        self.augment = ("none" if come_encrypted else "owner") if augment == "auto" else augment
        if encryption is not None and encryption.scheme.released_once and self.augment != "none":
            raise ValueError(
                f"augment={self.augment}: what {encryption.scheme.name} hides holds for one ciphertext of an image, "
                "and every crop or flip would be one more; set data.augment=none"
            )
        owned = bool(transforms) and self.augment == "owner"
        self.augmentation = Augmentation(transforms, seed) if owned else None
        self._generator = torch.Generator()
        self._first_epoch = 0
        self._generator_epoch: int | None = None
        self._step_state = self._generator.get_state()
        self._on_device: dict[str, ArrayDataset] = {}
        if come_encrypted:
            self._check_received(str(received))
        if self.augment == "provider" and self.scheme is not None and not self.scheme.translation_by_blocks:
            raise ValueError(
                f"augment=provider: no crop or flip of an image encrypted by {self.scheme.name} "
                "is the encryption of another image under the same key; set "
                + ("data.augment=none" if encryption is None else "data.augment=owner or data.augment=none")
            )
        if compile and encryption is not None and encryption.key_scope == "per_image":
            raise ValueError(
                "data.compile=true compiles one cipher for all images, and with key_scope=per_image each image has its "
                "own; set data.compile=false"
            )
        if self.augmentation is not None:
            first = splits.train.batch([0, len(splits.train) - 1])
            self.augmentation(first["image"], first["index"], 0)  # what cannot work fails here
        self._finish = torch.compile(self._encrypt_and_normalise) if compile else self._encrypt_and_normalise

    @property
    def scheme(self) -> Scheme | None:
        """What the images are under when the network sees them; None if nothing is known."""
        if self.encryption is not None:
            return self.encryption.scheme
        return self.received.scheme if self.received is not None else None

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.splits.classes)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of what the network sees."""
        shape = (3, self.image_size, self.image_size)
        return self.scheme.output_shape(shape) if self.scheme is not None else shape

    def division(self, world_size: int) -> Division:
        """Return how steps are divided, so that batch_size is what it says on any number of devices."""
        if self.batch_size % world_size:
            raise ValueError(
                f"data.batch_size={self.batch_size} is the batch over all devices and does not divide by "
                f"{world_size} devices; try {math.ceil(self.batch_size / world_size) * world_size}"
            )
        return Division(self.batch_size, self.micro_batch_size, world_size)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Shuffled by seed and epoch, every image once an epoch."""
        self._generator_epoch = None  # a new training: draw from the start
        loader: Any = self._loader(self.splits.train, seed_of(self.seed), self.augmentation)
        loader.sampler.set_epoch(self._first_epoch)  # workers begin to load before Lightning says which it is
        return loader  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Any]:
        """How many epochs have ended: kept in checkpoints, and restored before workers begin to load."""
        loop: Any = self.trainer.fit_loop
        return {"epochs": loop.epoch_progress.current.processed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin with the epoch in which a training goes on."""
        self._first_epoch = int(state_dict["epochs"])

    def val_dataloader(self) -> DataLoader[dict[str, Any]] | list[Any]:
        """In order."""
        return self._loader(self.splits.val) if self.splits.val is not None else []

    def test_dataloader(self) -> DataLoader[dict[str, Any]]:
        """In order."""
        return self._loader(self.splits.test)

    def predict_dataloader(self) -> DataLoader[dict[str, Any]]:
        """The test images, in order."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> dict[str, Any]:
        """Make what the network sees out of what was transferred."""
        trainer, training = self.trainer, self.trainer.training
        share: Share = batch.pop("share")
        if "position" in batch:
            stage = "train" if training else "val" if trainer.validating or trainer.sanity_checking else "test"
            batch = self._gather(stage, batch["position"])
        if training:
            self._draw_for(share)
        dtype = getattr(trainer.lightning_module, "dtype", torch.float32)
        image = self.prepare(batch["image"], batch["index"], training, dtype, of=(share.step, share.rows))
        return {"image": image, "label": batch["label"], "index": batch["index"], "share": share}

    def prepare(
        self,
        image: Tensor,
        index: Tensor,
        training: bool,
        dtype: torch.dtype = torch.float32,
        of: Part | None = None,
    ) -> Tensor:
        """Augment (if training), resize, encrypt and normalise uint8 [B, C, h, w] to float [B, C, S, S] in [-1, 1].

        A scheme may declare another shape, and float ciphertexts, which are not normalised.
        """
        if training and self.augment == "provider":
            return self._normalised(self._augmented(self.encrypted(image, index), of), dtype)
        if training and self.augment == "owner":
            image = self._augmented(image, of)
        return self._finish(self.plain(image), index, dtype)

    def plain(self, image: Tensor) -> Tensor:
        """Resize uint8 [B, C, h, w] to uint8 [B, C, S, S]: what is encrypted. What came as float32 stays as it is."""
        if self.encryption is None and image.shape[-3:] == self.shape:
            return image  # also a ciphertext that is no square
        if image.dtype != torch.float32:
            return resize(image, self.image_size, self.interpolation)
        if self.encryption is not None:
            raise TypeError("expected images as uint8 [B, C, h, w], got float32, which is for ciphertexts that came")
        return image

    def encrypted(self, image: Tensor, index: Tensor) -> Tensor:
        """Resize and encrypt uint8 [B, C, h, w] to uint8 [B, C, S, S]: what the provider gets."""
        return self._encrypt(self.plain(image), index)

    def _encrypt(self, plain: Tensor, index: Tensor) -> Tensor:
        encrypted: Tensor = plain if self.encryption is None else self.encryption(plain, index)
        return encrypted

    def _encrypt_and_normalise(self, plain: Tensor, index: Tensor, dtype: torch.dtype) -> Tensor:
        return self._normalised(self._encrypt(plain, index), dtype)

    def _normalised(self, encrypted: Tensor, dtype: torch.dtype) -> Tensor:
        return normalise(encrypted, dtype) if encrypted.dtype == torch.uint8 else encrypted.to(dtype)

    def _augmented(self, image: Tensor, of: Part | None) -> Tensor:
        if self.augment == "provider" and self.scheme is not None and self.scheme.name != "plain":
            return random_roll(image, self.scheme.block_size, self._generator, of)
        if self.crop_padding:
            image = random_crop(image, self.crop_padding, self._generator, of)
        return random_flip(image, self._generator, of) if self.flip else image

    def _draw_for(self, share: Share) -> None:
        """Let all micro batches of a step, on all devices, see the same random numbers."""
        if self.trainer.current_epoch != self._generator_epoch:
            self._generator_epoch = self.trainer.current_epoch
            self._generator.manual_seed(seed_of(self.seed, self.trainer.current_epoch, 0))
        if share.first:
            self._step_state = self._generator.get_state()
        else:
            self._generator.set_state(self._step_state)

    def _check_received(self, received: str) -> None:
        if self.encryption is not None:
            raise ValueError(f"the images are encrypted already ({received}); set encryption=received")
        assert self.received is not None
        if self.image_size != self.received.image_size:
            raise ValueError(
                f"the images are encrypted ({received}), and resizing to {self.image_size} would destroy them; "
                f"set model.image_size={self.received.image_size}"
            )
        if self.augment == "owner" and (self.crop_padding or self.flip or self.augmentation is not None):
            raise ValueError(
                f"data.augment=owner crops and flips before encryption; these images are encrypted ({received}); "
                "set data.augment=none"
            )

    def _loader(
        self, dataset: ImageDataset, seed: int | None = None, augmentation: Augmentation | None = None
    ) -> DataLoader[dict[str, Any]]:
        division = self.division(self.trainer.world_size)
        at_hand = dataset if isinstance(dataset, ArrayDataset) and augmentation is None else None
        resident = at_hand is not None and at_hand.images.nbytes <= self.resident_gib * 2**30
        workers = self.num_workers if at_hand is None else 0
        return DataLoader(
            _MicroBatches(dataset, resident, augmentation),
            batch_size=None,  # the sampler chooses whole batches
            sampler=StepSampler(len(dataset), division, self.trainer.global_rank, seed),
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=not resident and torch.cuda.is_available(),
        )

    def _gather(self, stage: str, positions: Tensor) -> Batch:
        held = self._on_device.get(stage)
        if held is None or held.images.device != positions.device:
            source = getattr(self.splits, stage)
            held = ArrayDataset(*(part.to(positions.device) for part in (source.images, source.labels, source.index)))
            self._on_device[stage] = held
        return held.batch(positions)


class _MicroBatches(Dataset[dict[str, Any]]):
    """A data set by micro batches; of one whose images are on the device already a batch is just positions."""

    def __init__(self, dataset: ImageDataset, resident: bool, augmentation: Augmentation | None) -> None:
        self.dataset, self.resident, self.augmentation = dataset, resident, augmentation

    def __getitem__(self, chosen: tuple[list[int], Share]) -> dict[str, Any]:
        positions, share = chosen
        if self.resident:
            return {"position": torch.tensor(positions), "share": share}
        batch = self.dataset.batch(positions)
        if self.augmentation is not None:
            batch["image"] = self.augmentation(batch["image"], batch["index"], share.epoch)
        return {**batch, "share": share}
