"""The owner's side: encrypt here, ask there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import httpx
import torch
from torch import Tensor

from vitcrypt.data import read_image, resize
from vitcrypt.encryption import SCHEMES, ImageEncryption, Plain, Scheme
from vitcrypt.service.address import is_loopback
from vitcrypt.service.bundle import FOR_CLIENTS
from vitcrypt.service.description import read_description

if TYPE_CHECKING:
    from vitcrypt.keys import Key

Images = Sequence[str | Path | BinaryIO] | Tensor
LARGEST = 4096
"""Side of the largest images that a service can make a client prepare."""


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

    Args:
        url: Of the service, "https://host" say.
        key: The key that the training images were encrypted with; None for a network on plain images, and only then.
        description: Path of the `client.json` that `vitcrypt export` wrote; None believes the service, except that
            nothing is ever sent in plain when a key is given.
        token: Of the service, if it wants one.
        timeout: Seconds to wait for an answer.

    Raises:
        ConnectionError: The service does not answer.
        PermissionError: The token is missing or wrong.
        ValueError: The key is not the one, or the service is another than described.

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
    ) -> None:
        self.url = url.rstrip("/")
        host = urlsplit(self.url).hostname
        if host is None or urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"the address of a service is http://HOST:PORT or https://HOST; got {url}")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(headers=headers, timeout=timeout, trust_env=not is_loopback(host))
        info = self._ask("GET", "/info")
        try:
            expected = {name: info[name] for name in FOR_CLIENTS}
            self.max_images = min(int(info["limits"]["max_images"]), 4096)
            self.max_bytes = int(info["limits"]["max_bytes"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.url} is no service of vitcrypt: /info lacks {error}") from None
        if description is not None:
            expected = _agreed(expected, read_description(Path(description)).model_dump(), Path(description))
        self.image_size, self.interpolation = expected["image_size"], expected["interpolation"]
        self.classes = [str(name) for name in expected["classes"]]
        self.fingerprint, self.scheme = expected["fingerprint"], scheme_of(expected["scheme"])
        if not isinstance(self.image_size, int) or not 1 <= self.image_size <= LARGEST:
            raise ValueError(f"{self.url} asks for images of {self.image_size} pixels; at most {LARGEST} are sent")
        self._check(key)
        shape = (3, self.image_size, self.image_size)
        self.encryption = ImageEncryption(self.scheme, key, shape, expected["key_scope"]) if key is not None else None

    def predict(self, images: Images) -> list[Prediction]:
        """Return one prediction for each image.

        Args:
            images: Image files of any size and format (paths, or open ones), or uint8 [N, 3, h, h].

        Raises:
            ConnectionError: The service does not answer.
            ValueError: An image cannot be read, or the service refuses.
        """
        each = 3 * self.image_size**2
        at_once = max(1, min(self.max_images, self.max_bytes // each))
        predictions = []
        for start in range(0, len(images), at_once):
            chunk = images[start : start + at_once]
            predictions += self.ask(self.encrypted(self.plain(chunk)))
        return predictions

    def plain(self, images: Images) -> Tensor:
        """Return images as the training pipeline resizes them, uint8 [N, 3, S, S]: to the byte."""
        if isinstance(images, Tensor):
            return resize(images, self.image_size, self.interpolation)
        files = [Path(image) if isinstance(image, str) else image for image in images]
        return torch.stack([read_image(file, self.image_size, self.interpolation) for file in files])

    def encrypted(self, plain: Tensor) -> Tensor:
        """Encrypt uint8 [N, 3, S, S]. With per-image keys every query is under a new one, which nobody keeps."""
        if self.encryption is None:
            return plain
        index = torch.tensor([2**33 + secrets.randbelow(2**61) for _ in range(len(plain))])
        return self.encryption(plain, index)

    def ask(self, encrypted: Tensor) -> list[Prediction]:
        """Send encrypted images, uint8 [N, 3, S, S], and return the predictions."""
        headers = {"Content-Type": "application/octet-stream"}
        if self.fingerprint is not None:
            headers["X-Key-Fingerprint"] = self.fingerprint
        body = encrypted.contiguous().numpy().tobytes()
        answer = self._ask("POST", "/predict", headers=headers, content=body)
        try:
            told = [_prediction(entry, self.classes) for entry in answer["predictions"]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{self.url} gave no predictions: {error!r}") from None
        if len(told) != len(encrypted):
            raise ValueError(f"{self.url} gave {len(told)} predictions for {len(encrypted)} images")
        return told

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, self.url + path, **options)
            content = answer.json()
        except httpx.HTTPError as error:
            raise ConnectionError(f"no answer from {self.url}: {error}; is the service running there?") from error
        except ValueError:
            raise ValueError(f"{self.url}{path} does not answer in JSON: no service of vitcrypt") from None
        if answer.is_success and isinstance(content, dict):
            return content
        reason = content.get("detail") if isinstance(content, dict) else content
        if answer.status_code == 401:
            raise PermissionError(f"{self.url} wants its token: --token-file FILE, or VITCRYPT_TOKEN")
        raise ValueError(f"{self.url} refused ({answer.status_code}): {reason}")

    def _check(self, key: Key | None) -> None:
        """Raise ValueError unless this key belongs to this service."""
        plain = isinstance(self.scheme, Plain)
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


def _agreed(told: dict[str, Any], described: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the owner's description after comparing it with the service's; what a service leaves open is filled in."""
    for name in FOR_CLIENTS:
        if told[name] is not None and told[name] != described[name]:
            raise ValueError(f"the service is another than {path}: {name} is {told[name]}, not {described[name]}")
    return described


def scheme_of(described: Any) -> Scheme:
    """Build a scheme from its name and numbers: what a service says never names code."""
    if described is None:
        raise ValueError(
            "nothing says how the images were encrypted; write the scheme into client.json, as "
            '{"name": "proposed", "block_size": 16}, and give that file (--client)'
        )
    try:
        values = {name: value for name, value in described.items() if name != "name" and isinstance(value, int)}
        return SCHEMES[described["name"]](**values)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"no scheme {described!r}; there are {', '.join(SCHEMES)}") from None


def _prediction(entry: dict[str, Any], classes: list[str]) -> Prediction:
    """Check one prediction. Names come from the description, so that a service cannot print what it likes."""
    top = [(classes[range(len(classes))[score["label"]]], float(score["probability"])) for score in entry["top"]]
    label = range(len(classes))[entry["label"]]
    return Prediction(label, classes[label], float(entry["probability"]), top)
