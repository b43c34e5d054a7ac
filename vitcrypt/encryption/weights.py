"""Schemes whose map is a network that was trained: its file, which the owner has and nobody else needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from vitcrypt.encryption.scheme import Scheme
from vitcrypt.untrusted.files import read_regular


class Weights(NamedTuple):
    """What was made of a file, and the SHA-256 of that."""

    network: Any
    sha256: str


class OfWeights(Scheme):
    """A scheme with a file `weights`, which others know by its SHA-256, `network`."""

    weights: str | None
    network: str | None

    def file(self) -> Weights:
        """Read `weights`."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        """Check that the file is the one that is meant."""
        super().__post_init__()
        if self.weights is not None and self.network is not None and (found := self.file().sha256) != self.network:
            raise ValueError(f"weights={self.weights} has the SHA-256 {found}, not {self.network}; give that file")

    def to_dict(self) -> dict[str, Any]:
        """Return name and values; the network by its SHA-256, not by where its file lies here."""
        described = super().to_dict()
        if described.pop("weights") is not None:
            described["network"] = self.file().sha256
        return {name: value for name, value in described.items() if value is not None}

    def __str__(self) -> str:
        """Return the scheme as others know it, for records: without where a file lies here."""
        values = [f"{name}={value!r}" for name, value in self.to_dict().items() if name != "name"]
        return f"{type(self).__name__}({', '.join(values)})"


def read_weights(path: str, limit: int, parse: Callable[..., Any], *options: int) -> Weights:
    """Read a file once in each process while it stays as it is: threads of a network do not live on in a forked one.

    Args:
        path: The file, as `encryption.weights` names it.
        limit: How many bytes it may have.
        parse: Called with its bytes, how a message begins, and the options.
        options: What else the network depends on.

    Raises:
        FileNotFoundError: There is none, or it may not be read.
        ValueError: It is no regular file, too large, or `parse` refuses it.
    """
    start, file = f"encryption.weights={path}", Path(path).expanduser()
    try:
        found = file.stat()
        return _parsed(file, start, limit, parse, options, found.st_mtime_ns, found.st_size, os.getpid())
    except OSError as error:
        raise FileNotFoundError(f"{start} does not exist or cannot be read") from error


@lru_cache(maxsize=4)
def _parsed(
    file: Path, start: str, limit: int, parse: Callable[..., Any], options: tuple[int, ...], *_changed: int
) -> Weights:
    try:
        data = read_regular(file, limit)
    except ValueError as error:
        raise ValueError(f"{start} cannot be read: {error}") from None
    return Weights(parse(data, start, *options), sha256(data).hexdigest())
