"""The images of a folder of class folders, in arrays: some 50 bytes an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitcrypt.data.columns import Lazy, Mapped, Texts


@dataclass(frozen=True)
class ImageFile:
    """An image file in a folder of class folders.

    Args:
        path: Where it is.
        split: "train", "test", "val", "valid" or "validation", or "" where there are only class folders.
        label: Number of its class.
        index: Names it within the whole folder, as `Batch` has it.
        name: Its path within the folder of its class.
    """

    path: Path
    split: str
    label: int
    index: int
    name: str


class ClassFolder(NamedTuple):
    """A folder of images of one class and split."""

    path: Path
    split: str
    label: int


class ImageFiles(Lazy[ImageFile]):
    """Image files, each made when it is asked for.

    Args:
        folders: Of the classes.
        names: The path of each image within its folder.
        places: The number of its folder, int64 [N].
        index: Its index, int64 [N].
        order: The positions that count, in their order; None: all.
    """

    def __init__(
        self,
        folders: Sequence[ClassFolder],
        names: Texts,
        places: NDArray[np.int64],
        index: NDArray[np.int64],
        order: NDArray[np.int64] | None = None,
    ) -> None:
        self.folders, self._names, self._places, self._index, self._order = folders, names, places, index, order

    @classmethod
    def of(cls, found: Iterable[tuple[ClassFolder, Texts]], index: Iterable[int]) -> ImageFiles:
        """Return the images of these names in class folders; `index` counts them."""
        folders, names, places = list[ClassFolder](), Texts(), list[NDArray[np.int64]]()
        for folder, inner in found:
            names.extend(inner)
            places.append(np.full(len(inner), len(folders)))
            folders.append(folder)
        return cls(folders, names, np.concatenate(places or [np.zeros(0, np.int64)]), np.fromiter(index, np.int64))

    def at(self, position: int) -> ImageFile:
        """Make one."""
        place = self._place(position)
        folder, name = self.folders[self._places[place]], self._names.at(place)
        return ImageFile(folder.path / name, folder.split, folder.label, int(self._index[place]), name)

    def _path(self, position: int) -> Path:
        place = self._place(position)
        folder: ClassFolder = self.folders[self._places[place]]
        return folder.path / self._names.at(place)

    def _place(self, position: int) -> int:
        return position if self._order is None else int(self._order[position])

    def __len__(self) -> int:
        return len(self._index if self._order is None else self._order)

    def take(self, positions: NDArray[Any]) -> ImageFiles:
        """Return the files at these positions."""
        order = positions if self._order is None else self._order[positions]
        return ImageFiles(self.folders, self._names, self._places, self._index, order)

    @classmethod
    def joined(cls, parts: Sequence[ImageFiles]) -> ImageFiles:
        """Return parts of the same files as one, in this order."""
        order = [np.arange(len(part)) if part._order is None else part._order for part in parts]
        first = parts[0]
        return cls(first.folders, first._names, first._places, first._index, np.concatenate(order))

    @property
    def paths(self) -> Lazy[Path]:
        """Where they are."""
        return Mapped(self._path, range(len(self)))

    @property
    def indices(self) -> NDArray[np.int64]:
        """The index of each."""
        return self._index if self._order is None else self._index[self._order]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The number of the class of each."""
        return np.array([folder.label for folder in self.folders], np.int64)[self._in_order()]

    def of_split(self, split: str) -> ImageFiles:
        """Return those of a split."""
        return self.take(np.flatnonzero(np.array([folder.split == split for folder in self.folders])[self._in_order()]))

    def counts(self) -> list[tuple[ClassFolder, int]]:
        """Return how many there are of each class and split, in the order of the files."""
        found, firsts, counts = np.unique(self._in_order(), return_index=True, return_counts=True)
        return [(self.folders[found[i]], int(counts[i])) for i in np.argsort(firsts)]

    def _in_order(self) -> NDArray[np.int64]:
        return self._places if self._order is None else self._places[self._order]
