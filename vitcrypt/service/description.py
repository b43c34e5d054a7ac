"""What a client must know of a service: the contents of client.json, also part of bundle.json and of /info."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vitcrypt.untrusted.documents import (
    ClassNames,
    Document,
    Fingerprint,
    Interpolation,
    KeyScope,
    Side,
    read_document,
)
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


def read_description(path: Path, below: Path | None = None) -> Description:
    """Read a client.json.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged or not trustworthy; the message names the field.
    """
    read = read_document(path, ClientFile, MAX_DESCRIPTION_BYTES, below)
    return Description.model_construct(**{name: getattr(read, name) for name in Description.model_fields})
