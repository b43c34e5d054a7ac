"""The two tasks that alternatives are measured on, with numpy and scikit-learn alone; networks are the same for all.

digits: 1,437 training and 360 test images of scikit-learn's, 64 values; z = (W1 x + b1)^2, 32 wide, logits
W2 z + b2. features: CIFAR-10 as features of a public network, computed by the owner
(`experiments/features/extract.py`); one linear layer, of logistic regression. A query is one image.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

Floats = NDArray[np.float64]
Layers = list[tuple[Floats, Floats]]
"""Weights [in, out] and biases; between two layers values are squared."""


def digits(epochs: int = 60, width: int = 32, rate: float = 3e-3) -> tuple[Layers, Floats, NDArray[np.int64]]:
    """Return a trained network, test images [360, 64] and their labels."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 8 - 1, labels, test_size=360, random_state=0, stratify=labels)
    train, test, train_labels, test_labels = parts
    random, targets = np.random.default_rng(0), np.eye(10)[train_labels]
    values = [0.1 * random.normal(size=size) for size in ((64, width), (width,), (width, 10), (10,))]
    moments = [np.zeros((2, *value.shape)) for value in values]
    for step in range(1, epochs * len(train) // 32 + 1):
        chosen = random.integers(0, len(train), 32)
        hidden = train[chosen] @ values[0] + values[1]
        logits = hidden**2 @ values[2] + values[3]
        share = np.exp(logits - logits.max(1, keepdims=True))
        error = (share / share.sum(1, keepdims=True) - targets[chosen]) / 32
        back = error @ values[2].T * 2 * hidden
        slopes = [train[chosen].T @ back, back.sum(0), (hidden**2).T @ error, error.sum(0)]
        for value, moment, slope in zip(values, moments, slopes, strict=True):  # Adam
            moment[0] = 0.9 * moment[0] + 0.1 * slope
            moment[1] = 0.999 * moment[1] + 0.001 * slope**2
            value -= rate * moment[0] / (1 - 0.9**step) / (np.sqrt(moment[1] / (1 - 0.999**step)) + 1e-8)
    return [(values[0], values[1]), (values[2], values[3])], test, test_labels


def features(path: str) -> tuple[Layers, Floats, NDArray[np.int64]]:
    """Return a linear layer, test features and their labels, from what `extract.py` wrote."""
    held = np.load(path)
    head = LogisticRegression(C=10, max_iter=300).fit(held["train_features"], held["train_labels"])
    return [(head.coef_.T, head.intercept_)], held["test_features"].astype(float), held["test_labels"]


def measured(
    answer: Callable[[Floats], tuple[Floats, int]], images: Floats, labels: NDArray[np.int64], count: int
) -> dict[str, Any]:
    """Ask for the first `count` images, one by one; return accuracy, ms and bytes a query (there and back), memory.

    `computing_ms` is what this process computed for a query: on a busy machine less than the time that passed.

    Args:
        answer: From one image to its logits and the bytes that went over the line.
        images: [n, values].
        labels: [n].
        count: At most n.
    """
    right, sent, started, computed = 0, 0, time.perf_counter(), time.process_time()
    for image, label in zip(images[:count], labels[:count], strict=True):
        logits, size = answer(image)
        right, sent = right + int(np.argmax(logits) == label), sent + size
    spent, computing, asked = time.perf_counter() - started, time.process_time() - computed, min(count, len(images))
    return {
        "queries": asked,
        "accuracy": right / asked,
        "ms": 1000 * spent / asked,
        "computing_ms": 1000 * computing / asked,
        "bytes": sent / asked,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def tasks(arguments: list[str]) -> dict[str, tuple[Layers, Floats, NDArray[np.int64]]]:
    """Return the tasks: digits, and features if their file is named."""
    found = {"digits": digits()}
    return {**found, "features": features(arguments[0])} if arguments and Path(arguments[0]).exists() else found


def tell(rows: dict[str, dict[str, Any]], **more: Any) -> None:
    """Print what was measured, as JSON on the last line."""
    json.dump({"tasks": rows, **more}, sys.stdout)
    print()
