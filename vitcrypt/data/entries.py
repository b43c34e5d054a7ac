"""A manifest as it stands in a file; its files are read into arrays and written from them, one after the other."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vitcrypt.data.columns import Column, Hex, Index, Names
from vitcrypt.untrusted import documents
from vitcrypt.untrusted.documents import Document, Sha256
from vitcrypt.untrusted.scheme import SchemeValues

PIECE = 2**20
"""Bytes that are read at once; all that stands behind the files takes less."""
SPACE = rb"[ \t\r\n]*"
NAME = rb'("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")'
START = re.compile(rb'"files"' + SPACE + b":" + SPACE + rb"\{")
ENTRY = re.compile(
    SPACE.join(
        (
            rb"",
            NAME,
            rb":",
            rb"\{",
            rb'"index"',
            rb":",
            rb"(0|[1-9][0-9]{0,17})",
            rb"(?:," + SPACE + rb'"sha256"' + SPACE + rb":" + SPACE + rb'"([0-9a-f]{64})"' + SPACE + rb")?"
            rb"(?:," + SPACE + rb'"origin"' + SPACE + rb":" + SPACE + rb'"([0-9a-f]{32})"' + SPACE + rb")?\}",
            rb"([,}])",
        )
    )
)


class File(Document):
    """A file as it stands in a manifest; its index is an int64."""

    index: Annotated[int, Field(ge=0, lt=2**63)]
    sha256: Sha256 | None = None
    origin: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


class Content(Document):
    """What stands in a manifest; names are checked by `Manifest` itself, which also makes them."""

    format: Literal["vitcrypt folder, version 1"]
    scheme: SchemeValues
    image_size: documents.Side
    interpolation: documents.Interpolation
    key_scope: documents.KeyScope
    fingerprint: documents.Fingerprint | None
    public_test_key: documents.TestKey | None
    classes: list[Any]
    source: Sha256
    bounds: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    files: dict[Any, File]
    checksum: Sha256


@dataclass(frozen=True)
class Entries:
    """What is noted of files, by their names; no checksum or no origin where none of them has one."""

    index: Index
    sha256: Mapping[str, str]
    origin: Mapping[str, str]

    @classmethod
    def of(cls, files: Mapping[str, File]) -> Entries:
        """Return what was read by name."""
        return cls(
            Index.of({name: file.index for name, file in files.items()}),
            {name: file.sha256 for name, file in files.items() if file.sha256 is not None},
            {name: file.origin for name, file in files.items() if file.origin is not None},
        )


def cut_out(file: BinaryIO) -> tuple[bytes, Entries] | None:
    """Return a manifest without its files, and these; None if they do not stand there as `written` writes them.

    Spaces do not matter. What is no manifest, or none of ours, is left to a reader of any JSON, which says what is
    wrong with it.
    """
    data = file.read(PIECE)
    if (start := START.search(data)) is None:
        return None
    head, position = data[: start.end()], start.end()
    last, index, noted = b",", array("q"), (bytearray(), bytearray())

    def names() -> Iterator[str]:
        nonlocal data, position, last
        while last == b",":
            if (found := ENTRY.match(data, position)) is None:  # it may go on in the next piece
                data, position = data[position:] + file.read(PIECE), 0
                if (found := ENTRY.match(data)) is None:
                    raise ValueError("an entry of another kind")
            name, number, *values, last = found.groups()
            position = found.end()
            index.append(int(number))
            for taken, value in zip(noted, values, strict=True):
                if value is not None:
                    taken += bytes.fromhex(value.decode())
            yield json.loads(name) if b"\\" in name else name[1:-1].decode()

    try:
        by = Names(names())
    except ValueError:
        return None
    columns: list[Mapping[str, str]] = []
    for taken, size in zip(noted, (32, 16), strict=True):
        if len(taken) not in (0, size * len(by)):
            return None  # some have none
        values: NDArray[np.uint8] = np.frombuffer(taken, np.uint8).reshape(-1, size)
        columns.append(Column(by, Hex(values)) if taken else {})
    return head + b"}" + data[position:] + file.read(PIECE), Entries(
        Index(by, np.frombuffer(index, np.int64)), *columns
    )


def written(entries: Entries, indent: bool, in_order: bool = False) -> Iterator[str]:
    """Yield what `json.dumps` writes for the files of a manifest, piece by piece.

    Args:
        entries: The files.
        indent: As with `indent=1`, a level below the whole; else in one line.
        in_order: As with `sort_keys=True`.
    """
    before, between, after = ("\n   ", ",\n   ", "\n  ") if indent else ("", ", ", "")
    comma, end = ("\n  ", "\n }") if indent else ("", "}")
    yield "{"
    for name, number, sha256, origin in _rows(entries, in_order):
        values = [f'"index": {number}']
        told = [("sha256", sha256), ("origin", origin)]
        values += [f'"{what}": "{value}"' for what, value in (reversed(told) if in_order else told) if value]
        yield f"{comma}{json.dumps(name, allow_nan=False)}: {{{before}{between.join(values)}{after}}}"
        comma = ",\n  " if indent else ", "
    yield end


def _rows(entries: Entries, in_order: bool) -> Iterator[tuple[str, int, str | None, str | None]]:
    names = entries.index.names
    positions: Iterable[int] = range(len(names)) if not in_order else map(int, names.in_order())

    def of(values: Mapping[str, str], position: int, name: str) -> str | None:
        if isinstance(values, Column) and values.names is names:
            return str(values.entries[position])
        return values.get(name)

    for position in positions:
        name, number = names.at(position), int(entries.index.array[position])
        yield name, number, of(entries.sha256, position, name), of(entries.origin, position, name)
