"""The arrangement of the paper's Fig. 4: a row for each scheme, a column for each attack, SSIM under each image."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

ORDER = ("le", "etc", "ele", "pe", "proposed")
FIRST = ("fr", "gan", "itn")
IMAGES = "images.npz"


def fig4(results: list[dict[str, Any]], path: Path, which: int = 0) -> Path:
    """Draw what attacks restored of one image.

    Args:
        results: Results of attacks with their "folder", where `images.npz` lies.
        path: The .png file.
        which: Number of the image among the first ones of the victim, which are the same in all attacks of one seed.

    Raises:
        ValueError: There are no attacks among the results, or none kept so many images.
    """
    rows: dict[tuple[str, int, str], dict[str, dict[str, Any]]] = {}
    for result in results:
        if result.get("kind") == "attack":
            config = result["config"]
            names = config["names"]
            row = rows.setdefault((names["data"], config["image_size"], names["encryption"]), {})
            if names["attack"] not in row or _median(result) > _median(row[names["attack"]]):
                row[names["attack"]] = result
    if not rows:
        raise ValueError("there are no results of attacks to draw; vitcrypt attack writes them")
    found = {attack for row in rows.values() for attack in row}
    columns = [*(a for a in FIRST if a in found), *sorted(found - set(FIRST))]
    figure = Figure(figsize=(1.5 * (2 + len(columns)) + 1.2, 1.75 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), 2 + len(columns), squeeze=False)
    for axis, title in zip(axes[0], ("plain", "encrypted", *columns), strict=True):
        axis.set_title(title.replace("_", " "), fontsize=9)
    for line, ((data, size, scheme), row) in zip(axes, sorted(rows.items(), key=_place), strict=True):
        line[0].set_ylabel(f"{scheme}\n{data} {size}", rotation=0, ha="right", va="center", fontsize=9)
        shown = next(iter(row.values()))
        images = _images(shown, which)
        _draw(line[0], images["plain"], "")
        _draw(line[1], images["encrypted"], f"{shown['first']['ciphertext'][which]:.3f}")
        for axis, attack in zip(line[2:], columns, strict=True):
            if attack in row:
                restored = _images(row[attack], which)["restored"]
                _draw(axis, restored, f"{row[attack]['first']['restored'][which]:.3f}")
            else:
                axis.set_axis_off()
    figure.savefig(path, dpi=150)
    return path


def _median(result: dict[str, Any]) -> float:
    return result["metrics"]["restored"]["ssim"]["median"]


def _place(row: tuple[tuple[str, int, str], Any]) -> tuple[str, int, int]:
    (data, size, scheme), _ = row
    return data, size, ORDER.index(scheme) if scheme in ORDER else len(ORDER)


def _images(result: dict[str, Any], which: int) -> dict[str, NDArray[np.uint8]]:
    with np.load(Path(result["folder"], IMAGES), allow_pickle=False) as file:
        if which >= len(file["plain"]):
            raise ValueError(f"{result['folder']} keeps {len(file['plain'])} images, there is no number {which}")
        return {name: file[name][which] for name in ("plain", "encrypted", "restored")}


def _draw(axis: Axes, image: NDArray[np.uint8], words: str) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(words, fontsize=8)
