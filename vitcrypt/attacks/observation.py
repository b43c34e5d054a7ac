"""What an attacker holds, and what an attack returns.

An attack is a function of an `Observation`: `attack(observation) -> Reconstruction`. The victim's key is no part of it,
nor are the true images, and the reconstruction is scored outside this room. `Observation.threat_model` says in words
what was held, for the record of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from vitcrypt.encryption import Scheme, Shape, as_pictures

State = dict[str, Tensor]
WORDS = {
    "intercepted": "more ciphertexts under the same key, not to be restored",
    "labels": "their labels",
    "public_images": "plain images of public origin",
    "gallery": "candidates, plain images of public origin among which the victim's may be",
    "releases": "further releases of each image, in copies that differ in a bit",
    "rotation": "the secret rotation, which the bound of private features does not count on; values",
    "known": "known pairs of plain and encrypted images",
    "weights": "weights of a network that carries the key and the public ones it was made from, tensors",
    "oracle": "an oracle that encrypts chosen images under the victim's key",
}


class Oracle:
    """Encrypts images that the attacker chooses under the victim's key, up to a budget.

    Args:
        encrypt: Function from uint8 [n, C, H, W] to the same.
        budget: How many images it encrypts in all, at least 1.

    Attributes:
        queries: How many images it has encrypted.
    """

    def __init__(self, encrypt: Callable[[Tensor], Tensor], budget: int) -> None:
        if budget < 1:
            raise ValueError(f"the budget of an oracle must be at least one image, got {budget}")
        self._encrypt, self.budget, self.queries = encrypt, budget, 0

    def __call__(self, images: Tensor) -> Tensor:
        """Encrypt uint8 [n, C, H, W]; raise ValueError where that would exceed the budget."""
        needed = self.queries + len(images)
        if needed > self.budget:
            raise ValueError(
                f"the attack needs {needed} chosen images, the oracle answers {self.budget}; raise the budget"
            )
        self.queries = needed
        return self._encrypt(images)


@dataclass(frozen=True)
class Observation:
    """What the attacker holds.

    Args:
        scheme: The public algorithm with its sizes; no key in it.
        ciphertexts: The images to be restored, [n, C', H', W'] of the type and shape that the scheme declares: of most
            uint8 [n, C, H, W].
        shared_key: Whether all ciphertexts and pairs are under one key; the attacker knows whether they are.
        intercepted: [k, C', H', W'], more ciphertexts under the same key, which need not be restored.
        labels: int64 [n + k], classes of the ciphertexts and then of the intercepted ones.
        public_images: uint8 [m, C, H, W], plain images of the same kind as the victim's, none of them to be restored.
        gallery: uint8 [g, C, H, W], candidates: plain images, among which the victim's may be.
        releases: [r, n, C', H', W'], ciphertexts of copies of the same images that differ in a bit.
        rotation: float64 [d, d], which turns private features (`Features`) before noise is added.
        known: Plain images uint8 [k, C, H, W] and their ciphertexts under the victim's key.
        oracle: Encrypts under the victim's key.
        weights: Tensors of a network that carries the key, and of the public network that it was made from.
        plain_shape: (C, H, W) of the plain images; None: that of the ciphertexts.

    Raises:
        TypeError: Images are not uint8, or ciphertexts not what the scheme declares.
        ValueError: Sizes differ, or there is no ciphertext.
    """

    scheme: Scheme
    ciphertexts: Tensor
    shared_key: bool = True
    intercepted: Tensor | None = None
    labels: Tensor | None = None
    public_images: Tensor | None = None
    gallery: Tensor | None = None
    releases: Tensor | None = None
    rotation: Tensor | None = None
    known: tuple[Tensor, Tensor] | None = None
    oracle: Oracle | None = None
    weights: tuple[State, State] | None = None
    plain_shape: Shape | None = None

    def __post_init__(self) -> None:
        """Check that all images, and all ciphertexts, have one type and size."""
        made = ("ciphertexts", "intercepted", "releases", "known ciphertexts")
        batches: dict[str, Tensor] = {}
        for name in ("ciphertexts", "public_images", "intercepted", "gallery"):
            if (held := getattr(self, name)) is not None:
                batches[name] = held
        if self.releases is not None:
            batches["releases"] = self.releases.flatten(0, 1)
        if self.known is not None:
            plain, encrypted = self.known
            batches |= {"known plain images": plain, "known ciphertexts": encrypted}
            if len(plain) != len(encrypted):
                raise ValueError(
                    f"known must hold pairs, got {len(plain)} plain images and {len(encrypted)} ciphertexts"
                )
        self.scheme.check_shape(self.shape)
        for name, images in batches.items():
            dtype = self.scheme.properties.dtype if name in made else "uint8"
            wanted = self.scheme.output_shape(self.shape) if name in made else self.shape
            if images.dtype != getattr(torch, dtype):
                raise TypeError(f"{name} must be {dtype}, got {images.dtype}")
            if images.dim() != 4 or tuple(images.shape[1:]) != wanted:
                raise ValueError(f"{name} must be of shape [n, {str(wanted)[1:-1]}], got {list(images.shape)}")
        if not len(self.ciphertexts):
            raise ValueError("there is no ciphertext to attack")
        if self.labels is not None and len(self.labels) != self.count:
            raise ValueError(f"got {len(self.labels)} labels for {self.count} ciphertexts")

    @property
    def count(self) -> int:
        """How many ciphertexts there are, with the intercepted ones."""
        return len(self.ciphertexts) + (0 if self.intercepted is None else len(self.intercepted))

    @property
    def all_ciphertexts(self) -> Tensor:
        """Those to be restored and then the intercepted ones, uint8 [n + k, C, H, W]."""
        return self.ciphertexts if self.intercepted is None else torch.cat([self.ciphertexts, self.intercepted])

    @property
    def shape(self) -> Shape:
        """(C, H, W) of every plain image."""
        if self.plain_shape is not None:
            return self.plain_shape
        channels, height, width = self.ciphertexts.shape[1:]
        return channels, height, width

    @property
    def pictures(self) -> Tensor:
        """The ciphertexts as images of the plain size, uint8 [n, C, H, W]: themselves, or what can be shown of them."""
        return as_pictures(self.ciphertexts, self.shape)

    @property
    def threat_model(self) -> dict[str, Any]:
        """What the attacker knows and holds, in words and numbers; never the victim's key."""
        held: dict[str, Any] = {
            "knows": f"the algorithm: {self.scheme}",
            "ciphertexts": len(self.ciphertexts),
            "key": "one for all images" if self.shared_key else "one for every image",
        }
        for name, words in WORDS.items():
            value = getattr(self, name)
            if value is not None:
                first = value[0] if isinstance(value, tuple) else value
                held[name] = f"{words}: {first.budget if isinstance(first, Oracle) else len(first)}"
        return held

    def need(
        self,
        attack: str,
        part: str | None = None,
        *,
        schemes: tuple[str, ...] = (),
        shared: bool = False,
        images: bool = False,
    ) -> Any:
        """Return a part of the observation that an attack needs; raise ValueError where something is missing.

        Args:
            attack: Its name, for the message.
            part: One of intercepted, labels, public_images, gallery, releases, rotation, known, oracle, weights;
                None: nothing is returned.
            schemes: Names of the schemes that it attacks; empty: all.
            shared: Whether the images must be under one key.
            images: Whether ciphertexts must be images of the plain size.
        """
        value = getattr(self, part) if part else None
        if part and value is None:
            raise ValueError(f"{attack} needs {WORDS[part]}, and this observation holds none (observation.{part})")
        if schemes and self.scheme.name not in schemes:
            raise ValueError(f"{attack} is an attack on {', '.join(schemes)}; this is {self.scheme.name}")
        if shared and not self.shared_key:
            raise ValueError(f"{attack} needs images under one shared key; here every image has its own")
        if images and (self.ciphertexts.dtype, tuple(self.ciphertexts.shape[1:])) != (torch.uint8, self.shape):
            raise ValueError(
                f"{attack} restores images from images of their size, and {self.scheme.name} makes "
                f"{str(self.ciphertexts.dtype).removeprefix('torch.')} {list(self.ciphertexts.shape[1:])} of them"
            )
        return value


@dataclass(frozen=True)
class Budget:
    """What a learned attack is trained with.

    Args:
        steps: Steps of the optimiser of the network that restores.
        images: Different images it is trained on: its own pairs, or ciphertexts.
        parameters: Of the network that restores; of a GAN, with its discriminator's.
    """

    steps: int
    images: int
    parameters: int


@dataclass(frozen=True)
class Reconstruction:
    """What an attack makes of an observation.

    Args:
        images: uint8 [n, C, H, W], a guess of the plain image for each ciphertext.
        subkeys: A guess of the victim's subkeys, as `Scheme.cipher` takes them; empty where the attack guesses none.
        details: What the attack cost and what else it found; plain values.
        spent: What a learned attack was trained with; None of an attack that learns nothing.
        published: What it is trained with in its publication, on images of this size.
        earlier: Seconds of earlier calls that were broken off, and from whose checkpoint this one went on.
        distances: float32 [n, g], how far each ciphertext lies from each candidate of the gallery, where it tells.
    """

    images: Tensor
    subkeys: dict[str, Tensor] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    spent: Budget | None = None
    published: Budget | None = None
    earlier: float = 0.0
    distances: Tensor | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if something is of another kind: what is scored and recorded may come from anyone's code."""
        for name, tensor in {"images": self.images, "distances": self.distances, **self.subkeys}.items():
            if not isinstance(tensor, Tensor) and (name, tensor) != ("distances", None):
                raise ValueError(f"an attack returns {name} as a tensor, got {type(tensor).__name__}")
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(
                f"an attack returns images as uint8 [n, C, H, W], got {self.images.dtype} {list(self.images.shape)}"
            )
        if (far := self.distances) is not None and not (far.is_floating_point() and not bool(far.isnan().any())):
            raise ValueError(f"an attack returns distances as float32 without NaN, got {far.dtype} {list(far.shape)}")
        if not 0 <= self.earlier < math.inf:
            raise ValueError(f"earlier is in seconds, from 0 on; got {self.earlier}")


@runtime_checkable
class Resumable(Protocol):
    """An attack that keeps how far it is in a file, and goes on from there; a dataclass with the field `checkpoint`."""

    checkpoint: Path | None


class Attack(Protocol):
    """An attack with its options set."""

    @property
    def name(self) -> str:
        """The name in configurations and results."""

    def __call__(self, observation: Observation) -> Reconstruction:
        """Restore the plain images; raise ValueError where the observation lacks what the attack needs."""
