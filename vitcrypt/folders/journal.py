"""The journal of a folder that is being made: a line for each file that is written, and the same in arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vitcrypt.data.columns import Column, Hex, Names

Entry = dict[str, str]
"""Of a file that is written: its name, its "sha256", and "from", the value of what it is made from."""


class Journal:
    """Which files are written, with checksum and origin.

    Args:
        path: Where the lines are.
        names: Of all files.
        named: What stands for the origin of every file where the manifest names what they are made from.
    """

    def __init__(self, path: Path, names: Names, named: str | None) -> None:
        self.path, self.names, self.named = path, names, named
        self.written = np.zeros(len(names), bool)
        self.sha256, self.origin = Hex(np.zeros((len(names), 32), np.uint8)), Hex(np.zeros((len(names), 16), np.uint8))
        self.count = 0

    def read(self) -> None:
        """Take what the lines say; those that are torn off, or of another file, say nothing."""
        if not self.path.exists():
            return
        with self.path.open(errors="replace") as lines:
            for line in lines:
                try:
                    self.note(json.loads(line))
                except (ValueError, TypeError, KeyError):
                    continue

    def note(self, entry: Entry) -> None:
        """Take a file as written; ValueError if it is none of those, or its values are of another kind."""
        if (position := self.names.find(entry["name"])) < 0:
            raise ValueError("it is none of these files")
        sha256, value = bytes.fromhex(entry["sha256"]), entry["from"]
        if self.named is None:
            self.origin.array[position] = np.frombuffer(bytes.fromhex(value), np.uint8)
        elif value != self.named:
            raise ValueError("it is made from something else")
        self.sha256.array[position] = np.frombuffer(sha256, np.uint8)
        self.count += not self.written[position]
        self.written[position] = True

    def __iter__(self) -> Iterator[Entry]:
        for position in np.flatnonzero(self.written).tolist():
            came_from = self.origin.at(position) if self.named is None else self.named
            yield {"name": self.names.at(position), "sha256": self.sha256.at(position), "from": came_from}

    def missing(self) -> Iterator[str]:
        """Yield the names of files that are not written."""
        return map(self.names.at, np.flatnonzero(~self.written).tolist())

    def drop(self, name: str) -> None:
        """Take a file as not written."""
        self.written[self.names.find(name)] = False
        self.count -= 1

    def tidy(self) -> None:
        """Write the lines anew, each file once."""
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("w") as file:
            file.writelines(map(line, self))
        new.replace(self.path)

    def columns(self) -> tuple[Column[str], Column[str] | dict[str, str]]:
        """Return checksums and origins by name, as a manifest has them, when all are written."""
        return Column(self.names, self.sha256), Column(self.names, self.origin) if self.named is None else {}


def line(entry: Entry) -> str:
    """Return an entry as its line."""
    return json.dumps(entry, allow_nan=False) + "\n"
