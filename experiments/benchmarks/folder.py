"""Encrypting a folder of images beside only resizing them and writing the same kind of PNG files."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.timing import Row, compare
from vitcrypt.data import read_image
from vitcrypt.data.listing import list_folder
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encode_png, encrypt_folder
from vitcrypt.folders.job import one_thread_each
from vitcrypt.keys import Key

RESIZING = "only resizing and writing"


def folder(source: Path | None, count: int, image_size: int, block_size: int, rounds: int) -> list[Row]:
    """Time both from image files to PNG files, with a thread for each core, on the disk of temporary files.

    What the disk still has to write is waited for before each, so that neither pays for the other.

    Args:
        source: A folder of class folders; None: pieces of scikit-learn's two photographs.
        count: How many pieces, of 32 x 32 pixels.
        image_size: Side that the images are resized to.
        block_size: Of the encryption.
        rounds: How often.
    """
    with TemporaryDirectory() as place:
        images, out = source or pieces(Path(place, "pieces"), count), Path(place, "out")
        paths = [file.path for file in list_folder(images).files]
        encrypting = partial(encrypt_folder, images, out, Proposed(block_size), Key.test("test-0"), image_size)
        calls: dict[str, Callable[[], Any]] = {
            RESIZING: partial(_resize, paths, images, out, image_size),
            "encrypting (proposed)": encrypting,
        }
        title = f"a folder: {len(paths)} images to PNG files of {image_size} x {image_size}"
        return compare(title, calls, RESIZING, len(paths), rounds, before=partial(_clear, out))


def _resize(paths: list[Path], source: Path, out: Path, image_size: int) -> None:
    targets = [(out / path.relative_to(source)).with_suffix(".png") for path in paths]
    for parent in {target.parent for target in targets}:
        parent.mkdir(parents=True)
    with one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
        written = pool.map(lambda path, to: to.write_bytes(encode_png(read_image(path, image_size))), paths, targets)
        assert sum(1 for _ in written) == len(paths)


def _clear(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    os.sync()


def pieces(out: Path, count: int) -> Path:
    """Write so many pieces of the photographs, a class folder for each photograph; some twice if there are too few."""
    for first, name in enumerate(("china", "flower")):
        (out / name).mkdir(parents=True)
        rows = np.split(load_sample_image(f"{name}.jpg")[:416], 13)
        cut = [piece for row in rows for piece in np.split(row, 20, axis=1)]
        for number in range(first, count, 2):
            Image.fromarray(cut[number // 2 % len(cut)]).save(out / name / f"{number:06}.png")
    return out
