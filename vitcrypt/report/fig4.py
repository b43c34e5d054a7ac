"""The arrangement of the paper's Fig. 4: a row for each scheme, a column for each attack, SSIM under each image."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vitcrypt.data.archive import open_archive
from vitcrypt.report.security import by_attack, in_order

IMAGES = "images.npz"
MAX_BYTES = 2**30


def fig4(results: list[dict[str, Any]], path: Path, which: int = 0) -> Path:
    """Draw what attacks restored of one image.

    Args:
        results: Results of attacks with their "folder", where `images.npz` lies.
        path: The .png file.
        which: Number of the image among the first ones of the victim, which are the same in all attacks of one seed.

    Raises:
        ValueError: There are no attacks among the results, or none kept so many images.
    """
    cases = by_attack(results)
    if not cases:
        raise ValueError("there are no results of attacks to draw; vitcrypt attack writes them")
    columns = in_order({attack for row in cases.values() for attack in row})
    several = len({case.data for case in cases}) > 1
    figure = Figure(figsize=(1.3 * (2 + len(columns)) + 1.2, 1.5 * len(cases) + 0.3), layout="constrained")
    axes = figure.subplots(len(cases), 2 + len(columns), squeeze=False)
    for axis, title in zip(axes[0], ("plain", "encrypted", *map(_title, columns)), strict=True):
        axis.set_title(title, fontsize=10)
    for line, (case, row) in zip(axes, cases.items(), strict=True):
        words = [*([case.data] if several else []), case.scheme, case.options, case.sizes]
        line[0].set_ylabel("\n".join(filter(None, words)), rotation=0, ha="right", va="center", fontsize=10)
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
                axis.text(0.5, 0.5, "not run", ha="center", va="center", fontsize=8, color="grey")
    figure.savefig(path, dpi=100)
    return path


def _title(attack: str) -> str:
    return attack.upper() if len(attack) <= 3 else attack.replace("_", "\n")


def _images(result: dict[str, Any], which: int) -> dict[str, NDArray[np.uint8]]:
    path = Path(result["folder"], IMAGES)
    if not path.is_file():
        raise ValueError(f"{path} is missing: the attack could not keep its images; repeat it with resume=false")
    with open_archive(path) as archive:
        kept = {name: archive.read(name, MAX_BYTES) for name in ("plain", "encrypted", "restored")}
    for name, images in kept.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not all(images.shape[1:]):
            raise ValueError(f"{path}: {name} must be uint8 [N, H, W, 3], got {images.dtype} {list(images.shape)}")
        if which >= len(images):
            raise ValueError(f"{result['folder']} keeps {len(images)} images, there is no number {which}")
    return {name: images[which] for name, images in kept.items()}


def _draw(axis: Axes, image: NDArray[np.uint8], words: str) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(words, fontsize=10)
