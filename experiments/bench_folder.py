"""Speed of encrypting a folder beside only resizing it and writing the same kind of PNG files.

    python experiments/bench_folder.py --cifar10 cifar10.npz --images 10000

`cifar10.npz` is a file in MedMNIST's layout; without it the images are noise. In turns, within one run:

    resize      read each file, crop, resize, write it as PNG: the same reader, writer and number of threads
    Pillow      with --pillow, the same with Pillow's own PNG writer and its settings, for comparison
    SCHEME      vitcrypt's encrypt_folder: the same, encrypted, with checksums, journal and manifest

Prints the median rate of each, its ratio to `resize`, the processor's time for an image (less disturbed by other
work) and the size of the files. Read the ratios, the rates are this machine's.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from vitcrypt.data import read_image
from vitcrypt.encryption import PE, SCHEMES
from vitcrypt.folders import encode_png, encrypt_folder
from vitcrypt.keys import Key

OPTIONS = ("--encryption", "proposed", "--block-size", "16")


def photographs(folder: Path, count: int, cifar10: Path | None = None) -> Path:
    """Write images of 32 x 32 pixels into class folders."""
    if cifar10 is not None:
        with np.load(cifar10) as file:
            images, labels = file["train_images"][:count], file["train_labels"].ravel()[:count]
    else:
        draw = np.random.default_rng(0)
        images, labels = draw.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 10
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def resize_folder(
    source: Path, out: Path, size: int, workers: int, write: Callable[[torch.Tensor, Path], None]
) -> None:
    """Resize and write, nothing else."""
    paths = sorted(source.rglob("*.png"))
    targets = [out / path.relative_to(source) for path in paths]
    for folder in {target.parent for target in targets}:
        folder.mkdir(parents=True)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda path, target: write(read_image(path, size), target), paths, targets))


def with_pillow(image: torch.Tensor, path: Path) -> None:
    """Write a PNG file as Pillow does if nothing is said."""
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--schemes", default="proposed,le,ele,etc,pe")
    parser.add_argument("--pillow", action="store_true", help="also time Pillow's own PNG writer, which is slow")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    source = photographs(folder / "photos", arguments.images, arguments.cifar10)
    size, workers, key = arguments.size, arguments.workers, Key.test("test-0")
    jobs = {
        "resize": lambda out: resize_folder(source, out, size, workers, lambda i, path: path.write_bytes(encode_png(i)))
    }
    if arguments.pillow:
        jobs["Pillow"] = lambda out: resize_folder(source, out, size, workers, with_pillow)
    for name in arguments.schemes.split(","):
        scheme = PE() if name == "pe" else SCHEMES[name](arguments.block)
        jobs[name] = lambda out, scheme=scheme: encrypt_folder(source, out, scheme, key, size, workers=workers)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    busy: dict[str, list[float]] = {name: [] for name in jobs}
    sizes = {}
    for _ in range(arguments.rounds):
        for name, job in jobs.items():
            out = folder / name
            os.sync()  # what the job before left to be written to the disk is not this one's
            started, spent = time.perf_counter(), time.process_time()
            job(out)
            seconds[name].append(time.perf_counter() - started)
            busy[name].append(time.process_time() - spent)
            sizes[name] = sum(path.stat().st_size for path in out.rglob("*.png"))
            shutil.rmtree(out)
    shutil.rmtree(folder)
    table = Table(title=f"{arguments.images:,} images of 32 x 32 to {size} x {size}, {workers} threads")
    for column in ("", "images/s", "of resize", "CPU ms an image", "KB an image", "rounds (s)"):
        table.add_column(column, justify="right")
    rates = {name: arguments.images / statistics.median(times) for name, times in seconds.items()}
    for name, rate in rates.items():
        rounds = ", ".join(f"{time:.1f}" for time in seconds[name])
        share, kilobytes = f"{100 * rate / rates['resize']:.0f} %", f"{sizes[name] / arguments.images / 1000:.1f}"
        spent = f"{1000 * statistics.median(busy[name]) / arguments.images:.2f}"
        table.add_row(name, f"{rate:,.0f}", share, spent, kilobytes, rounds)
    Console().print(table)


if __name__ == "__main__":
    main()
