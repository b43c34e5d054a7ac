"""The arrangement of the paper's Fig. 4: a row for each scheme, a column for each attack, SSIM under each image.

The number is that of the image in its best version (mirrored, turned, ...), the image is as the attack returned it.
"""

from io import BytesIO
from pathlib import Path
from textwrap import fill
from zipfile import ZipFile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.lib.format import read_array
from numpy.typing import NDArray

from vitcrypt.report.figures import literal, saved
from vitcrypt.report.frame import CASE
from vitcrypt.report.records import AttackResult, Results
from vitcrypt.report.results import attacked
from vitcrypt.report.security import applies, in_order, strongest
from vitcrypt.untrusted.documents import MAX_BYTES
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import one_line

IMAGES = "images.npz"
CAPTION = "SSIM, the best of the mirrored, turned, negated and channel-exchanged versions of an image"


@literal
def fig4(results: Results, path: Path, which: int = 0) -> Path:
    """Draw what attacks restored of one image.

    Args:
        results: Results of attacks with their "folder", where `images.npz` lies.
        path: The .png file.
        which: Number of the image among the first ones of the victim, which are the same in all attacks of one seed.

    Raises:
        ValueError: There are no attacks among the results, or none kept so many images.
    """
    found = strongest(results)
    if found.empty:
        raise ValueError("there are no results of attacks to draw; vitcrypt attack writes them")
    cases, columns = [case for _, case in found.groupby(CASE)], in_order(found["attack"])
    figure = Figure(figsize=(1.3 * (2 + len(columns)) + 1.2, 1.5 * len(cases) + 0.3), layout="constrained")
    axes = figure.subplots(len(cases), 2 + len(columns), squeeze=False)
    titles = [name.upper() if len(name) <= 3 else name.replace("_", "\n") for name in columns]
    for axis, title in zip(axes[0], ("plain", "encrypted", *titles), strict=True):
        axis.set_title(title, fontsize=10)
    for line, case in zip(axes, cases, strict=True):
        row, first = {e.attack: (e.result, e.verdict) for e in case.itertuples()}, case.iloc[0]
        words = [first["data"] if found["data"].nunique() > 1 else "", *first[["scheme", "options", "sizes"]]]
        line[0].set_ylabel("\n".join(filter(None, words)), rotation=0, ha="right", va="center", fontsize=10)
        images = _images(first["result"], which)
        _draw(line[0], images["plain"], "")
        _draw(line[1], images["encrypted"], f"{first['result'].first.of('ciphertext')[which]:.3f}")
        for axis, attack in zip(line[2:], columns, strict=True):
            if attack in row:
                result, judged = row[attack]
                words = f"{result.first.of('restored')[which]:.3f}" + "\nundertrained" * (judged.word == "undertrained")
                _draw(axis, _images(result, which)["restored"], words)
            else:
                axis.set_axis_off()
                why = "not run" if applies(attack, first["result"]) else "does not\napply"
                axis.text(0.5, 0.5, why, ha="center", va="center", fontsize=8, color="grey")
    figure.supxlabel(fill(CAPTION, int(15 * figure.get_figwidth())), fontsize=8, color="grey")
    return saved(figure, path, dpi=100)


def with_images(results: Results, which: int = 0) -> tuple[Results, list[str]]:
    """Return the attacks that kept the image of this number, and why the others cannot be drawn."""
    kept: Results = []
    told = []
    for result in attacked(results):
        try:
            _images(result, which)
        except ValueError as error:
            told.append(f"of Fig. 4 only: {error}")
        else:
            kept.append(result)
    return kept, told


def _images(result: AttackResult, which: int) -> dict[str, NDArray[np.uint8]]:
    """Return the images that an attack kept, each uint8 [H, W, 3]; what is in the file is not trusted."""
    folder = result.folder
    path, names = folder / IMAGES, ("plain", "encrypted", "restored")
    try:
        with open_regular(path, MAX_BYTES, folder) as file, ZipFile(file) as archive:
            if sum(archive.getinfo(f"{name}.npy").file_size for name in names) > MAX_BYTES:
                raise ValueError(f"its images have more than {MAX_BYTES:,} bytes")
            stored = {name: read_array(BytesIO(archive.read(f"{name}.npy")), allow_pickle=False) for name in names}
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing: the attack could not keep its images; repeat it with resume=false"
        ) from None
    except Exception as error:  # a damaged archive makes its readers raise anything
        raise ValueError(f"{path} cannot be read: {one_line(error)}") from error
    for name, images in stored.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or which >= len(images):
            raise ValueError(f"{path}: {name} holds no image number {which}, uint8 [N, H, W, 3]")
    return {name: images[which] for name, images in stored.items()}


def _draw(axis: Axes, image: NDArray[np.uint8], words: str) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(words, fontsize=10)
