"""What reports take from a record, which may be of someone else: every field typed and bounded, texts printable."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from vitcrypt.untrusted.documents import ClassNames, Document, Share, Side, explain
from vitcrypt.untrusted.text import one_line

LONGEST, DEEPEST, LARGEST = 1000, 20, 1e39  # a diverged loss reaches 3.4e38

Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Word = Annotated[str, Field(max_length=200)]


class _Part(Document):
    """Fields that reports rely on; all else in it is only shown. What must not be missing is for `lacking` to say."""

    model_config = ConfigDict(extra="allow")


class _Names(_Part):
    data: Word
    encryption: Word


class _TrainedNames(_Names):
    model: Word


class _AttackNames(_Names):
    attack: Word


class _Scheme(_Part):
    block_size: Side | None = None


class _Data(_Part):
    image_size: Annotated[int, Field(ge=0)] = 0


class _Model(_Part):
    adaptation: Word = "none"


class _Config(_Part):
    names: _TrainedNames | None = None
    data: _Data = _Data()
    model: _Model = _Model()
    trainer: dict[str, Any] = Field(default={})
    encryption: _Scheme | None = None
    key_scope: Word | None = None
    seed: int = 0


class _Metrics(_Part):
    acc: Share = 0
    images: Annotated[int, Field(ge=1)] = 1
    confusion: list[list[Count]] | None = None


class _Epoch(_Part):
    __pydantic_extra__: dict[str, Number | None]
    epoch: Count


class _Training(_Part):
    epochs: Count = 0
    steps: Count | None = None
    seconds: Number = 0
    history: list[_Epoch] = Field(default=[])


class _Weights(_Part):
    parameters: Count


class _Versions(_Part):
    __pydantic_extra__: dict[str, Word | None]
    torch: Word


class _Hardware(_Part):
    device: Annotated[str, Field(max_length=LONGEST)]


class _Key(_Part):
    fingerprint: Word | None = None
    effective_bits: Annotated[float, Field(ge=0, le=1e12)] | None = None


class _Images(_Part):
    __pydantic_extra__: dict[str, Count | None]
    train: Count
    test: Count


class _Common(_Part):
    identity: Word = ""
    key: _Key = _Key()


class _Trained(_Common):
    config: _Config = _Config()
    metrics: _Metrics = _Metrics()
    training: _Training = _Training()
    hardware: _Hardware | None = None
    weights: _Weights | None = None
    versions: _Versions | None = None
    images: _Images | None = None
    classes: ClassNames | None = None

    @model_validator(mode="after")
    def _square(self) -> _Trained:
        confusion, classes = self.metrics.confusion, self.classes or []
        if confusion is not None and [len(row) for row in confusion] != [len(classes)] * len(classes):
            raise ValueError("metrics.confusion has not a row and a column for each class")
        return self


class _Quartiles(_Part):
    median: Number
    lower: Number
    upper: Number


class _Similarity(_Part):
    ssim: _Quartiles


class _Recovered(_Part):
    share: Share


class _AttackMetrics(_Part):
    restored: _Similarity | None = None
    ciphertext: _Similarity = Field(default=None)  # type: ignore[assignment]  # may be missing, and not null
    unrelated: _Similarity = Field(default=None)  # type: ignore[assignment]
    exact_images: Share = 0
    key: dict[str, _Recovered] = Field(default={})


class _Observation(_Part):
    ciphertexts: Count
    known: Count


class _Attack(_Part):
    observation: _Observation


class _AttackConfig(_Part):
    names: _AttackNames | None = None
    encryption: _Scheme | None = None
    image_size: Side = 1
    key_scope: Word | None = None
    attack: _Attack | None = None


class _ThreatModel(_Part):
    ciphertexts: Count


class _Details(_Part):
    queries: Count = 0


class _First(_Part):
    restored: Annotated[list[Number], Field(min_length=1)]
    ciphertext: Annotated[list[Number], Field(min_length=1)]


class _Attacked(_Common):
    config: _AttackConfig = _AttackConfig()
    metrics: _AttackMetrics = _AttackMetrics()
    threat_model: _ThreatModel | None = None
    first: _First | None = None
    details: _Details = _Details()


def checked(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with its texts as one printable line each.

    Raises:
        ValueError: A field that reports rely on has another type or range; the message names it.
    """
    shown: dict[str, Any] = _printable(record)
    try:
        (_Attacked if shown.get("kind") == "attack" else _Trained).model_validate(shown)
    except ValidationError as error:
        raise ValueError(explain(error)) from None
    return shown


def _printable(node: Any, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if isinstance(node, dict):
        return {one_line(name, LONGEST): _printable(value, depth + 1) for name, value in node.items()}
    if isinstance(node, list):
        return [_printable(value, depth + 1) for value in node]
    if (isinstance(node, int) and abs(node) >= 2**63) or (isinstance(node, float) and not abs(node) <= LARGEST):
        raise ValueError("a number in it is too large")
    return one_line(node, LONGEST) if isinstance(node, str) else node
