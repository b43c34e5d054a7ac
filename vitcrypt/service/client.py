"""The owner's side: encrypt here, ask there."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vitcrypt.data.decode import read_pixels
from vitcrypt.encryption import ArrayEncryption, Scheme, Shape
from vitcrypt.service.documents import Answer, Answers, Description, Info, read_description
from vitcrypt.service.exchange import Exchange
from vitcrypt.untrusted.documents import parse_document
from vitcrypt.untrusted.text import printable

if TYPE_CHECKING:
    from torch import Tensor

    from vitcrypt.keys import Key

Pixels = NDArray[np.uint8]
Images: TypeAlias = "Sequence[str | Path | BinaryIO] | Pixels | Tensor"
LARGEST = 1024
"""Side of the largest images that a service alone can make a client prepare."""
LEAST_BITS = 128
"""Effective bits of key that a scheme must have if a service alone names it."""
MAX_INFO, MAX_ANSWER = 2**23, 2**15
"""Bytes of /info, and of the answer to one image."""


@dataclass(frozen=True)
class Prediction:
    """The most probable class of an image, and the five most probable ones with their probabilities."""

    label: int
    name: str
    probability: float
    top: list[tuple[str, float]]


class Client:
    """Ask a service for the classes of images that it never sees in plain.

    The key is compared with the service before anything is sent: a wrong one is an error and not a wrong answer.
    Pass the owner's `client.json` where the service is not trusted to name the scheme: it could name a weaker one.
    Without it a service must name the fingerprint of the key, and a scheme of at least 128 effective bits at its image
    size, which is at most 1024. Nothing is ever sent in plain when a key is given.

    Args:
        url: Of the service, for example "https://host".
        key: The key that the training images were encrypted with; None for a network on plain images, and only then.
        description: Path of the `client.json` that `vitcrypt export` wrote; None believes the service, within bounds.
        network: The file of the owner's network, where what it makes is sent (schemes "features" and "i2p").
        token: Of the service, if it wants one; sent over https or to this machine alone.
        timeout: Seconds that a question and its answer may take together.

    Raises:
        ConnectionError: The service does not answer.
        PermissionError: The token is missing or wrong.
        ValueError: The key is not the one, or the service is another than described, or not to be trusted.

    Example:
        client = Client("http://127.0.0.1:8000", Key.read("my-key.txt"))
        client.predict(["cat.jpg", "dog.png"])
    """

    def __init__(
        self,
        url: str,
        key: Key | None,
        description: str | Path | None = None,
        token: str | None = None,
        timeout: float = 60.0,
        network: str | Path | None = None,
    ) -> None:
        self._exchange = Exchange(url, token, timeout)
        self.url = self._exchange.url
        described = read_description(Path(description)) if description is not None else None
        info = parse_document(self._exchange.ask("GET", "/info", MAX_INFO), Info, f"{self.url}/info")
        self.max_images, self.max_bytes = min(info.limits.max_images, 4096), min(info.limits.max_bytes, 2**25)
        expected: Description = described or info
        for name in Description.model_fields:  # a service may leave things open
            found, known = getattr(info, name), getattr(expected, name)
            if found is not None and found != known:
                found, known = printable(found, 200), printable(known, 200)
                raise ValueError(f"the service is another than {description}: its {name} is {found}, not {known}")
        self.image_size, self.interpolation = expected.image_size, expected.interpolation
        self.classes, self.fingerprint, self.key_scope = expected.classes, expected.fingerprint, expected.key_scope
        if expected.scheme is None:
            raise ValueError(
                "nobody recorded how the images were encrypted; write the scheme into client.json, as "
                '{"name": "proposed", "block_size": 16}, and give that file (--client)'
            )
        self.scheme = with_network(Scheme.from_dict(expected.scheme), network)
        self._check(key)
        if described is None:
            self._distrust(key)
        shape = (3, self.image_size, self.image_size)
        self.encryption = ArrayEncryption(self.scheme, key, shape, expected.key_scope) if key is not None else None

    def predict(self, images: Images) -> list[Prediction]:
        """Return one prediction for each image.

        Args:
            images: Image files of any size and format (paths, or open ones), or uint8 [N, 3, h, h], an array or tensor.

        Raises:
            ConnectionError: The service does not answer.
            ValueError: An image cannot be read, or the service refuses.
        """
        each = math.prod(self.shape) * (4 if self.floats else 1)
        at_once = max(1, min(self.max_images, self.max_bytes // each))
        chunks = (self.plain(images[start : start + at_once]) for start in range(0, len(images), at_once))
        if self.scheme.jpeg_quality is None:
            return [entry for chunk in chunks for entry in self.ask(self.encrypted(chunk))]
        return [entry for chunk in chunks for entry in self._answers(*form(self.files(chunk)), len(chunk))]

    def plain(self, images: Images) -> Pixels:
        """Return images as the training pipeline resizes them, uint8 [N, 3, S, S]: to the byte."""
        if not isinstance(images, Sequence):
            import torch

            from vitcrypt.data.transforms import resize

            return resize(torch.as_tensor(images), self.image_size, self.interpolation).numpy()
        files = [Path(image) if isinstance(image, str) else image for image in images]
        return np.stack([read_pixels(file, self.image_size, self.interpolation) for file in files])

    @property
    def shape(self) -> Shape:
        """(C', H', W') of what is sent."""
        return self.scheme.output_shape((3, self.image_size, self.image_size))

    @property
    def floats(self) -> bool:
        """Whether what is sent is no image, but float32."""
        return self.scheme.properties.dtype == "float32"

    def encrypted(self, plain: Pixels) -> NDArray[Any]:
        """Encrypt uint8 [N, 3, S, S]. With per-image keys every query is under a new one, which nobody keeps."""
        return plain if self.encryption is None else self.encryption(np.asarray(plain), _new_index(plain))

    def files(self, plain: Pixels) -> list[bytes]:
        """Encrypt uint8 [N, 3, S, S] to JPEG files, where the scheme is kept so."""
        assert self.encryption is not None, "a scheme that is kept as JPEG has a key"
        return self.encryption.files(np.asarray(plain), _new_index(plain))

    def ask(self, encrypted: NDArray[Any]) -> list[Prediction]:
        """Send what `encrypted` made, and return the predictions."""
        sent = np.asarray(encrypted, "<f4" if self.floats else np.uint8)
        return self._answers("application/octet-stream", sent.tobytes(), len(encrypted))

    def _answers(self, kind: str, body: bytes, count: int) -> list[Prediction]:
        headers = {"Content-Type": kind}
        if self.fingerprint is not None:
            headers["X-Key-Fingerprint"] = self.fingerprint
        received = self._exchange.ask("POST", "/predict", MAX_INFO + MAX_ANSWER * count, headers, body)
        answers = parse_document(received, Answers, f"the answer of {self.url}").predictions
        if len(answers) != count:
            raise ValueError(f"{self.url} gave {len(answers)} predictions for {count} images")
        return [self._prediction(answer) for answer in answers]

    def _prediction(self, answer: Answer) -> Prediction:
        """Return an answer with names from the description, so that a service cannot print what it likes."""
        if max(score.label for score in (answer, *answer.top)) >= len(self.classes):
            raise ValueError(f"{self.url} gave a label that is none of the {len(self.classes)} classes")
        top = [(self.classes[score.label], score.probability) for score in answer.top]
        return Prediction(answer.label, self.classes[answer.label], answer.probability, top)

    def _check(self, key: Key | None) -> None:
        """Raise ValueError unless this key belongs to this service, and what it makes can be sent."""
        plain = self.scheme.is_plain
        if not self.scheme.has_files:
            raise ValueError(f"{self.url} names {self.scheme.name}, which makes images of another size: none are sent")
        if key is None and not plain:
            raise ValueError(f"{self.url} classifies encrypted images: give the key {self.fingerprint or ''}".rstrip())
        if key is not None and plain:
            raise ValueError(
                f"{self.url} wants images in plain; with a key none is sent that way. If the network was trained on "
                "plain images and you mean it, give no key (--plain)"
            )
        if key is not None and self.fingerprint is not None and key.fingerprint != self.fingerprint:
            raise ValueError(
                f"wrong key: this is {key.fingerprint}, the network was trained on images under {self.fingerprint}; "
                "nothing was sent"
            )

    def _distrust(self, key: Key | None) -> None:
        """Raise ValueError if what a service alone asks for would show the images, or take too much to prepare."""
        shape = (3, self.image_size, self.image_size)
        faults = []
        if self.image_size > LARGEST:
            faults.append(f"asks for images of {self.image_size} pixels, more than {LARGEST}")
        if key is not None and self.fingerprint is None:
            faults.append("does not name the key of its network, so that yours cannot be compared with it")
        if self.floats:
            faults.append(f"asks for {self.scheme.name}, whose ciphertexts are no images but numbers")
        elif key is not None:
            self.scheme.check_shape(shape)
            if (bits := self.scheme.effective_key_bits(shape)) < LEAST_BITS:
                faults.append(
                    f"asks for {self.scheme.name} with blocks of {self.scheme.block_size} on images of "
                    f"{self.image_size} pixels, which has {bits:.0f} bits of key; at least {LEAST_BITS} are needed"
                )
        if faults:
            raise ValueError(
                f"{self.url} {', and '.join(faults)}; nothing was sent. If the owner of the training images "
                "means it so, give the client.json that vitcrypt export wrote: --client FILE"
            )


def with_network(scheme: Scheme, network: str | Path | None) -> Scheme:
    """Return a scheme with the owner's file of the network that its description names by SHA-256.

    Raises:
        ValueError: The file is missing, or another one, or the scheme needs none.
    """
    wanted = getattr(scheme, "network", None)
    if network is None and wanted is None:
        return scheme
    if wanted is None:
        raise ValueError(f"{scheme.name} needs no network; leave out the file {network} (--network)")
    if network is None:
        raise ValueError(f"queries are made by a network (SHA-256 {wanted}): give its file, --network FILE")
    return replace(scheme, weights=str(network))  # type: ignore[call-arg]


def form(files: Sequence[bytes]) -> tuple[str, bytes]:
    """Return JPEG files as a form: its Content-Type, and its body."""
    line = f"--{secrets.token_hex(16)}"
    head = f'{line}\r\nContent-Disposition: form-data; name="images"; filename="image.jpg"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    body = b"".join(head.encode() + file + b"\r\n" for file in files)
    return f"multipart/form-data; boundary={line[2:]}", body + f"{line}--\r\n".encode()


def _new_index(plain: Pixels) -> list[int]:
    """Return for each image an index that nobody keeps."""
    return [2**33 + secrets.randbelow(2**61) for _ in range(len(plain))]
