"""What is released of features, and the best linkage there is: shared by the measurements beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitcrypt.encryption.privacy import gaussian_epsilon, leakage_bits

SIZE = 10_000
"""Of the gallery."""
SEEDS = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Images:
    """Features and labels of the owner's training and test images, and of public ones."""

    train: Floats
    train_labels: NDArray[np.int64]
    test: Floats
    test_labels: NDArray[np.int64]
    public: Floats
    network: str

    @classmethod
    def read(cls, private: str, public: str) -> Images:
        """Read what `extract.py` wrote."""
        own, other = np.load(private), np.load(public)
        if str(own["network"]) != str(other["network"]):
            raise ValueError(f"{private} and {public} hold features of two networks; extract both with one")
        parts = [own[name] for name in ("train_features", "train_labels", "test_features", "test_labels")]
        features = (parts[0].astype(float), parts[1].astype(int), parts[2].astype(float), parts[3].astype(int))
        return cls(*features, other["train_features"].astype(float), str(own["network"]))


@dataclass(frozen=True)
class Vectors:
    """Projected and clipped vectors of the owner's images."""

    held: Images
    train: Floats
    test: Floats
    public: Floats
    clip: float


def projected(held: Images, dimension: int) -> Vectors:
    """Return the first whitened principal components of the public features, clipped at a norm that these give."""
    mean = held.public.mean(0)
    values, directions = np.linalg.eigh(np.cov((held.public - mean).T))
    values, directions = values[::-1], directions[:, ::-1]
    basis = (directions / np.sqrt(values + values[100]))[:, :dimension]
    train, test, public = ((part - mean) @ basis for part in (held.train, held.test, held.public))
    clip = float(np.quantile(np.linalg.norm(public, axis=1), 0.1))
    return Vectors(held, clipped(train, clip), clipped(test, clip), clipped(public, clip), clip)


def clipped(vectors: Floats, clip: float) -> Floats:
    """Shorten to a norm."""
    return vectors * np.minimum(1, clip / np.linalg.norm(vectors, axis=1, keepdims=True))


def noisy(vectors: Floats, sigma: float, seed: int) -> Floats:
    """Add noise."""
    return vectors + sigma * np.random.default_rng(seed).normal(size=vectors.shape)


def bounds(dimension: int, sigma: float) -> dict[str, float]:
    """Return what is proved of one release; sigma in units of the clip."""
    if sigma == 0:
        return {}
    return {"epsilon": gaussian_epsilon(2 / sigma), "leakage_bits": leakage_bits(dimension, 1.0, sigma)}


def nearest_mean(vectors: Floats, means: Floats) -> NDArray[np.int64]:
    """Classify."""
    return np.argmin(np.square(means).sum(1) - 2 * vectors @ means.T, 1)


def linked(queries: Floats, gallery: Floats, labels: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Return the share of queries whose nearest candidate is their own, and the same among candidates of their class.

    Args:
        queries: [n, d], the i-th of the i-th candidate; at most `SIZE` count.
        gallery: [g, d], likewise.
        labels: [g], of the candidates; without them there is one class.
    """
    queries, gallery = queries[:SIZE], gallery[:SIZE]
    labels = np.zeros(len(gallery), int) if labels is None else labels[:SIZE]
    lengths, right = np.square(gallery).sum(1), np.zeros(2)
    for start in range(0, len(queries), 500):
        own = np.arange(start, min(start + 500, len(queries)))
        distances = lengths - 2 * queries[own] @ gallery.T
        right[0] += (distances.argmin(1) == own).sum()
        distances[labels[own, None] != labels] = np.inf
        right[1] += (distances.argmin(1) == own).sum()
    return float(right[0] / len(queries)), float(right[1] / len(queries))


def released_codes(
    classes: NDArray[np.int64], labels: NDArray[np.int64], gallery: NDArray[np.int64], sigma: float, seed: int
) -> tuple[float, float]:
    """Return accuracy and linkage of codes (one value of 10 is 1) of the classes that an owner finds, with noise.

    All candidates of a code are alike, so that the best guess is one of them by chance; `gallery` has their codes.
    """
    found = noisy(np.eye(10)[classes], sigma, seed).argmax(1)
    counts = np.bincount(gallery, minlength=10)
    chance = (found == classes) / np.maximum(counts[classes], 1)
    return float(np.mean(found == labels)), float(np.mean(chance))
