"""Names and values of very many files in arrays: some 50 bytes a file, where objects of Python take a thousand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from operator import eq
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S")
T = TypeVar("T")
WIDE = 64
"""Bytes of the names that are sorted in an array."""
BLOCK = 4096
"""Values that are turned into objects at once."""


class Lazy(Sequence[T]):
    """A sequence whose values are made when they are asked for; `at` makes one."""

    def at(self, position: int) -> T:
        """Return the value at a position from 0 on."""
        raise NotImplementedError

    @overload
    def __getitem__(self, position: int) -> T: ...
    @overload
    def __getitem__(self, position: slice) -> list[T]: ...
    def __getitem__(self, position: int | slice) -> T | list[T]:
        if isinstance(position, slice):
            return [self.at(i) for i in range(*position.indices(len(self)))]
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        return self.at(position % len(self))

    def __iter__(self) -> Iterator[T]:
        return map(self.at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


class Mapped(Lazy[T]):
    """A function of each value of a sequence."""

    def __init__(self, function: Callable[[S], T], values: Sequence[S]) -> None:
        self._function, self._values = function, values

    def at(self, position: int) -> T:
        """Call it."""
        return self._function(self._values[position])

    def __len__(self) -> int:
        return len(self._values)


class Texts(Lazy[str]):
    """Strings, one after the other in UTF-8."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Take one more."""
        self._bytes += text.encode(errors="surrogatepass")
        self._ends.append(len(self._bytes))

    def extend(self, texts: Texts) -> None:
        """Take all of others."""
        ends = np.frombuffer(texts._ends, np.int64)[1:] + len(self._bytes)
        self._bytes += texts._bytes
        self._ends.frombytes(ends.tobytes())

    def at(self, position: int) -> str:
        """Decode."""
        part = self._bytes[self._ends[position] : self._ends[position + 1]]
        return part.decode(errors="surrogatepass")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


class Names(Texts):
    """Names, each once, whose positions are found by their hashes.

    Raises:
        ValueError: There is one twice.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        hashes = array("q")
        for name in names:
            self.append(name)
            hashes.append(hash(name))
        unsorted = np.frombuffer(hashes, np.int64) if hashes else np.zeros(0, np.int64)
        self._order = np.argsort(unsorted, kind="stable")
        self._hashes = unsorted[self._order]
        for first in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]).tolist():
            if (name := self[int(self._order[first])]) == self[int(self._order[first + 1])]:
                raise ValueError(f"{name} is there twice")

    def find(self, name: object) -> int:
        """Return where a name is; -1 if it is none of them."""
        wanted = hash(name) if isinstance(name, str) else 0
        place = int(self._hashes.searchsorted(wanted))
        while place < len(self._hashes) and self._hashes[place] == wanted:
            if self.at(position := int(self._order[place])) == name:
                return position
            place += 1
        return -1

    def in_order(self) -> NDArray[np.int64]:
        """Return the positions in the order of the names."""
        ends = np.frombuffer(self._ends, np.int64)
        lengths = np.diff(ends)
        if not len(self) or (width := int(lengths.max())) > WIDE or b"\0" in self._bytes:
            return np.array(sorted(range(len(self)), key=self.at), np.int64)
        padded = np.zeros((len(self), width), np.uint8)  # UTF-8 sorts as its characters do
        padded[np.arange(width) < lengths[:, None]] = np.frombuffer(self._bytes, np.uint8)
        return np.argsort(padded.view(f"S{width}").reshape(-1), kind="stable")


class Numbers(Lazy[int]):
    """Integers, int64 [N]."""

    def __init__(self, values: NDArray[np.int64]) -> None:
        self.array = values

    def at(self, position: int) -> int:
        """Return one."""
        return int(self.array[position])

    def __iter__(self) -> Iterator[int]:
        for first in range(0, len(self), BLOCK):
            yield from self.array[first : first + BLOCK].tolist()

    def __len__(self) -> int:
        return len(self.array)


class Hex(Lazy[str]):
    """Bytes as hexadecimal digits, uint8 [N, bytes]."""

    def __init__(self, values: NDArray[np.uint8]) -> None:
        self.array = values

    def at(self, position: int) -> str:
        """Return one."""
        return bytes(self.array[position]).hex()

    def __len__(self) -> int:
        return len(self.array)


class Column(Mapping[str, T], Generic[T]):
    """A value for each of some names; columns may share the names."""

    def __init__(self, names: Names, entries: Sequence[T]) -> None:
        self.names, self.entries = names, entries

    def __getitem__(self, name: str) -> T:
        if (position := self.names.find(name)) < 0:
            raise KeyError(name)
        return self.entries[position]

    def __contains__(self, name: object) -> bool:
        return self.names.find(name) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def values(self) -> ValuesView[T]:
        """Return them in order, without a search for each."""
        return _Values(self)

    def items(self) -> ItemsView[str, T]:
        """Return names and values in order, without a search for each."""
        return _Items(self)

    def __repr__(self) -> str:
        return f"<{len(self)} values by name>"


class Index(Column[int]):
    """An integer for each of some names, int64 [N]."""

    def __init__(self, names: Names, array: NDArray[np.int64]) -> None:
        super().__init__(names, Numbers(array))
        self.array = array

    @classmethod
    def of(cls, values: Mapping[str, int]) -> Index:
        """Return integers by name as arrays."""
        return values if isinstance(values, cls) else cls(Names(values), np.fromiter(values.values(), np.int64))


class _Values(ValuesView[T]):
    _mapping: Column[T]

    def __iter__(self) -> Iterator[T]:
        return iter(self._mapping.entries)


class _Items(ItemsView[str, T]):
    _mapping: Column[T]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return zip(self._mapping.names, self._mapping.entries, strict=True)
