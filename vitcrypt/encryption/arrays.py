"""What schemes are computed with: NumPy arrays where an owner works on a folder, torch tensors where a network trains.

Every function takes either kind and returns the same kind, on the same device; torch is loaded only where a tensor is
given.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

A = TypeVar("A", NDArray[Any], "Tensor")
"""An array of one of the two kinds."""

CACHED = 2**18
"""So many places are looked up together."""


def library(array: A) -> Any:
    """Return NumPy or torch: functions that are called here by one name are in both."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def count(size: int, like: A, kind: str = "int64") -> A:
    """Return 0, 1, ... size - 1."""
    if isinstance(like, np.ndarray):
        return np.arange(size, dtype=kind)
    both = library(like)
    made: A = both.arange(size, dtype=getattr(both, kind), device=like.device)
    return made


def cast(array: A, kind: str) -> A:
    """Return an array as numbers of another kind, called by its name."""
    made: A = array.astype(kind) if isinstance(array, np.ndarray) else array.to(getattr(library(array), kind))
    return made


def moveaxis(array: A, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> A:
    """Move dimensions to other places."""
    made: A = library(array).moveaxis(array, source, destination)
    return made


def expand(array: A, shape: tuple[int, ...]) -> A:
    """Repeat an array along new dimensions and those of size 1, without a copy."""
    made: A = library(array).broadcast_to(array, shape)
    return made


def join(parts: list[A]) -> A:
    """Put arrays together along the last dimension."""
    made: A = library(parts[0]).concatenate(parts, -1)
    return made


def flat(array: A, dimensions: int) -> A:
    """Flatten so many of the last dimensions into one."""
    return array.reshape(*array.shape[: array.ndim - dimensions], -1)


def take(entries: A, index: A, dim: int) -> A:
    """Take entries along a dimension counted from the last; where one side has no batch in front, it is for all."""
    more = index.ndim - entries.ndim
    entries, index = entries[(None,) * more], index[(None,) * -more]
    if not isinstance(entries, np.ndarray):
        return entries.take_along_dim(index, dim)
    if (
        entries.ndim > -dim and len(index) == len(entries) and math.prod(index.shape[1:]) == index.shape[dim]
    ):  # rows are moved, by image
        return np.stack([one.take(order.reshape(-1), dim) for one, order in zip(entries, index, strict=True)])
    if dim == -1 and index.shape[:-1] == entries.shape[:-1]:
        return _taken_from_rows(entries, index)
    return np.take_along_axis(entries, index, dim)


def _taken_from_rows(entries: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Take entries along the last dimension, in a third of `take_along_axis`'s time: in parts that a cache holds."""
    size, made = entries.shape[-1], np.empty(index.shape, entries.dtype)
    rows, places, taken = (array.reshape(-1, array.shape[-1]) for array in (entries, index, made))
    together = max(1, CACHED // size)
    starts = np.arange(0, together * size, size)[:, None]
    for first in range(0, len(rows), together):
        some = rows[first : first + together]
        some.take(
            places[first : first + together] + starts[: len(some)], out=taken[first : first + together], mode="clip"
        )
    return made


def put(index: A, values: A) -> A:
    """Return the array whose entry index[..., j] is values[..., j], for an index that is a permutation."""
    if isinstance(index, np.ndarray):
        made = np.empty(index.shape, values.dtype)
        np.put_along_axis(made, index, np.broadcast_to(values, index.shape), -1)
        return made
    return values.new_empty(index.shape).scatter_(-1, index, values.expand_as(index))


def signs(bits: A, full: int) -> A:
    """Return the mask of symbols, uint8: `full` where a bit is set."""
    made: A = bits.view(library(bits).uint8) * full
    return made
