"""The arrays of an .npz file, by name. Kinds and sizes are compared before anything is unpacked; nothing is unpickled.

What nobody asks for is not read, whatever it is.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import printable

MAX_BYTES = 2**44
HEADER_BYTES = 2**14
"""How much is unpacked to read a header; numpy itself reads none of more than 10,000 bytes."""
LAST_LETTER = 0x10FFFF
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_OTHERS = {
    b"\x93NUMPY": "it holds a single array (.npy); save several by numpy.savez",
    b"7z\xbc\xaf": "it is a 7z archive; save it by numpy.savez",
    b"Rar!": "it is a RAR archive; save it by numpy.savez",
    b"\x1f\x8b": "it is compressed by gzip; unpack it first",
    b"\x89HDF": "it is HDF5; save its arrays by numpy.savez",
    b"PK": "it is damaged or truncated; get it again",
}


@dataclass(frozen=True)
class Header:
    """What an array says it is, before it is read, and the bytes that it has."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    length: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes that it says it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """The arrays of an open .npz file.

    Args:
        path: The file; every error names it.
        opened: The same, open.

    Raises (also all of its methods):
        ValueError: It is encrypted or damaged, or holds what is never read.
    """

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self.path, self._zip = path, opened
        self.names = [member.filename.removesuffix(".npy") for member in opened.infolist()]
        if twice := [name for name, times in Counter(self.names).items() if times > 1]:
            raise ValueError(f"it holds {printable(twice[0], 100)} twice; get it again")

    def header(self, name: str) -> Header:
        """Return what an array is."""
        with explained(self.path, name):
            member = self._member(name)
            with self._zip.open(member) as opened:
                file = io.BytesIO(opened.read(HEADER_BYTES))
            if (read := _HEADERS.get(np.lib.format.read_magic(file))) is None:
                raise ValueError("its format is none of numpy's versions 1 and 2")
            try:
                shape, _, dtype = read(file)
            except ValueError:  # numpy's words advise what nobody should do with foreign files
                raise ValueError("its header is damaged; get it again") from None
            return Header(shape, dtype, member.file_size - file.tell())

    def check_sizes(self, names: Iterable[str], max_bytes: int | None = None) -> None:
        """Raise ValueError if arrays hold objects, do not have the length that they say, or are too large together.

        Args:
            names: Of the arrays.
            max_bytes: How large they may be; None: as the memory of this machine.
        """
        headers = {name: self.header(name) for name in names}
        for name, header in headers.items():
            with explained(self.path, name):
                if header.dtype.hasobject:
                    raise ValueError("it holds Python objects, which are never read; save it as numbers or text")
                if not header.dtype.itemsize:
                    raise ValueError(f"its values are of {header.dtype}, which takes no bytes; get it again")
                if header.nbytes != header.length:
                    claim = f"{header.dtype} {list(header.shape)}, {header.nbytes:,} bytes"
                    raise ValueError(f"it says it is {claim}, and has {header.length:,}; get it again")
        size = sum(header.nbytes for header in headers.values())
        limit, owner = max_bytes, "at most read are"
        if limit is None:
            limit, owner = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine has"
        if size > limit:
            reason = f"{', '.join(headers)} would take {size / 2**30:,.1f} GiB, and {owner} {limit / 2**30:,.1f}"
            raise ValueError(f"cannot read {self.path} as .npz: {reason}; pack fewer or smaller images")

    def read(self, name: str, max_bytes: int | None = None) -> NDArray[Any]:
        """Return an array, after `check_sizes`."""
        self.check_sizes([name], max_bytes)
        with explained(self.path, name), self._zip.open(self._member(name)) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            file.read(1)  # its end: there the checksum is compared
            if array.dtype.kind == "U" and (array.reshape(-1).view(array.dtype.byteorder + "u4") > LAST_LETTER).any():
                raise ValueError("its text is damaged; get it again")
        return array

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = self._zip.getinfo(name if name in self._zip.NameToInfo else f"{name}.npy")
        if member.flag_bits & 1:
            raise ValueError("it is encrypted by a password; save it without")
        if (method := member.compress_type) not in METHODS:
            raise ValueError(f"it is compressed by method {method}, which is not read; use numpy.savez_compressed")
        return member


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an .npz file.

    Raises:
        ValueError: It is none, or has an array twice.
    """
    with explained(path):
        file = open_regular(path, MAX_BYTES)
    with file:
        with explained(path):
            if not zipfile.is_zipfile(file):
                file.seek(0)
                head = file.read(8)
                other = "it is no zip archive, as .npz files are" if head else "it is empty; get it again"
                raise ValueError(next((kind for start, kind in _OTHERS.items() if head.startswith(start)), other))
            archive = Archive(path, zipfile.ZipFile(file))
        yield archive


@contextmanager
def explained(path: Path, name: str | None = None) -> Iterator[None]:
    """Turn whatever reading an .npz file raises into a ValueError that names the file, and the array."""
    where = f"cannot read {path} as .npz: " + (f"{name}: " if name is not None else "")
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{where}it does not fit into memory; pack fewer or smaller images") from error
    except PermissionError as error:
        raise ValueError(f"{where}you may not read it; permit it by chmod u+r") from error
    except Exception as error:  # a damaged archive can make the readers raise anything
        raise ValueError(f"{where}{printable(error or type(error).__name__, 300)}") from error
