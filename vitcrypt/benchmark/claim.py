"""A claim: one number about a scheme, with all that it takes to repeat or to doubt it, as one JSON document."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from vitcrypt.untrusted.documents import Document, Side, Text

FORMAT: Literal["vitcrypt claim 1"] = "vitcrypt claim 1"
ACCURACY, SSIM, TOP1, KEYS = "test accuracy", "median SSIM", "top-1", "log2 of keys"
"""The metrics that tables and pictures compare; a claim may be about any other."""


def _plain(text: str) -> str:
    """Refuse markup, and characters that cannot be seen or turn the direction of writing."""
    if "<" in text or ">" in text:
        raise ValueError("markup is not allowed; write it without the characters < and >")
    if not text.isprintable():
        raise ValueError("only one line of printable characters is allowed")
    return text


Words = Annotated[Text, Field(min_length=1), AfterValidator(_plain)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_ .+-]{0,59}$")]
Amount = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Values = Annotated[dict[Slug, bool | int | Amount | Words], Field(max_length=30)]
Kind = Literal["accuracy", "attack", "linkage", "keyspace", "absent"]
Holds = Literal["ciphertexts only", "known pairs", "chosen images", "weights"]
KeyScope = Literal["none", "shared", "per_client", "per_image", "not said"]
Verdicts = Literal["broken", "leaks", "linkable", "not by this", "undertrained"]


class _Part(Document):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Scheme(_Part):
    """What is judged."""

    name: Slug
    """short name of the scheme: le, proposed, orthogonal"""
    family: Words
    """what kind of map it is: pixel-wise, block-wise, orthogonal, neural, mixing, noise, ..."""
    values: Values = Field(default={})
    """its options: {"block_size": 4}"""


class Method(_Part):
    """The network that was trained, or the attack that was run."""

    name: Name
    """short name of the network or attack: vit_b16, jigsaw"""
    values: Values = Field(default={})
    """its options"""


class Data(_Part):
    """The images."""

    name: Name
    """name of the data set: cifar10"""
    image_size: Side | None = None
    """side of the images as they are encrypted, in pixels"""


class ThreatModel(_Part):
    """What the attacker holds; that they know the algorithm goes without saying."""

    holds: Holds
    """what is made with the key and is in the attacker's hands"""
    ciphertexts: Count = 0
    """how many ciphertexts"""
    pairs: Count = 0
    """how many known pairs of image and ciphertext"""
    queries: Count = 0
    """how many images of their choice were encrypted for the attacker"""
    public_images: Count = 0
    """how many plain images of public origin"""
    gallery: Count = 0
    """how many candidates, in an attack that links"""
    copies: Words | None = None
    """as what copies the candidates are at hand: exact, jpeg90, ..."""

    @property
    def held(self) -> int:
        """How many of what the attack gains from more of."""
        return {"known pairs": self.pairs, "chosen images": self.queries}.get(self.holds, self.ciphertexts)


class Budget(_Part):
    """What it cost."""

    steps: Count | None = None
    """steps of training"""
    epochs: Count | None = None
    """epochs of training"""
    images: Count | None = None
    """training images"""
    parameters: Count | None = None
    """parameters of the trained network"""
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """seconds of the longest run"""


class Spread(_Part):
    """A range around the value."""

    kind: Literal["quartiles", "95 % interval", "range"]
    """what the two ends are"""
    over: Words
    """over what: images, runs, keys"""
    lower: Amount
    """lower end, in the unit of the value"""
    upper: Amount
    """upper end, in the unit of the value"""


class Floor(_Part):
    """What it takes no attack to reach."""

    name: Words
    """which image or guess: untouched ciphertext, mean image, chance"""
    value: Amount
    """its value by the same metric"""


class Result(_Part):
    """The number."""

    metric: Words
    """what was measured: test accuracy, median SSIM, top-1, log2 of keys, or another"""
    value: Amount
    """the number, in `unit`"""
    unit: Literal["%", "", "bits", "dB"]
    """unit of the number; empty if it has none"""
    spread: Annotated[list[Spread], Field(max_length=4)] = Field(default=[])
    """ranges around the value"""
    floor: Floor | None = None
    """the best floor of an attack"""
    verdicts: dict[Verdicts, Annotated[int, Field(ge=1, le=10**6)]] = Field(default={})
    """how many runs of the attack ended in which verdict of vitcrypt"""

    @model_validator(mode="after")
    def _possible(self) -> Result:
        if self.unit == "%" and not 0 <= self.value <= 100:
            raise ValueError("value: a share in % lies between 0 and 100")
        if "SSIM" in self.metric and not -1 <= self.value <= 1:
            raise ValueError("value: SSIM lies between -1 and 1")
        for spread in self.spread:
            if not spread.lower <= spread.upper:
                raise ValueError("spread: lower is above upper")
        return self


class Measured(_Part):
    """By vitcrypt, with a command that gives the number again."""

    by: Literal["measured"]
    """measured: by a command of vitcrypt"""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]
    """the commit of vitcrypt with which it was measured"""
    hardware: Words
    """processor or accelerator, and how many of it"""
    command: Words
    """the command that measures it again"""
    records: Words | None = None
    """the folder of this repository where its records lie"""


class Published(_Part):
    """By others, with the place where they say it."""

    by: Literal["published"]
    """published: said by others, and not measured here"""
    source: Slug
    """short name of the publication, which is the folder of its claims: qi2022"""
    reference: Words
    """authors, title, place, year"""
    place: Words
    """where in it: Table I"""
    url: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9./_~%?=&#:+-]{1,300}$")]
    """its address, with https"""


class Claim(_Part):
    """One number about a scheme, or, of kind `absent`, why there is none."""

    format: Literal["vitcrypt claim 1"]
    """which document this is"""
    kind: Kind
    """what the number is about; `absent`: the scheme cannot be judged, and notes say why"""
    scheme: Scheme
    """what is judged"""
    method: Method | None = None
    """the network of an accuracy, the attack of an attack or linkage"""
    data: Data | None = None
    """the images"""
    key_scope: KeyScope
    """how far one key reaches"""
    threat_model: ThreatModel | None = None
    """what the attacker holds, of an attack or linkage"""
    n: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """over how many test images or ciphertexts"""
    seeds: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """how many seeds"""
    keys: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """how many keys"""
    budget: Budget | None = None
    """what it cost"""
    result: Result | None = None
    """the number"""
    notes: Annotated[list[Words], Field(max_length=10)] = Field(default=[])
    """what a reader has to know besides"""
    said: Annotated[Measured | Published, Field(discriminator="by")]
    """who says it"""

    @model_validator(mode="after")
    def _whole(self) -> Claim:
        attacked, measured = self.kind in ("attack", "linkage"), self.said.by == "measured"
        if (self.result is None) != (self.kind == "absent"):
            raise ValueError("result: every claim has one, but for those of kind absent, which have notes")
        if self.kind == "absent" and not self.notes:
            raise ValueError("notes: say why the scheme cannot be judged")
        for name, wanted in (
            ("threat_model", attacked),
            ("method", attacked or self.kind == "accuracy"),
            ("data", attacked or self.kind == "accuracy"),
            ("n", measured and (attacked or self.kind == "accuracy")),
        ):
            if wanted and getattr(self, name) is None:
                raise ValueError(f"{name}: a claim of kind {self.kind} says it")
        if not attacked and self.threat_model is not None:
            raise ValueError(f"threat_model: a claim of kind {self.kind} has none")
        if self.result is not None and bool(self.result.verdicts) != (measured and attacked):
            raise ValueError("result.verdicts: measured attacks have them, and no others")
        return self

    @property
    def published(self) -> bool:
        """Whether others say it."""
        return self.said.by == "published"

    @property
    def number(self) -> Result:
        """The result, of a claim that has one."""
        if self.result is None:
            raise ValueError(f"{self.path} has no number")
        return self.result

    @property
    def by(self) -> str:
        """The network or attack, in words."""
        return self.method.name.replace("_", " ") if self.method else ""

    @property
    def holds(self) -> str:
        """What the attacker holds, in words."""
        return self.threat_model.holds if self.threat_model else ""

    @property
    def held(self) -> int:
        """How much of it."""
        return self.threat_model.held if self.threat_model else 0

    @property
    def copies(self) -> str:
        """As what copies candidates are held."""
        return (self.threat_model.copies or "") if self.threat_model else ""

    @property
    def on(self) -> str:
        """The data set."""
        return self.data.name if self.data else ""

    @property
    def size(self) -> int | None:
        """The side of the images."""
        return self.data.image_size if self.data else None

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that follow from what is claimed about, not from the number or who measured it."""
        about = self.model_dump(exclude={"result", "notes", "seeds", "keys", "said"}, exclude_defaults=True)
        about.get("budget", {}).pop("seconds", None)
        about["said"] = [getattr(self.said, name, "") for name in ("by", "source", "place")]
        about["metric"] = self.result.metric if self.result else ""
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def path(self) -> Path:
        """Where it lies in a folder of claims: below its source if others say it, else below its scheme."""
        folder = self.said.source if isinstance(self.said, Published) else self.scheme.name
        parts = (self.kind, self.method and self.method.name, self.data and self.data.name, self.id)
        return Path(folder, "-".join(part.replace(" ", "-") for part in parts if part) + ".json")

    def text(self) -> str:
        """Return the file: the same bytes for the same claim."""
        return json.dumps(self.model_dump(exclude_defaults=True), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
