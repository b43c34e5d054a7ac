"""The victim of a configured attack: who holds images and key, and from whom an `Observation` is taken."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vitcrypt.attacks import Observation, Oracle
from vitcrypt.attacks.observation import State
from vitcrypt.data import Splits, resize
from vitcrypt.encryption import ImageEncryption, Scheme
from vitcrypt.jobs.place import expanded
from vitcrypt.keys import Key, open_key
from vitcrypt.metrics import ssim
from vitcrypt.models.weight_files import check_finite, read_state
from vitcrypt.targets import build


class Victim:
    """Images, scheme and key of a configuration.

    Test images are encrypted and attacked. What the attacker has in plain (known and public images) are training
    images, no image in two roles; which ones depends on `seed` alone.

    Args:
        config: The whole configuration, resolved, as plain values.
        key: The key of the configuration, if it is open already.
    """

    def __init__(self, config: dict[str, Any], key: Key | None = None) -> None:
        self.config = config
        self.held = config["attack"]["observation"]
        self.scheme: Scheme = build("encryption", config["encryption"], config["allow_targets"])
        size = config["image_size"]
        self.shape = (3, size, size)
        key = key or open_key(config["key"])
        self.encryption = ImageEncryption(self.scheme, key, self.shape, config["key_scope"])
        shared = config["key_scope"] == "shared"
        self.subkeys = self.scheme.subkeys(key, self.shape) if shared else None

    @cached_property
    def splits(self) -> Splits:
        """The images."""
        data = self.config["data"]
        splits: Splits = build("data.source", data["source"], self.config["allow_targets"])
        return splits.limit(data["limit_train"], data["limit_test"], data["split_seed"])

    @property
    def plain(self) -> Tensor:
        """The images to be restored, uint8 [n, 3, S, S]."""
        return self._test[0]

    @cached_property
    def _test(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels and indices of the victim."""
        count = self.held["ciphertexts"]
        if count > len(self.splits.test):
            raise ValueError(
                f"attack.observation.ciphertexts={count}, but there are {len(self.splits.test)} test images"
            )
        batch = self.splits.test.batch(self._order(len(self.splits.test))[:count])
        return self._sized(batch["image"]), batch["label"], batch["index"]

    def observation(self) -> Observation:
        """Return what the attacker holds."""
        images, labels, index = self._test
        known, public = self.held["known"], self.held["public_images"]
        if known + public > len(self.splits.train):
            raise ValueError(
                f"attack.observation.known={known} and attack.observation.public_images={public} are "
                f"{known + public} images, but there are {len(self.splits.train)} training images; ask for fewer"
            )
        order = self._order(len(self.splits.train))
        if self.subkeys is None and (known or self.held["queries"]):
            raise ValueError("with key_scope=per_image no pair and no query is under the key of another image")
        pairs = None
        if known:
            plain = self._sized(self.splits.train.batch(order[:known])["image"])
            pairs = (plain, self.encryption(plain))
        return Observation(
            self.scheme,
            self.encryption(images, index),
            shared_key=self.subkeys is not None,
            labels=labels if self.held["labels"] else None,
            public_images=(
                self._sized(self.splits.train.batch(order[known : known + public])["image"]) if public else None
            ),
            known=pairs,
            oracle=Oracle(self.encryption, self.held["queries"]) if self.held["queries"] else None,
            weights=self._weights(),
        )

    def _weights(self) -> tuple[State, State] | None:
        if self.held["weights"] is None or self.held["public_weights"] is None:
            return None

        def read(name: str) -> State:
            path, option = expanded(self.held[name]), f"attack.observation.{name}"
            state = read_state(path, option)
            check_finite(state, path, option)
            return state

        return read("weights"), read("public_weights")

    def similarity(self, images: Tensor, count: int) -> list[float]:
        """Return the SSIM of the first restored images."""
        return ssim(self.plain[:count], images[:count].cpu()).tolist()

    def _sized(self, images: Tensor) -> Tensor:
        return resize(images, self.config["image_size"], self.config["data"]["interpolation"])

    def _order(self, count: int) -> list[int]:
        return torch.randperm(count, generator=torch.Generator().manual_seed(self.config["seed"])).tolist()
