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

from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key

Floats = NDArray[np.float64]
SCHEMES: dict[str, Scheme] = {"proposed": Proposed(4), "pe": PE(), "etc": EtC(4), "le": LE(4), "ele": ELE(4)}
NIBBLES = ("le", "ele")
"""Schemes that move halves of bytes: 16/17 of a value is its high nibble, wherever that comes from."""
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


def candidates(images: torch.Tensor, name: str) -> Floats:
    """Return what a place of a scheme's ciphertext may be taken for: the pixels, or the nibbles, in -1..1."""
    if name not in NIBBLES:
        return rows(images)
    values = images.flatten(1)
    return torch.cat([values & 15, values >> 4], 1).double().numpy() / 7.5 - 1


def accuracy(train: Floats, labels: NDArray[np.int64], test: Floats, truth: NDArray[np.int64]) -> float:
    """Return the accuracy of a linear classifier, which no permutation of bytes and no sign changes."""
    return float(RidgeClassifier(alpha=len(train)).fit(train, labels).score(test, truth))


def explained(plain: Floats, cipher: Floats, checked_plain: Floats, checked: Floats) -> float:
    """Return how much of unseen ciphertexts' variance the map explains that known pairs give.

    Each place of a ciphertext is taken for the one of `candidates` that it is nearest to over the pairs, as it is or
    negated: of pixels the most likely one under Gaussian noise. An exact map of pixels explains 1, of high nibbles
    nearly so; the mean of all images, 0.
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
    table: Callable[[list[dict[str, Any]]], None],
) -> None:
    """Do what the command line says: print the record of the named schemes, or with --table that of several records."""
    if len(sys.argv) < 3 or (not {*sys.argv[2:]} <= {*SCHEMES} and sys.argv[1] != "--table"):
        sys.exit(usage)
    if sys.argv[1] == "--table":
        table([row for path in sys.argv[2:] for row in json.loads(Path(path).read_text())["rows"]])
        return
    started, images = time.perf_counter(), Images(Path(sys.argv[1]))
    made = [measured(images, name, value) for name in sys.argv[2:] for value in values]
    print(json.dumps({"rows": made, "seconds": time.perf_counter() - started}, indent=1))
