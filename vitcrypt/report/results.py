"""`result.json`: the one record of a finished training or attack, as typed values. It may come from someone else."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.untrusted import renames
from vitcrypt.untrusted.documents import MAX_BYTES, MAX_SIDE, Document, Share, Side, explain, parse_json
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

FORMAT = "vitcrypt result 1"
FILENAME = "result.json"
PICTURES = ("images.png", "confusion.png")  # of a training, beside it
LONGEST, DEEPEST, LARGEST = 1000, 20, 1e39  # a diverged loss reaches 3.4e38

Count = Annotated[int, Field(ge=0)]
Number = int | float
Confusion = Annotated[list[list[Count]], BeforeValidator(lambda counts: [[counts]] if type(counts) is int else counts)]


class Part(Document):
    """Fields that the program relies on; others may stand beside them and are kept."""

    model_config = ConfigDict(extra="allow")

    def values(self) -> dict[str, Any]:
        """Return what was set, as plain values under the names of the file."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Key(Part):
    """The key of the images, by what may be known of it. Bits are those of the scheme's key space."""

    fingerprint: str | None
    public_test_key: str | None = None
    nominal_bits: Number | None = None
    effective_bits: Annotated[Number, Field(ge=0)] | None


class EncryptedConfig(Part):
    """What is told of the encryption in the configuration of a training or an attack."""

    encryption: dict[str, Any] | None
    key_scope: str
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
        measured = [(acc, epoch.epoch + 1) for epoch in history if (acc := epoch.measure("val/acc")) is not None]
        if not measured:
            return None
        best, epoch = max(measured, key=lambda entry: (entry[0], -entry[1]))
        return cls(last=measured[-1][0], best=best, best_epoch=epoch)


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


class Received(Part):
    """How images came encrypted, from the manifest of their folder."""

    scheme: dict[str, Any] | None = None
    key_scope: str | None = None
    interpolation: str | None = None


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
    received: Received | None = None
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


class Quartiles(Part):
    """Quartiles of a measure over images."""

    median: Number
    lower: Number
    upper: Number


class OpenQuartiles(Part):
    """The same of a measure that may be infinite, which is None."""

    median: Number | None
    lower: Number | None
    upper: Number | None


class Similarity(Part):
    """How much images resemble the true ones."""

    ssim: Quartiles
    psnr: OpenQuartiles
    folded_ssim: Quartiles
    lpips: Quartiles | None = None


class KeyShare(Part):
    """The share of a subkey that was recovered, and that of guessing."""

    share: Share
    guessing: Share


class AttackMetrics(Part):
    """What an attack restored, beside its floors: the untouched ciphertext, and the next image taken for this one."""

    restored: Similarity
    ciphertext: Similarity
    unrelated: Similarity | None = None
    images: Count
    exact_images: Share
    key: dict[str, KeyShare] = Field(default={})
    blocks: dict[str, Number] | None = None
    lpips_absent: str | None = None


class AttackNames(Part):
    """The configuration groups that were chosen."""

    data: str
    encryption: str
    attack: str


class Observed(Part):
    """How many ciphertexts and known pairs the attacker holds."""

    ciphertexts: Count
    known: Count


class AttackSettings(Part):
    """The attack, less its method."""

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
    """SSIM of the images that are kept and drawn."""

    restored: Annotated[list[Number], Field(min_length=1)]
    ciphertext: Annotated[list[Number], Field(min_length=1)]


class AttackResult(Result):
    """A finished attack."""

    kind: Literal["attack"]
    identity: str
    inputs: dict[str, Any] | None = None
    config: AttackConfig
    threat_model: ThreatModel
    key: Key
    details: Details = Details()
    metrics: AttackMetrics
    seconds: Number
    versions: Versions
    first: First


Results: TypeAlias = list[TrainingResult | AttackResult]
R = TypeVar("R", TrainingResult, AttackResult)


def write_result(folder: Path, result: Result) -> Path:
    """Write a result as a whole or not at all: on a full disk the one that was there stays.

    Numbers that are not finite become null, as JSON has none.

    Raises:
        OSError: It could not be written.
    """
    path = folder / FILENAME
    text = json.dumps(finite({"format": FORMAT, **result.values()}), indent=2, allow_nan=False) + "\n"
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error}; nothing that was there is lost: free some space and repeat"
        ) from error
    return path


def finite(node: Any) -> Any:
    """Return the same with None in place of numbers that are not finite."""
    if isinstance(node, dict):
        return {name: finite(child) for name, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [finite(child) for child in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def read_result(folder: Path, kind: type[R], below: Path | None = None, max_bytes: int = MAX_BYTES) -> R | None:
    """Return the result in a folder, or None if there is none; `below` as of `open_regular`.

    Raises:
        ValueError: There is one, but it is damaged, of another kind or of another version.
    """
    content = _content(folder, below, max_bytes)
    return None if content is None else _typed(content, kind, folder)


def read_results(root: Path) -> tuple[Results, list[str]]:
    """Return all results below a folder, and what was left out and why.

    Left out are records that cannot be read or say what cannot be, links, attempts that were put aside, and jobs that
    have no result yet; records of kinds that are not known are passed over. Texts of results are printable.
    """
    results: Results = []
    left_out = []
    for path in sorted(root.rglob(FILENAME)):
        if path.parent.name.startswith("aside-"):
            left_out.append(f"{path}: an earlier attempt that was put aside")
            continue
        try:
            content = _content(path.parent, root) or {}
            kind = content.get("kind")
            if "kind" not in content or kind == "attack":
                content = _printable(renames.record(content), path)
                training = None if kind else _typed(content, TrainingResult, path.parent)
                results.append(training or _typed(content, AttackResult, path.parent))
        except (ValueError, OSError) as error:
            left_out.append(one_line(error, 1000))
    begun = [lock.parent for lock in sorted(root.rglob(".lock")) if not (lock.parent / FILENAME).exists()]
    left_out += [f"{folder}: not finished; the command that began it resumes it" for folder in begun]
    return results, left_out


def trained(results: Results) -> list[TrainingResult]:
    """Return those of trainings."""
    return [result for result in results if isinstance(result, TrainingResult)]


def attacked(results: Results) -> list[AttackResult]:
    """Return those of attacks."""
    return [result for result in results if isinstance(result, AttackResult)]


def _content(folder: Path, below: Path | None, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    path = folder / FILENAME
    try:
        text = read_regular(path, max_bytes, below)
    except FileNotFoundError:
        return None
    try:
        content = parse_json(text, "it", constants=lambda _: None)  # NaN was written before there was null
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to evaluate the run again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no {FORMAT!r}; move it away to evaluate the run again")
    return content


def _typed(content: dict[str, Any], kind: type[R], folder: Path) -> R:
    path = folder / FILENAME
    if (content.get("kind", "debug") != "debug") != (kind is AttackResult):
        raise ValueError(f"{path} is of {'a training' if kind is AttackResult else 'an attack'}, and not of the other")
    try:
        result = kind.model_validate(content)
    except ValidationError as error:
        missing = [".".join(map(str, e["loc"])) for e in error.errors(include_url=False) if e["type"] == "missing"]
        if len(missing) == error.error_count():
            raise ValueError(f"{path} is incomplete: it lacks {one_line(', '.join(missing), LONGEST)}") from None
        raise ValueError(f"{path} is damaged or not trustworthy: {explain(error)}") from None
    result._folder = folder
    return result


def _printable(node: Any, path: Path, depth: int = 0) -> Any:
    """Return JSON with its texts as one printable line each, if its depth and numbers have bounds."""
    if depth > DEEPEST:
        raise ValueError(f"{path} is damaged or not trustworthy: it is nested more than {DEEPEST} deep")
    if isinstance(node, dict):
        return {one_line(name, LONGEST): _printable(value, path, depth + 1) for name, value in node.items()}
    if isinstance(node, list):
        return [_printable(value, path, depth + 1) for value in node]
    if (isinstance(node, int) and abs(node) >= 2**63) or (isinstance(node, float) and not abs(node) <= LARGEST):
        raise ValueError(f"{path} is damaged or not trustworthy: a number in it is too large")
    return one_line(node, LONGEST) if isinstance(node, str) else node
