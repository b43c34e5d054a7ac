"""The contents of bundle.json and client.json as typed documents.

What a client must know of a service is part of both, and of what /info answers.
"""

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
    test_images: Annotated[int, Field(ge=0)] | None = None
    trained_sha256: Sha256 | None = None
    vitcrypt: Text | None = None
    rekeyed_from: RekeyedFrom | None = None


class Described(Description):
    """What `Bundle` takes: how images are prepared, the network, and where that comes from."""

    model: ModelValues
    origin: Origin

    @property
    def for_clients(self) -> Description:
        """The contents of client.json."""
        return Description.model_construct(**{name: getattr(self, name) for name in Description.model_fields})

    def values(self) -> dict[str, Any]:
        """Return what was described, as plain values."""
        return self.model_dump(by_alias=True, exclude_unset=True, include=set(Described.model_fields))


FileName = Literal["client.json", "model.onnx", "model.safetensors"]


class BundleFile(Described):
    """The contents of bundle.json."""

    format: Literal["vitcrypt bundle 1"]
    files: Annotated[dict[FileName, Sha256], Field(min_length=3)]


def read_description(path: Path, below: Path | None = None) -> Description:
    """Read a client.json.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged or not trustworthy; the message names the field.
    """
    read = read_document(path, ClientFile, MAX_DESCRIPTION_BYTES, below)
    return Description.model_construct(**{name: getattr(read, name) for name in Description.model_fields})
