"""The victim of a configured attack: who holds images and key, and from whom an `Observation` is taken."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from vitcrypt.attacks import Observation, Oracle
from vitcrypt.attacks.observation import State
from vitcrypt.data import Splits, resize
from vitcrypt.data.content import content_of
from vitcrypt.data.copies import COPIES
from vitcrypt.encryption import Features, ImageEncryption
from vitcrypt.encryption.cipher import KeyScope
from vitcrypt.encryption.orthogonal import orthogonal_matrix
from vitcrypt.experiment.config import AttackConfig
from vitcrypt.experiment.job import Job, opened
from vitcrypt.experiment.score import Truth
from vitcrypt.jobs.place import expanded
from vitcrypt.models.weight_files import check_finite, read_state
from vitcrypt.targets import build

AVERAGED = 1000
"""Training images in the mean image, read so many at once."""
AT_ONCE = 100


class Victim:
    """Images, scheme and key of a configuration.

    Test images are encrypted and attacked. What the attacker has in plain (known and public images) are training
    images, no image in two roles unless `both_roles` is set; which ones depends on `seed` alone.

    Args:
        job: An attack.
    """

    def __init__(self, job: Job[AttackConfig]) -> None:
        config = self.config = job.config
        assert job.scheme is not None  # an attack without one was refused
        self.scheme, self.shape = job.scheme, (3, config.image_size, config.image_size)
        key = job.key or opened(config.key)
        self.encryption = ImageEncryption(self.scheme, key, self.shape, cast("KeyScope", config.key_scope), config.keys)
        one = key if config.key_scope == "shared" and not isinstance(key, tuple) else None
        self.subkeys = self.scheme.subkeys(one, self.shape) if one is not None else None

    @cached_property
    def splits(self) -> Splits:
        """The images."""
        data = self.config.data
        splits: Splits = build("data.source", data.source, self.config.allow_targets)
        splits = replace(splits, content=content_of(splits))
        return splits.limit(data.limit_train, data.limit_test, data.split_seed).loaded()

    @property
    def truth(self) -> Truth:
        """The images to be restored, and what they are scored by."""
        images, labels, _ = self._test
        places = self._gallery[1][: len(images)] if self._gallery else None
        return Truth(images, self._mean_image(), self.subkeys, labels, places)

    def _mean_image(self) -> Tensor | None:
        """Return the mean of training images, uint8 [3, S, S]: what anyone may know of the victim's."""
        chosen = self._order(len(self.splits.train))[:AVERAGED]
        if not chosen:
            return None
        parts = [chosen[i : i + AT_ONCE] for i in range(0, len(chosen), AT_ONCE)]
        sums = [self._sized(self.splits.train.batch(part)["image"]).sum(0, dtype=torch.int64) for part in parts]
        return (torch.stack(sums).sum(0) / len(chosen)).round().to(torch.uint8)

    @cached_property
    def _test(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels and indices of the victim."""
        count = self.config.attack.observation.ciphertexts
        if count > len(self.splits.test):
            raise ValueError(
                f"attack.observation.ciphertexts={count}, but there are {len(self.splits.test)} test images"
            )
        batch = self.splits.test.batch(self._order(len(self.splits.test))[:count])
        return self._sized(batch["image"]), batch["label"], batch["index"]

    @cached_property
    def _gallery(self) -> tuple[Tensor, Tensor] | None:
        """Candidates, and the place among them of each test image in the order in which they become the victim's."""
        held, test = self.config.attack.observation, self.splits.test
        count = len(test) if held.gallery == -1 else held.gallery
        if not count:
            return None
        if not held.ciphertexts <= count <= len(test):
            raise ValueError(
                f"attack.observation.gallery={count}: it holds the victim's {held.ciphertexts} images and others of "
                f"the {len(test)} test images; set it to a number between, or to -1 for all"
            )
        order, copy = self._order(len(test))[:count], COPIES[held.gallery_copies]
        parts = [order[i : i + AT_ONCE] for i in range(0, count, AT_ONCE)]
        images = torch.cat([copy(self._sized(test.batch(part)["image"])) for part in parts])
        places = torch.tensor(self._order(count))
        return images[places.argsort()], places

    def observation(self) -> Observation:
        """Return what the attacker holds."""
        images, labels, index = self._test
        held = self.config.attack.observation
        known, public = held.known, held.public_images
        taken = known + (max(public, held.intercepted) if held.both_roles else public + held.intercepted)
        if taken > len(self.splits.train):
            raise ValueError(
                f"attack.observation.known={known}, public_images={public} and intercepted={held.intercepted} are "
                f"{taken} images, but there are {len(self.splits.train)} training images; ask for fewer"
            )
        order = self._order(len(self.splits.train))
        if self.subkeys is None and (known or held.queries or held.intercepted):
            raise ValueError("with key_scope=per_image no other image or query is under the key of an image")
        pairs = None
        if known:
            plain = self._sized(self.splits.train.batch(order[:known])["image"])
            pairs = (plain, self.encryption(plain))
        intercepted = None
        if held.intercepted:
            first = known if held.both_roles else known + public
            more = self.splits.train.batch(order[first : first + held.intercepted])
            intercepted, labels = self.encryption(self._sized(more["image"])), torch.cat([labels, more["label"]])
        return Observation(
            self.scheme,
            self.encryption(images, index),
            shared_key=self.subkeys is not None,
            intercepted=intercepted,
            labels=labels if held.labels else None,
            public_images=(
                self._sized(self.splits.train.batch(order[known : known + public])["image"]) if public else None
            ),
            gallery=self._gallery[0] if self._gallery else None,
            releases=self._releases(images, index),
            rotation=self._rotation(),
            known=pairs,
            oracle=Oracle(self.encryption, held.queries) if held.queries else None,
            weights=self._weights(),
            plain_shape=self.shape,
        )

    def _releases(self, images: Tensor, index: Tensor) -> Tensor | None:
        """Return ciphertexts of copies, the j-th of which differs in the lowest bit of the j-th value."""
        again = self.config.attack.observation.releases - 1
        if not again:
            return None
        self._check_released("releases")
        if again > images[0].numel():
            raise ValueError(f"attack.observation.releases={again + 1}: an image has {images[0].numel()} values")
        ones = torch.eye(again, images[0].numel(), dtype=torch.uint8).view(again, *self.shape)
        return torch.stack([self.encryption(images ^ one, index) for one in ones])

    def _rotation(self) -> Tensor | None:
        if not self.config.attack.observation.rotation:
            return None
        self._check_released("rotation")
        assert self.subkeys is not None  # a scheme of one key for all
        return orthogonal_matrix(self.subkeys["gaussian"])

    def _check_released(self, option: str) -> None:
        if not isinstance(self.scheme, Features):
            raise ValueError(
                f"attack.observation.{option} is of private features (encryption=features), not of {self.scheme.name}"
            )

    def _weights(self) -> tuple[State, State] | None:
        held = self.config.attack.observation
        if held.weights is None or held.public_weights is None:
            return None
        return _state("weights", held.weights), _state("public_weights", held.public_weights)

    def _sized(self, images: Tensor) -> Tensor:
        return resize(images, self.config.image_size, self.config.data.interpolation)

    def _order(self, count: int) -> list[int]:
        return torch.randperm(count, generator=torch.Generator().manual_seed(self.config.seed)).tolist()


def _state(name: str, file: str) -> State:
    path, option = expanded(file), f"attack.observation.{name}"
    state = read_state(path, option)
    check_finite(state, path, option)
    return state
