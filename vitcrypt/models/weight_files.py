"""Reading weight files as other programs write them: tensors by their names, and nothing that could be executed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import console, printable

State = dict[str, Tensor]
OPTION = "model.weights"
"""What names the file, for messages."""
LARGEST = 2**36
TIMES = 20
"""How many times as large as the file its contents may be."""
USUAL = ("state_dict", "model", "model_state_dict")
"""Where the trained weights are, of several that a file may hold."""


def read_state(path: Path, option: str = OPTION) -> State:
    """Return the tensors of a `.safetensors` or PyTorch file by their names.

    Where a file holds other things beside them, they are one level down. A prefix that all names share (`module.`,
    `_orig_mod.`, `backbone.`, ...) is taken off.

    Raises:
        ValueError: It is no regular file, cannot be read, or does not hold one set of tensors.
    """
    check_file(path, option)
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the readers raise anything
        raise ValueError(
            f"{option}={path} cannot be read ({_reason(error)}); give .safetensors, .npz, or a file that "
            "torch.save wrote with plain tensors in it"
        ) from error
    tensors = _only_state(found, path, option)
    start = len(common_prefix(tensors))
    return {name[start:]: value for name, value in tensors.items()}


def read_saved(path: Path) -> Any:
    """Return the plain values that torch.save wrote, on the CPU; a damaged file can make it raise anything."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # compares the checksums, which torch.load does not
    if damaged is not None:
        raise zipfile.BadZipFile(f"checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)


def check_file(path: Path, option: str = OPTION) -> None:
    """Raise ValueError if a file is no regular one, too large, or would unpack to far more than it is."""
    try:
        with open_regular(path, LARGEST) as file:
            size = path.stat().st_size
            unpacked = sum(i.file_size for i in zipfile.ZipFile(file).infolist()) if zipfile.is_zipfile(file) else 0
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{option}={path} cannot be read: {error}") from None
    if unpacked > TIMES * size + 2**20:
        raise ValueError(f"{option}={path} cannot be read: its {size:,} bytes would unpack to {unpacked:,}")


def check_finite(state: Mapping[str, Tensor], path: Path, option: str = OPTION) -> None:
    """Raise ValueError if a tensor holds NaN or infinity."""
    wrong = [name for name, value in state.items() if value.is_floating_point() and not value.float().isfinite().all()]
    if wrong:
        raise ValueError(
            f"{option}={path} holds NaN or infinite values in {len(wrong)} tensors "
            f"({printable(', '.join(wrong[:3]), 300)}): its training diverged; give an earlier checkpoint"
        )


def common_prefix(names: Iterable[str]) -> str:
    """Return what all names begin with, up to and with a dot."""
    levels = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return "".join(f"{level[0]}." for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _only_state(found: Any, path: Path, option: str) -> State:
    """Return the tensors of what a file holds, at the top or one level down."""
    top, held = _tensors(found), found.items() if isinstance(found, Mapping) else ()
    nested = {str(name): inner for name, value in held if (inner := _tensors(value))}
    if not top and not nested:
        raise ValueError(f"{option}={path} holds no tensors by name")
    if len(top) >= max(map(len, nested.values()), default=0):
        return top
    chosen = next((name for name in USUAL if name in nested), None) if len(nested) > 1 else next(iter(nested))
    others = printable(", ".join(name for name in nested if name != chosen), 200)
    alone = f"torch.save(torch.load({str(path)!r})[NAME], OTHER_FILE)"
    if chosen is None:
        raise ValueError(f"{option}={path} holds several networks: {others}; save one of them alone: {alone}")
    if others:
        console.print(f"  {option}={path}: {chosen} is used, not {others}; to use such, save it alone: {alone}")
    return nested[chosen]


def _tensors(found: Any) -> State:
    entries = found.items() if isinstance(found, Mapping) else ()
    return {name: value for name, value in entries if isinstance(name, str) and isinstance(value, Tensor)}


def _reason(error: Exception) -> str:
    """Return why a file could not be read, in one line."""
    if foreign := re.search(r"Unsupported (?:global: GLOBAL|class) (\S+)|GLOBAL (\S+) was not an allowed", str(error)):
        return (
            f"it holds {printable(foreign[1] or foreign[2], 100)}, a Python object, and objects of a file are never "
            "built; in the program that made it: torch.save(network.state_dict(), FILE)"
        )
    return printable((str(error).strip() or type(error).__name__).splitlines()[0].rstrip(), 200)
