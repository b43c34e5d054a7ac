"""All that a bundle, a service and its clients tell each other, as typed documents: nothing else is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from vitcrypt.untrusted.documents import (
    ClassNames,
    Document,
    Fingerprint,
    Interpolation,
    KeyScope,
    Sha256,
    Share,
    Side,
    Text,
    read_document,
)
from vitcrypt.untrusted.network import ModelValues
from vitcrypt.untrusted.scheme import SchemeValues

CLIENT_FORMAT = "vitcrypt client 1"
MAX_DESCRIPTION_BYTES = 32 * 2**20


class Description(Document):
    """How images are to be prepared, and what the answers mean.

    Args:
        image_size: S, the side of the images.
        interpolation: How they are resized to it.
        classes: Names of the classes, in the order of the logits.
        scheme: Name and values of the encryption scheme; None: not recorded.
        fingerprint: Of the key that the images are encrypted with; None if there is none, or it was not recorded.
        key_scope: "shared" or "per_image".
    """

    image_size: Side
    interpolation: Interpolation
    classes: ClassNames
    scheme: SchemeValues | None
    fingerprint: Fingerprint | None
    key_scope: KeyScope

    def for_clients(self) -> Description:
        """Return these values alone."""
        return Description.model_construct(**{name: getattr(self, name) for name in Description.model_fields})


class ClientFile(Description):
    """The contents of client.json."""

    format: Literal["vitcrypt client 1"]


class RekeyedFrom(Document):
    """Which bundle this one was made from, and the key of that."""

    fingerprint: Fingerprint
    bundle_sha256: Sha256


class Origin(Document):
    """Where a network comes from."""

    identity: Text | None = None
    names: Annotated[dict[Text, Text], Field(max_length=100)] | None = None
    test_accuracy: Share | None = None
    test_images: Annotated[int, Field(ge=0, le=2**40)] | None = None
    trained_sha256: Sha256 | None = None
    vitcrypt: Text | None = None
    rekeyed_from: RekeyedFrom | None = None


class Described(Description):
    """What `Bundle` takes: how images are prepared, the network, and where that comes from."""

    model: ModelValues
    origin: Origin

    def values(self) -> dict[str, Any]:
        """Return what was described, as plain values."""
        return self.model_dump(by_alias=True, exclude_unset=True, include=set(Described.model_fields))


class BundleFile(Described):
    """The contents of bundle.json."""

    format: Literal["vitcrypt bundle 1"]
    files: Annotated[dict[Literal["client.json", "model.onnx", "model.safetensors"], Sha256], Field(min_length=3)]


class Allowed(Document):
    """What one request may bring."""

    max_images: Annotated[int, Field(ge=1, le=2**31)]
    max_bytes: Annotated[int, Field(ge=1, le=2**40)]


class Info(ClientFile):
    """The answer of /info."""

    served: Origin | None = None
    limits: Allowed


class Score(Document):
    """A class and its probability. The name is for people: the client takes it from the description."""

    label: Annotated[int, Field(ge=0, lt=10**6)]
    name: Annotated[str, Field(max_length=1000)] | None = None
    probability: Share


class Answer(Score):
    """The most probable class of one image, and the five most probable ones."""

    top: Annotated[list[Score], Field(max_length=100)]


class Answers(Document):
    """The answer of /predict: one for each image, in the order of the request."""

    predictions: Annotated[list[Answer], Field(max_length=2**16)]


class Problem(Document):
    """Why a request was refused."""

    detail: Annotated[str, Field(max_length=10_000)]


def read_description(path: Path, below: Path | None = None) -> Description:
    """Read a client.json.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged or not trustworthy; the message names the field.
    """
    return read_document(path, ClientFile, MAX_DESCRIPTION_BYTES, below).for_clients()
