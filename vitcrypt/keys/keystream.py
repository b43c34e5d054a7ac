"""A keystream and what is drawn from it: bits, integers below a bound, permutations, Gaussian numbers.

A 32-byte subkey starts ChaCha20 (RFC 8439; 16 zero bytes as counter and nonce). Its output is read as little-endian
32-bit words, in order:

- a bit string takes the bits of successive bytes, least significant bit first;
- an integer below `bound` is `word % bound` for the first word below the largest multiple of `bound` that is at most
  2^32 (rejection sampling: no integer is likelier than another);
- a permutation of n is Fisher-Yates from the top: for i = n-1, ..., 1 swap entry i with entry j, j an integer below
  i + 1;
- a Gaussian number is the inverse of the normal distribution at (k + 1/2) / 2^53, k the lower 53 bits of two words,
  the first of which is the lower half.

Another implementation that follows these lines draws the same subkeys; `tests/vectors.py` holds vectors.
"""

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

FEW, MANY = 24, 500
"""Permutations that are faster made one by one than together, and so many that others are better made after them: no
power of two, at which columns push each other out of the cache."""
NONE = np.empty(0, dtype="<u4")
NEAR = 2**15
"""Words that are worked on together, as they stay in a core's cache."""
LARGE = 2**18
"""From so many swaps under several keys on, SciPy is worth its import, a fifth of a second; it makes as many a call."""


class Keystream:
    """The ChaCha20 keystream of one subkey.

    Args:
        subkey: 32 bytes. Use one subkey for one purpose: two keystreams of the same subkey are equal.
    """

    def __init__(self, subkey: bytes) -> None:
        if len(subkey) != 32:
            raise ValueError(f"a subkey has 32 bytes, got {len(subkey)}")
        self._cipher = Cipher(ChaCha20(subkey, bytes(16)), mode=None).encryptor()
        self._pending = NONE

    def _words(self, count: int) -> NDArray[np.uint32]:
        """Return the next `count` words of the stream."""
        missing = count - len(self._pending)
        if missing > 0:
            fresh = np.frombuffer(self._cipher.update(bytes(4 * missing)), dtype="<u4")
            self._pending = np.concatenate([self._pending, fresh]) if len(self._pending) else fresh
        words, self._pending = self._pending[:count], self._pending[count:]
        return words

    def bits(self, count: int) -> NDArray[np.bool_]:
        """Draw `count` fair bits as a bool array."""
        drawn: NDArray[np.bool_] = self.bits_of_each(count)[0]
        return drawn

    def bits_of_each(self, count: int, *others: "Keystream") -> NDArray[np.bool_]:
        """Draw `count` fair bits from this and each of the `others`: bool [1 + others, count]."""
        words = np.stack([stream._words(-(-count // 32)) for stream in (self, *others)])
        return np.unpackbits(words.view(np.uint8), axis=1, count=count, bitorder="little").view(bool)

    def integers(self, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw one integer below each of `bounds` (each in 1..2^32), without bias, as an int64 array."""
        bounds = np.asarray(bounds, dtype=np.int64)
        if ((bounds < 1) | (bounds > 2**32)).any():
            raise ValueError(f"integers are drawn below bounds in 1..2^32, got {bounds.min()}..{bounds.max()}")
        limits = 2**32 // bounds * bounds
        drawn = np.empty(len(bounds), dtype=np.int64)
        done = 0
        while done < len(bounds):
            words = self._words(len(bounds) - done).astype(np.int64)
            rejected = np.flatnonzero(words >= limits[done:])
            good = int(rejected[0]) if len(rejected) else len(words)
            drawn[done : done + good] = words[:good] % bounds[done : done + good]
            done += good
            # words[good] is rejected; those after it have not been used and go back
            self._pending = np.concatenate([words[good + 1 :].astype("<u4"), self._pending])
        return drawn

    def integers_of_each(
        self, bounds: NDArray[np.int64], *others: "Keystream", kind: type[Any] = np.int64
    ) -> NDArray[Any]:
        """Draw as `integers` does, from this and each of the `others`, all at once: `kind` [1 + others, bounds].

        Hardly ever is a word rejected; a stream of which one is draws alone.
        """
        streams = (self, *others)
        if not len(bounds) or bounds.min() < 1 or bounds.max() >= 2**32:
            return np.stack([stream.integers(bounds) for stream in streams], dtype=kind, casting="unsafe")
        each = bounds[:1] if (bounds == bounds[0]).all() else bounds
        divisor, last = each.astype(np.uint32), (2**32 // each * each - 1).astype(np.uint32)
        drawn = np.empty((len(streams), len(bounds)), dtype=kind)
        together = max(1, NEAR // len(bounds))
        for first in range(0, len(streams), together):
            some = streams[first : first + together]
            rows = [stream._words(len(bounds)) for stream in some]
            words = np.stack(rows) if len(rows) > 1 else rows[0][None]
            below = words // divisor
            below *= divisor
            drawn[first : first + together] = np.subtract(words, below, out=below)  # faster than %
            for row in np.flatnonzero((words > last).any(1)):
                some[row]._pending = np.concatenate([words[row], some[row]._pending])
                drawn[first + row] = some[row].integers(bounds)
        return drawn

    def integers_below(self, bound: int, count: int) -> NDArray[np.int64]:
        """Draw `count` integers below `bound` as an int64 array."""
        return self.integers(np.full(count, bound))

    def normal(self, count: int) -> NDArray[np.float64]:
        """Draw `count` numbers from the standard normal distribution as a float64 array."""
        from scipy.special import ndtri

        low, high = self._words(2 * count).astype(np.uint64).reshape(count, 2).T
        whole = (low | (high << np.uint64(32))) & np.uint64(2**53 - 1)
        drawn: NDArray[np.float64] = ndtri((whole.astype(np.float64) + 0.5) / 2**53)
        return drawn

    def permutations(self, rows: int, size: int, *others: "Keystream") -> NDArray[np.int64]:
        """Draw `rows` permutations of 0..size-1, one after another, as an int64 array [rows, size].

        As many from each of the `others` follow: permutations are made together, which is faster.
        """
        bounds = np.tile(np.arange(size, 1, -1), rows)
        swaps = self.integers_of_each(bounds, *others, kind=np.uint32)
        make = _exchanged if others and swaps.size >= LARGE and size <= 2**24 else _fisher_yates
        return make(swaps.reshape(rows * len(swaps), size - 1))

    def permutation(self, size: int) -> NDArray[np.int64]:
        """Draw one permutation of 0..size-1 as an int64 array [size]."""
        drawn: NDArray[np.int64] = self.permutations(1, size)[0]
        return drawn


def _fisher_yates(swaps: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the permutations [rows, n] that swaps [rows, n - 1] make, all rows at once: int64."""
    rows, steps = swaps.shape
    if rows < FEW:
        return np.array([_swapped(row) for row in swaps.tolist()], dtype=np.int64).reshape(rows, steps + 1)
    made = np.empty((rows, steps + 1), dtype=np.int64)
    for first in range(0, rows, MANY):
        made[first : first + MANY] = _swapped_together(swaps[first : first + MANY])
    return made


def _swapped_together(swaps: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Do the same to so many rows that their table stays in the cache: int16 or int64 [rows, n]."""
    rows, steps = swaps.shape
    kind = np.int16 if steps < 2**15 else np.int64  # small, so that more of it is near
    table = np.repeat(np.arange(steps + 1, dtype=kind), rows)  # a column for each
    places = swaps.T.astype(np.int64, order="C")
    places *= rows
    places += np.arange(rows)
    swapped = np.empty(rows, dtype=kind)
    for last, place in zip(table.reshape(steps + 1, rows)[:0:-1], places, strict=True):
        table.take(place, out=swapped, mode="clip")  # which, unlike "raise", needs no copy
        table[place] = last
        last[:] = swapped
    made: NDArray[np.int64] = table.reshape(steps + 1, rows).T
    return made


def _exchanged(swaps: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Do the same by LAPACK's exchange of rows: many permutations, one below the other, in a call.

    It begins at the first place, and so everything stands in reverse.
    """
    from scipy.linalg.lapack import slaswp

    rows, size = len(swaps), swaps.shape[1] + 1
    made = np.empty((rows, size), dtype=np.int64)
    together = max(1, LARGE // size)
    for first in range(0, rows, together):
        some = swaps[first : first + together]
        ends = np.arange(size - 1, len(some) * size, size)[:, None]
        places = np.concatenate([ends - some, ends], 1).astype(np.int32)
        entries = np.tile(np.arange(size, dtype=np.float32)[::-1], len(some))[:, None]
        moved = slaswp(entries, places.reshape(-1), overwrite_a=True)
        made[first : first + together] = moved.reshape(-1, size)[:, ::-1]
    return made


def _swapped(swaps: list[int]) -> list[int]:
    entries = list(range(len(swaps) + 1))
    for i, j in zip(range(len(swaps), 0, -1), swaps, strict=True):
        entries[i], entries[j] = entries[j], entries[i]
    return entries
