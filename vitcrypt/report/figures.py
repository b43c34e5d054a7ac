"""Pictures of a run: what the server saw, and which classes it confused.

Names of classes are data: they are drawn as they are, shortened, and never taken for mathematics.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.untrusted.text import printable

LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}
LONGEST = 24
GAP = 0.06  # between images of a grid, in parts of one


def image_grid(path: Path, rows: Mapping[str, Sequence[NDArray[np.uint8]]], titles: list[str]) -> Path:
    """Draw rows of images under each other, without any smoothing.

    Args:
        path: The .png file.
        rows: For each label n images, uint8 [H, W, 3].
        titles: One for each column.
    """
    figure = Figure(figsize=(1.15 * len(titles) + 1.1, 1.25 * len(rows) + 0.25), layout="constrained")
    axis = figure.subplots()  # one for all images: each more would take as long as drawing one
    axis.set_axis_off()
    for row, (label, images) in enumerate(rows.items()):
        axis.text(-GAP, row + 0.5, label, ha="right", va="center", **LITERAL)
        for (column, _), image in zip(enumerate(titles), images, strict=True):
            box = (column, column + 1 - GAP, row + 1 - GAP, row)
            axis.imshow(image, interpolation="nearest", extent=box)
    for column, title in enumerate(titles):
        axis.text(column + (1 - GAP) / 2, -GAP, _short(title), ha="center", va="bottom", fontsize=9, **LITERAL)
    axis.set(xlim=(0, len(titles) - GAP), ylim=(len(rows) - GAP, 0))
    return saved(figure, path, dpi=150)


def confusion_matrix(path: Path, confusion: list[list[int]], classes: list[str]) -> Path:
    """Draw a confusion matrix (rows are true classes), with numbers up to 20 classes."""
    counts, names = np.atleast_2d(confusion), [_short(name) for name in classes]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(3 + 0.35 * len(classes), 14)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set(xlabel="predicted", ylabel="true")
    if len(classes) <= 20:
        axis.set_xticks(range(len(classes)), names, rotation=45, ha="right", **LITERAL)
        axis.set_yticks(range(len(classes)), names, **LITERAL)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8, in_layout=False)
    figure.colorbar(shown, ax=axis, label="share of the true class", shrink=0.8)
    return saved(figure, path, dpi=120)


literal = rc_context({"text.parse_math": False, "text.usetex": False})
"""Decorates what draws words of records: none of them is mathematics."""


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def saved(figure: Figure, path: Path, dpi: int) -> Path:
    """Write a figure as a whole or not at all, in the place of what was there, be it a link."""
    with atomic_write(path) as file:
        draw(figure, file, dpi)
    return path


def draw(figure: Figure, file: IO[bytes], dpi: int) -> None:
    """Write a figure as PNG; `Figure.savefig` writes the same, and lays out and draws everything twice."""
    figure.set_dpi(dpi)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a box is drawn where the font lacks a letter
        FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]
