"""The bundle: a folder with all that a provider needs to serve a trained network, and never a key.

bundle.json         what it is: network, image size, classes, scheme, fingerprint, origin; SHA-256 of the other files
model.safetensors   the state of the network
model.onnx          the same with normalisation inside: uint8 [batch, 3, S, S] -> logits [batch, classes]; float32 of
                    another shape where ciphertexts are no images
client.json         what a client needs to encrypt queries

A bundle may come from anyone. It is read as typed documents, and builds one of a few networks from numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from vitcrypt.jobs.atomic import atomic_folder, sha256
from vitcrypt.service.documents import (
    CLIENT_FORMAT,
    MAX_DESCRIPTION_BYTES,
    BundleFile,
    Described,
    Description,
    read_description,
)
from vitcrypt.untrusted.documents import explain, read_document
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.scheme import is_float, own_shape

if TYPE_CHECKING:
    from torch import nn

FORMAT = "vitcrypt bundle 1"
MAX_BYTES = {"client.json": MAX_DESCRIPTION_BYTES, "model.onnx": 2**31, "model.safetensors": 2**31}
"""Of each file. No graph can be larger, and the weights are the same in both."""


@dataclass(frozen=True)
class Bundle:
    """What is served. `Bundle.read(folder)` checks and reads one, `write` makes one from a network.

    Args:
        model: What network it is, as `ModelValues` describes it.
        image_size: S, the side of the images. This and what follows up to key_scope: see `Description`.
        interpolation: "bilinear" or "bicubic".
        classes: Names of the classes, in the order of the logits.
        scheme: Name and values of the encryption scheme, {"name": "proposed", "block_size": 16}.
        fingerprint: Of the key.
        key_scope: "shared" or "per_image".
        origin: Where the network comes from, as `Origin` describes it.
        folder: Where it was read from.

    Raises:
        ValueError: A value is of another type or out of range, or the network is none that a bundle may name.
    """

    model: dict[str, Any]
    image_size: int
    interpolation: str
    classes: list[str]
    scheme: dict[str, Any] | None
    fingerprint: str | None
    key_scope: str
    origin: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        assert self.described

    @cached_property
    def described(self) -> Described:
        """The same as typed values."""
        values = {name: getattr(self, name) for name in Described.model_fields}
        try:
            return Described.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"no bundle may hold this: {explain(error)}") from None

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(C', H', W') of ciphertexts of another shape than the images, or float32; None where they are as images."""
        return own_shape(self.described.scheme, self.image_size)

    @property
    def accepts(self) -> tuple[tuple[int, int, int], np.dtype[Any]]:
        """(C', H', W') and dtype of what the network takes."""
        floats = is_float(self.described.scheme)
        return self.shape or (3, self.image_size, self.image_size), np.dtype("<f4" if floats else np.uint8)

    @classmethod
    def read(cls, folder: str | Path) -> Bundle:
        """Read a bundle and compare every file with its checksum.

        Raises:
            FileNotFoundError: There is none, or a file of it is missing.
            ValueError: It is damaged, changed, of another version, or holds what no bundle may.
        """
        folder = Path(folder)
        if not os.path.lexists(folder / "bundle.json"):
            raise FileNotFoundError(f"{folder} is no bundle: it has no bundle.json; make one: vitcrypt export RUN OUT")
        described = read_document(folder / "bundle.json", BundleFile, MAX_DESCRIPTION_BYTES, folder)
        for name, expected in described.files.items():
            if not os.path.lexists(folder / name):
                raise FileNotFoundError(f"{folder / name} is missing; copy the bundle again")
            with open_regular(folder / name, MAX_BYTES[name], folder) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise ValueError(f"{folder / name} is damaged or was changed: its SHA-256 is another than recorded")
        if read_description(folder / "client.json", folder) != described.for_clients():
            raise ValueError(f"{folder}: bundle.json and client.json contradict each other; export the run again")
        return cls(**described.values(), folder=folder)

    def network(self) -> nn.Module:
        """Rebuild the network with its trained weights, on the CPU, in evaluation mode.

        Raises:
            ValueError: The weights are damaged, or not those of the network that the bundle names.
        """
        from vitcrypt.models.networks import network_of, read_exactly, state_of

        assert self.folder is not None, "only a bundle that was read or written has weights"
        what = self.described.model, self.image_size, len(self.classes), self.shape
        state = read_exactly(self.folder / "model.safetensors", state_of(*what))  # before memory is taken for it
        network = network_of(*what)
        network.load_state_dict(state)
        return network.eval()

    def for_clients(self) -> dict[str, Any]:
        """Return the contents of client.json, less its format."""
        return {name: getattr(self, name) for name in Description.model_fields}

    def write(self, folder: str | Path, network: nn.Module) -> Bundle:
        """Write a bundle of this description with the weights of `network`, completely or not at all.

        Where this very bundle is already, it stays and is returned: what was broken off after it goes on.

        Args:
            folder: The new folder.
            network: What `network_of` makes of `model`, trained; it is put into evaluation mode.

        Returns:
            The same description with its folder.

        Raises:
            FileExistsError: Something else is there; nothing is ever overwritten.
            OSError: It could not be written; nothing of it stays.
            RuntimeError: The ONNX graph and the network do not agree.
        """
        from safetensors.torch import save

        from vitcrypt.service.graph import write_onnx

        folder = Path(folder)
        weights = save({name: value.contiguous().clone() for name, value in network.cpu().state_dict().items()})
        if os.path.lexists(folder):
            return self._found(folder, weights)
        described = {name: value for name, value in asdict(self).items() if name != "folder"}
        try:
            with atomic_folder(folder, names=("bundle.json", *MAX_BYTES)) as partial:
                (partial / "model.safetensors").write_bytes(weights)
                write_onnx(network, partial / "model.onnx", *self.accepts)
                _write_json(partial / "client.json", {"format": CLIENT_FORMAT, **self.for_clients()})
                files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
                _write_json(partial / "bundle.json", {"format": FORMAT, **described, "files": files})
        except OSError as error:
            reason = error.strerror or error
            raise OSError(f"cannot write the bundle {folder}: {reason}; nothing of it was kept") from error
        return Bundle(**described, folder=folder)

    def _found(self, folder: Path, weights: bytes) -> Bundle:
        with contextlib.suppress(ValueError, FileNotFoundError):
            found = Bundle.read(folder)
            if found == replace(self, folder=folder) and (folder / "model.safetensors").read_bytes() == weights:
                return found
        raise FileExistsError(f"{folder} exists: a bundle is never overwritten; choose another name")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
