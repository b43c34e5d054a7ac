"""Known pairs of images and ciphertexts, what they tell of others, and the command line: shared by the laws."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from vitcrypt.encryption import ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key

Floats = NDArray[np.float64]
SCHEMES: dict[str, Scheme] = {"proposed": Proposed(4)}
TRAIN, TEST = 5000, 2000
PART = 250
"""Images, or places, at once."""


class Images:
    """Images of an .npz file as CIFAR-10 comes in: uint8 [n, 3, 32, 32], and labels."""

    def __init__(self, path: Path) -> None:
        held = np.load(path)
        self.train, self.test = (
            torch.from_numpy(held[f"{split}_images"][:count].transpose(0, 3, 1, 2).copy())
            for split, count in (("train", TRAIN), ("test", TEST))
        )
        self.train_labels = held["train_labels"][:TRAIN].reshape(-1)
        self.test_labels = held["test_labels"][:TEST].reshape(-1)


def encrypted(images: torch.Tensor, scheme: Scheme, number: torch.Tensor) -> Floats:
    """Return ciphertexts as rows of values in -1..1, each under the key of its number, int64 [n]."""
    shape = (3, images.shape[2], images.shape[3])
    encryption = ImageEncryption(scheme, Key.test("test-0"), shape, "per_image")
    parts = zip(images.split(PART), number.split(PART), strict=True)
    return np.concatenate([rows(encryption(part, of)) for part, of in parts])


def rows(images: torch.Tensor) -> Floats:
    """Return uint8 images as rows of values in -1..1."""
    return images.flatten(1).double().numpy() / 127.5 - 1


def accuracy(train: Floats, labels: NDArray[np.int64], test: Floats, truth: NDArray[np.int64]) -> float:
    """Return the accuracy of a linear classifier, which no permutation and no sign changes."""
    return float(RidgeClassifier(alpha=len(train)).fit(train, labels).score(test, truth))


def explained(plain: Floats, cipher: Floats, checked_plain: Floats, checked: Floats) -> float:
    """Return how much of unseen ciphertexts' variance the map explains that known pairs give: one pixel a place.

    Each place of a ciphertext is taken for the pixel that it is nearest to over the pairs, as it is or negated: the
    most likely one under Gaussian noise. An exact map explains 1; the mean of all images, 0.
    """
    found, sign = np.zeros(cipher.shape[1], int), np.zeros(cipher.shape[1])
    lengths = np.square(plain).sum(0)
    for start in range(0, cipher.shape[1], PART):
        alike = cipher[:, start : start + PART].T @ plain
        best = (2 * np.abs(alike) - lengths).argmax(1)
        found[start : start + PART], sign[start : start + PART] = best, np.sign(alike[np.arange(len(best)), best])
    made = checked_plain[:, found] * sign
    return float(1 - np.square(made - checked).sum() / np.square(checked - checked.mean(0)).sum())


def program(
    usage: str | None,
    measured: Callable[[Images, str, Any], dict[str, Any]],
    values: Iterable[Any],
    table: Callable[[str], None],
) -> None:
    """Do what the command line says: print the record of all schemes and values, or with --table that of a record."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    if sys.argv[1] == "--table":
        table(sys.argv[2])
        return
    started, images = time.perf_counter(), Images(Path(sys.argv[1]))
    made = [measured(images, name, value) for name in SCHEMES for value in values]
    print(json.dumps({"rows": made, "seconds": time.perf_counter() - started}, indent=1))
