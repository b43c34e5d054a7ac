"""How many orbits images have under all keys of a scheme: the most that ciphertexts under a key each tell of them.

With a fresh key for every image a ciphertext tells which images the keys map to each other, an orbit, and no more
(docs/what-is-possible.md). So log2 of the number of orbits bounds what leaks. Numbers are exact unless a function says
otherwise. `levels` is the number of values of a byte, a square of an even number; nibbles have the root of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vitcrypt.encryption import primitives
from vitcrypt.encryption.scheme import Shape

if TYPE_CHECKING:
    from torch import Tensor


def multisets(kinds: int, size: int) -> int:
    """Return how many multisets of `size` things of so many kinds there are.

    Example:
        >>> multisets(2, 3)  # 000, 001, 011, 111
        4
    """
    return math.comb(kinds + size - 1, size)


def of_pixels(shape: Shape, levels: int, sort_channels: bool) -> int:
    """Count under PE: values are folded to half of the levels, and a pixel is a multiset of them or a row."""
    channels, height, width = shape
    pixel = multisets(levels // 2, channels) if sort_channels else (levels // 2) ** channels
    return int(pixel ** (height * width))


def of_nibble_columns(symbols: int, blocks: int, levels: int) -> int:
    """Count under LE: a multiset of the nibble's values in all blocks, each row of them up to complement."""
    return multisets(math.isqrt(levels) ** blocks // 2, symbols)


def of_nibble_blocks(symbols: int, blocks: int, levels: int) -> int:
    """Count under ELE: a multiset of blocks, each a multiset of folded nibbles."""
    return multisets(multisets(math.isqrt(levels) // 2, symbols), blocks)


def of_turned_blocks(channels: int, side: int, blocks: int, levels: int) -> int:
    """Count under EtC: a multiset of blocks, each up to 96 states; these by Burnside's lemma.

    A state leaves those blocks as they are whose values agree along each cycle of its permutation. With negation they
    alternate, which a cycle of odd length does not allow.
    """
    fixed = 0
    for order in block_states(channels, side).tolist():
        lengths = _cycles(order)
        alternating = not any(length % 2 for length in lengths)
        fixed += levels ** len(lengths) * (1 + alternating)
    return multisets(fixed // (2 * 6 * primitives.SYMMETRIES), blocks)


def of_two_orders(rows: int, columns: int, kinds: int) -> int:
    """Return at least the number under an order of the rows and one of the columns of a matrix of so many kinds.

    The least of three bounds: either order alone; and Burnside's lemma, where a pair of orders that are not both the
    identity moves all of a row or a column into longer cycles, and so leaves at most kinds^(size - least side) as they
    are. Exact with a single row or column.
    """
    every, keys = kinds ** (rows * columns), math.factorial(rows) * math.factorial(columns)
    both = -(-every // keys) + kinds ** (rows * columns - min(rows, columns))
    return int(min(multisets(kinds**columns, rows), multisets(kinds**rows, columns), both))


def block_states(channels: int, side: int) -> Tensor:
    """Return the orders of a block's values that EtC chooses from, signs left out: int64 [48, channels * side^2]."""
    codes = primitives.grid((channels, side, side)).new_tensor(range(6 * primitives.SYMMETRIES))
    blocks = primitives.grid((channels, side, side)).expand(len(codes), -1, -1, -1)
    turned = primitives.rotate_flip(blocks, codes % primitives.SYMMETRIES).flatten(-2)
    return primitives.shuffle_channels(turned, (codes // primitives.SYMMETRIES)[:, None]).flatten(1)


def _cycles(order: list[int]) -> list[int]:
    lengths, seen = [], set[int]()
    for start in range(len(order)):
        length, place = 0, start
        while place not in seen:
            seen.add(place)
            place, length = order[place], length + 1
        lengths += [length] * (length > 0)
    return lengths
