"""A look at all image files before the long work starts: which cannot be read, and what is to be said of the others.

`run`, `encrypt` and `predict` take it, and say the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, get_args

from PIL.ImageFile import ImageFile
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vitcrypt.data.decode import has_more_pages, is_deep, plain_size, refuse_unfit, used_bits, with_image
from vitcrypt.data.formats import UnfitError
from vitcrypt.jobs.forked import attempt, can_fork, forked
from vitcrypt.jobs.turns import in_turn
from vitcrypt.untrusted.text import error_console

SHOWN = 10
"""Unreadable images that are named one by one."""
LOOKED_INTO = 1000
"""16-bit images that are decoded to see how many bits they use."""
FEW_BITS = 14
MANY_HEADERS = 2048
"""From how many files on several processes read headers faster than one."""
MANY, CHUNK = 512, 256
"""The same of decoding, and how many are sent to one at once, at most."""
Workers = Literal["one", "threads", "processes"]
Transparency = Literal["white", "refuse"]
"""What becomes of transparent images: they are laid on white, or not read."""
Header = tuple[tuple[int, int], bool, bool, bool]
"""Size; whether there is transparency, more than 8 bits a channel, more than one page. Of no class: quicker to send."""
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Survey:
    """What is known of image files before they are decoded.

    Args:
        sizes: All (width, height) that there are, before any EXIF rotation.
        transparent: How many have an alpha channel or a transparent colour.
        paged: How many have more than one page or frame.
        dark: How many 16-bit images leave two or more of their high bits unused, of the first `LOOKED_INTO`.
        dark_bits: How many bits these use at most.
    """

    sizes: frozenset[tuple[int, int]]
    transparent: int = 0
    paged: int = 0
    dark: int = 0
    dark_bits: int = 0

    def lines(self) -> list[str]:
        """Return what a user should know, a line each."""
        lines = []
        if self.transparent:
            lines.append(f"{_files(self.transparent)} transparency: laid on white")
        if self.paged:
            lines.append(f"{_files(self.paged)} more than one page or frame: the first complete one is read")
        if self.dark:
            images, their = ("image uses", "its") if self.dark == 1 else ("images use", "their")
            lines.append(
                f"{self.dark:,} 16-bit {images} at most {self.dark_bits} of {their} bits: the high byte is read, so "
                "few levels are left; scale to all 16 bits, or to 8"
            )
        return lines


def survey(paths: Sequence[Path], what: str = "reading headers", transparency: Transparency = "white") -> Survey:
    """Open each image file without decoding it.

    Raises:
        ValueError: Some cannot be opened, or are of a kind that is not read; the first ones are named.
    """
    if transparency not in get_args(Transparency):
        raise ValueError(f"transparency is one of {', '.join(get_args(Transparency))}; got {transparency}")

    def header(image: ImageFile) -> Header:
        refuse_unfit(image)
        if transparency == "refuse" and image.has_transparency_data:
            raise UnfitError("it has transparency; lay it on a ground of your choice, or set transparency=white")
        return image.size, image.has_transparency_data, is_deep(image), has_more_pages(image)

    def looked_at(position: int) -> Header:
        path = paths[position]
        if (size := plain_size(path)) is not None:  # most of the time of a small file goes into opening it by Pillow
            return size, False, False, False
        return with_image(path, header)

    sizes, transparent, paged, deep = set(), 0, 0, list[Path]()
    headers = map_files(looked_at, range(len(paths)), what, by="processes" if len(paths) >= MANY_HEADERS else "one")
    for position, (size, see_through, many_bits, more) in enumerate(headers):  # in the order of paths
        sizes.add(size)
        transparent, paged = transparent + see_through, paged + more
        if many_bits and len(deep) < LOOKED_INTO:
            deep.append(paths[position])
    bits = map_files(partial(with_image, use=used_bits), deep, "looking into 16-bit images")
    dark = [used for used in bits if used <= FEW_BITS]
    return Survey(frozenset(sizes), transparent, paged, len(dark), max(dark, default=0))


def map_files(function: Callable[[S], T], items: Sequence[S], what: str, by: Workers = "one") -> Iterator[T]:
    """Map over files, or their numbers, in order, with a progress bar.

    Args:
        function: Raises ValueError for a file that is none.
        items: The files.
        what: Is done, for the bar.
        by: Whether one thread does it, several ("threads": what waits for a network), or, of many files, forked
            processes, to which the function is not sent, but its results come from there.

    Raises:
        ValueError: The function raised it for some files; the others were done. The message has the first ones.
    """
    failed = []
    hidden = not error_console.is_terminal
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with (
        _mapping(attempt(function), by, len(items)) as mapped,
        Progress(*columns, console=error_console, transient=True, disable=hidden) as bar,
    ):
        for result in bar.track(mapped(items), total=len(items), description=what):
            if isinstance(result, ValueError):
                failed.append(str(result))
            else:
                yield result
    if failed:
        raise ValueError(first_ones(failed))


@contextmanager
def _mapping(function: Callable[[S], T], by: Workers, count: int) -> Iterator[Callable[[Iterable[S]], Iterator[T]]]:
    if by == "processes" and count >= MANY and can_fork():
        with forked(function, chunk=chunk_of(count)) as mapped:
            yield mapped
    elif by == "threads":
        with ThreadPoolExecutor() as pool:
            yield lambda items: in_turn(pool, function, items)
    else:
        yield lambda items: map(function, items)


def chunk_of(count: int) -> int:
    """Return how many of so many files are sent to a process at once: few enough that all have work until the end."""
    return max(1, min(CHUNK, count // (8 * (os.cpu_count() or 1))))


def first_ones(complaints: Iterable[str]) -> str:
    """Return complaints, the first `SHOWN` of them in full."""
    lines = list(complaints)
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


def _files(count: int) -> str:
    return f"{count:,} file{' has' if count == 1 else 's have'}"
