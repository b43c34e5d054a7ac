"""Attacks on one point of the frontier: the rotation unknown, pairs known, releases pooled, pixels restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mechanism import SIZE, Floats, Images, Vectors, bounds, linked, noisy, projected
from scipy.stats import ortho_group

from vitcrypt.attacks.maps.orthogonal import nearest_rotation
from vitcrypt.metrics import ssim

FACTORS = (0.0, 0.1, 0.2, 1.0)
"""Of the noise, under which the rotation is to be found: without any, as a control."""
PAIRS = (200, 1000)
RELEASES = (1, 2, 4, 16, 64)
RESTORED = 200


def all_of(held: Images, dimension: int, sigma: float, images: str, public_images: str) -> dict[str, Any]:
    """Return what each attack reaches."""
    vectors = projected(held, dimension)
    noise = sigma * vectors.clip
    turn = ortho_group.rvs(dimension, random_state=0)
    train, labels = vectors.train[:SIZE], held.train_labels[:SIZE]
    rows = noisy(train, noise, 100) @ turn.T

    def unaided(rows: Floats) -> float:
        return linked(rows @ by_moments(rows, train, labels), train)[0]

    return {
        "dimension": dimension,
        "sigma": sigma,
        **bounds(dimension, sigma),
        "known_rotation": linked(rows @ turn, train, labels),
        "unknown_rotation": {factor: unaided(noisy(train, factor * noise, 100) @ turn.T) for factor in FACTORS},
        "known_pairs": {
            count: linked(rows[count:] @ by_pairs(rows[:count], train[:count]), train[count:])[0] for count in PAIRS
        },
        "releases": {count: linked(noisy(train, noise / np.sqrt(count), 101), train)[0] for count in RELEASES},
        "restored": restored(vectors, noise, images, public_images),
    }


def by_pairs(rows: Floats, plain: Floats) -> Floats:
    """Estimate the rotation from known pairs: the Procrustes problem."""
    return nearest_rotation(rows.T @ plain)


def by_moments(rows: Floats, gallery: Floats, labels: Any) -> Floats:
    """Estimate the rotation from ciphertexts and a gallery alone, both with labels: class means, then second moments.

    Rotated, class means and the covariances within classes of both sides are the same. Products of both, in both
    orders, give as many pairs of vectors as the second moments have strong directions.
    """

    def landmarks(vectors: Floats) -> Floats:
        means = np.stack([vectors[labels == label].mean(0) for label in range(10)])
        centred = vectors - means[labels]
        within = centred.T @ centred / len(vectors)
        within -= np.trace(within) / len(within) * np.eye(len(within))
        chain, parts = means - means.mean(0), []
        for _ in range(30):
            parts.append(chain / np.linalg.norm(chain))
            chain = chain @ within
        each = [
            means[label] @ (centred[labels == label].T @ centred[labels == label] / (labels == label).sum())
            for label in range(10)
        ]
        return np.concatenate([*parts, np.stack(each) / np.linalg.norm(each)])

    return by_pairs(landmarks(rows), landmarks(gallery))


def restored(vectors: Vectors, noise: float, images: str, public_images: str) -> dict[str, float]:
    """Return the median SSIM of a linear decoder that is trained on public images, with and without noise."""
    pixels = np.load(public_images)["train_images"][: len(vectors.public)].reshape(len(vectors.public), -1) / 255.0
    truth = torch.from_numpy(np.load(images)["test_images"][:RESTORED]).permute(0, 3, 1, 2)
    mean, found = pixels.mean(0), {}
    for name, sigma in (("noisy", noise), ("without_noise", 0.0)):
        inputs = noisy(vectors.public, sigma, 102)
        size = inputs.shape[1]
        maps = np.linalg.solve(inputs.T @ inputs + len(inputs) * 0.01 * np.eye(size), inputs.T @ (pixels - mean))
        made = mean + noisy(vectors.test[:RESTORED], sigma, 103) @ maps
        found[name] = similarity(made, truth)
    return {**found, "mean_image": similarity(np.tile(mean, (RESTORED, 1)), truth)}


def similarity(made: Floats, truth: torch.Tensor) -> float:
    """Return the median SSIM of rows of pixels in 0..1."""
    pictures = torch.from_numpy((made.clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, 32, 32, 3))
    return float(ssim(pictures.permute(0, 3, 1, 2).contiguous(), truth.contiguous()).median())
