"""What result.json says of a training or an attack, as typed values. It may come from someone else."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from vitcrypt.report.measures import AttackMetrics
from vitcrypt.report.part import Count, Number, Part
from vitcrypt.untrusted.documents import MAX_SIDE, Share, Side

Confusion = Annotated[list[list[Count]], BeforeValidator(lambda counts: [[counts]] if type(counts) is int else counts)]


class Key(Part):
    """The key of the images, by what may be known of it. Bits are those of the scheme's key space.

    `bounds` is what is proved of one ciphertext: epsilon, delta, leakage_bits. `owners` are the fingerprints of
    several, of which `fingerprint` then is a digest.
    """

    fingerprint: str | None
    public_test_key: str | None = None
    nominal_bits: Number | None = None
    effective_bits: Annotated[Number, Field(ge=0)] | None
    bounds: dict[str, Number] | None = None
    owners: list[str] | None = None


class EncryptedConfig(Part):
    """What is told of the encryption in the configuration of a training or an attack."""

    encryption: dict[str, Any] | None
    key_scope: str
    keys: Count = 0
    seed: int

    @property
    def block_size(self) -> int:
        """The side of a block; 1 without blocks."""
        side = (self.encryption or {}).get("block_size")
        return side if isinstance(side, int) and 1 <= side <= MAX_SIDE else 1


class TrainingNames(Part):
    """The configuration groups that were chosen."""

    data: str
    encryption: str
    model: str


class DataConfig(Part):
    """How the images are prepared."""

    image_size: Side
    interpolation: str = "bilinear"


class ModelConfig(Part):
    """The network, with what older records do not name as nothing else could be chosen."""

    network: dict[str, Any]
    adaptation: str = "none"
    patch_embedding: str = "shared"
    patch_size: Side | None = None
    block_size: int
    pretrained: bool = False
    weights: str | None = None


class TrainingConfig(EncryptedConfig):
    """The configuration of a training, without paths."""

    names: TrainingNames
    data: DataConfig
    model: ModelConfig
    trainer: dict[str, Any]

    @property
    def image_size(self) -> int:
        """The side of the images."""
        return self.data.image_size


class Images(Part):
    """How many images there are in each split."""

    train: Count
    val: Count = 0
    test: Count


class Metrics(Part):
    """Measures of the test images after the last epoch; rows of `confusion` are true classes."""

    images: Annotated[int, Field(ge=1)]
    acc: Share
    loss: Number | None = None
    confusion: Confusion


class Epoch(Part):
    """An epoch, from 0, and what was measured in it, as "val/acc"."""

    __pydantic_extra__: dict[str, Number | None] = Field(init=False)
    epoch: Count
    step: Count = 0
    seconds: Number = 0

    def measure(self, name: str) -> float | None:
        """Return a measure; None if there is none, or if it is not finite."""
        return (self.__pydantic_extra__ or {}).get(name)


class Validation(Part):
    """Accuracy on held-out images at the last validation and the best; `best_epoch` counts from 1."""

    last: Share
    best: Share
    best_epoch: Count

    @classmethod
    def of(cls, history: Iterable[Epoch]) -> "Validation | None":
        """Return it for a history; None without a split. The test split has no part in it: it never chooses."""
        measured = {epoch.epoch + 1: acc for epoch in history if (acc := epoch.measure("val/acc")) is not None}
        best = max(measured, key=lambda epoch: measured[epoch], default=0)  # the first of the best
        return cls(last=[*measured.values()][-1], best=measured[best], best_epoch=best) if best else None


class Training(Part):
    """How long the training took; `diverged` is the epoch, from 1, after which its loss was not finite."""

    epochs: Count
    steps: Count
    seconds: Number
    devices: Count = 1
    history: list[Epoch]
    diverged: Count | None = None


class Weights(Part):
    """The network, by its size and the SHA-256 of the file it began with and of its state."""

    parameters: Count
    pretrained_sha256: str | None = None
    trained_sha256: str


class Hardware(Part):
    """What was computed with."""

    device: str
    processor: str | None = None
    cores: Count | None = None


class Versions(Part):
    """Versions of the packages that were used."""

    __pydantic_extra__: dict[str, str | None] = Field(init=False)
    vitcrypt: str
    python: str | None = None
    torch: str | None = None


class Result(Part):
    """A finished job."""

    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Where it was read from."""
        return self._folder


class TrainingResult(Result):
    """A finished training. A debug run is of a kind of its own, so that no table takes it for a result."""

    kind: Literal["debug"] | None = None
    identity: str
    config: TrainingConfig
    key: Key
    inputs: dict[str, Any] | None = None
    received: dict[str, Any] | None = None  # how the images came encrypted
    classes: list[str]
    images: Images
    metrics: Metrics
    validation: Validation | None = None
    training: Training
    weights: Weights
    versions: Versions
    hardware: Hardware

    @model_validator(mode="after")
    def _square(self) -> "TrainingResult":
        if [len(row) for row in self.metrics.confusion] != [len(self.classes)] * len(self.classes):
            raise ValueError("metrics.confusion has not a row and a column for each class")
        return self


class AttackNames(Part):
    """The configuration groups that were chosen."""

    data: str
    encryption: str
    attack: str


class Observed(Part):
    """How many ciphertexts and known pairs the attacker holds, and as what copies candidates."""

    ciphertexts: Count
    known: Count
    gallery_copies: str = "exact"


class AttackSettings(Part):
    """The attack."""

    method: dict[str, Any] = Field(default={})
    observation: Observed


class AttackConfig(EncryptedConfig):
    """The configuration of an attack, without paths."""

    names: AttackNames
    image_size: Side
    attack: AttackSettings


class ThreatModel(Part):
    """What the attacker knows and holds, in words and numbers."""

    ciphertexts: Count


class Details(Part):
    """What the attack cost, and what it found out by the way."""

    queries: Count = 0


class First(Part):
    """SSIM of the images that are kept and drawn, as they are and of their best version."""

    restored: Annotated[list[Number], Field(min_length=1)]
    ciphertext: Annotated[list[Number], Field(min_length=1)]
    symmetric_restored: Annotated[list[Number], Field(min_length=1)] | None = None
    symmetric_ciphertext: Annotated[list[Number], Field(min_length=1)] | None = None

    def of(self, name: Literal["restored", "ciphertext"]) -> list[Number]:
        """Return the values over the symmetries; as they are in records that are older than these."""
        values: list[Number] = getattr(self, f"symmetric_{name}") or getattr(self, name)
        return values


class Budget(Part):
    """What a learned attack is trained with: see `vitcrypt.attacks.observation.Budget`."""

    steps: Count
    images: Count
    parameters: Count


class AttackResult(Result):
    """A finished attack; `spent` and `published` say what a learned one was trained with, and is in its publication."""

    kind: Literal["attack"]
    identity: str
    inputs: dict[str, Any] | None = None
    config: AttackConfig
    threat_model: ThreatModel
    key: Key
    details: Details = Details()
    spent: Budget | None = None
    published: Budget | None = None
    metrics: AttackMetrics
    seconds: Number
    versions: Versions
    first: First


Results: TypeAlias = list[TrainingResult | AttackResult]
