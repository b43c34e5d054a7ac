"""Ciphertexts that are no images, float32 of one shape, as .npy files: no header is parsed, but compared."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

MAX_VALUE = 1e6
"""Far above what any scheme makes, and far below what float32 cannot add up."""


def write_npy(values: NDArray[np.float32]) -> bytes:
    """Return float32 as the bytes of a .npy file."""
    return _head(values.shape) + np.ascontiguousarray(values, "<f4").tobytes()


def read_npy(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what `write_npy` wrote of an array of this shape.

    Raises:
        ValueError: It is something else, or holds values that no scheme makes.
    """
    head, length = _head(shape), 4 * int(np.prod(shape))
    if not data.startswith(head) or len(data) != len(head) + length:
        raise ValueError(f"is no .npy file of float32 {list(shape)} as vitcrypt writes it")
    values = np.frombuffer(data, "<f4", offset=len(head)).reshape(shape).astype(np.float32)
    check_floats(values)
    return values


def check_floats(values: NDArray[np.float32]) -> None:
    """Raise ValueError unless all values are finite and at most `MAX_VALUE` in size."""
    if not bool((np.abs(values) <= MAX_VALUE).all()):
        raise ValueError(f"holds values that are not finite, or above {MAX_VALUE:,.0f} in size: no ciphertext does")


def _head(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)})
    return file.getvalue()
