"""Accuracy, bound and linkage of rows that mix k training images of one class, under noise; as JSON, or its table.

    python experiments/features/mixing.py f10.npz f100.npz > experiments/records/features/mixing.json
    python experiments/features/mixing.py --table experiments/records/features/mixing.json

The files are those of `frontier.py`, and so are vectors, clip and `sigma`. The owner deals the training images of a
class into groups of k (some of one more), and releases the mean of each group with noise: every image is in one row.
Two sets that differ in one image, of the same class, then differ by 2 clip / k, from which epsilon follows. A query is
of one image and cannot be mixed: the provider's class means go back to the owner, who classifies without noise.

The attacker knows labels, a gallery with all members, and all but the noise and the groups. `linked` is how often the
candidate that is likeliest of a row is one of its k, the others taken as Gaussian like the gallery of that class.
`membership` is how often, of a training and a test image of one class, the one that fits its best row better is the
training image: 50 % tells nothing.
"""

import json
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mechanism import SEEDS, Floats, Images, Vectors, nearest_mean, noisy, projected
from numpy.typing import NDArray

from vitcrypt.encryption.privacy import DELTA, gaussian_epsilon

DIMENSION = 256
MIXED = (1, 4, 16, 64, 256)
SIGMAS = (0.0, 0.02, 0.05, 0.1, 0.2)
CLASSES = range(10)
ATTACKED = 2000
"""Rows, and images of each side of a membership, at most."""


def groups(labels: NDArray[np.int64], mixed: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal the images of each class into groups of at least `mixed`."""
    random = np.random.default_rng(seed)
    dealt = []
    for label in CLASSES:
        own = random.permutation(np.flatnonzero(labels == label))
        dealt += np.array_split(own, max(1, len(own) // mixed))
    return dealt


def scores(rows: Floats, candidates: Floats, gallery: Floats, mixed: int, noise: float) -> Floats:
    """Return by how much each candidate explains each row better than nobody in particular: [rows, candidates]."""
    mean, others = gallery.mean(0), (mixed - 1) / mixed**2
    spread = others * np.cov(gallery.T) + (noise**2 + 1e-12) * np.eye(len(mean))
    weighed = np.linalg.solve(spread, candidates.T / mixed)
    return (rows - (mixed - 1) / mixed * mean) @ weighed - (candidates.T * weighed).sum(0) / (2 * mixed)


def attacked(
    vectors: Vectors,
    dealt: list[NDArray[np.int64]],
    labels: NDArray[np.int64],
    rows: Floats,
    mixed: int,
    noise: float,
) -> dict[str, float]:
    """Return what both attacks reach, over all classes; `dealt`, `labels` and `rows` belong together."""
    train, held = vectors.train, vectors.held
    hits: list[bool] = []
    wins: list[float] = []
    for label in CLASSES:
        own = np.flatnonzero(labels == label)
        gallery = np.flatnonzero(held.train_labels == label)
        few = own[: ATTACKED // 10]
        best = gallery[scores(rows[few], train[gallery], train[gallery], mixed, noise).argmax(1)]
        hits += [found in dealt[index] for index, found in zip(few, best, strict=True)]
        outside = vectors.test[held.test_labels == label][: ATTACKED // 10]
        both = np.concatenate([train[gallery[: len(outside)]], outside])
        fit = scores(rows[own], both, train[gallery], mixed, noise).max(0)
        inside, other = fit[: len(outside), None], fit[None, len(outside) :]
        wins.append(float(((inside > other) + 0.5 * (inside == other)).mean()))
    return {"linked": float(np.mean(hits)), "membership": float(np.mean(wins))}


def measured(vectors: Vectors, mixed: int, sigma: float, seed: int) -> dict[str, float]:
    """Return what one dealing and one draw of the noise give."""
    dealt, noise = groups(vectors.held.train_labels, mixed, seed), sigma * vectors.clip
    rows = noisy(np.stack([vectors.train[members].mean(0) for members in dealt]), noise, 3 * seed)
    labels = np.array([vectors.held.train_labels[members[0]] for members in dealt])
    means = np.stack([rows[labels == label].mean(0) for label in CLASSES])
    accuracy = float(np.mean(nearest_mean(vectors.test, means) == vectors.held.test_labels))
    chance = np.mean([len(members) for members in dealt] / np.bincount(vectors.held.train_labels)[labels])
    found = attacked(vectors, dealt, labels, rows, mixed, noise)
    return {"rows": len(rows), "accuracy": accuracy, "chance": float(chance), **found}


def table(path: str) -> Iterator[str]:
    """Yield the lines of a record's table."""
    record = json.loads(Path(path).read_text())
    names = ("k", "sigma", "rows", "epsilon", "accuracy %", "linked %", "by chance", "membership %")
    yield f"| {' | '.join(names)} |"
    yield "|" + " --- |" * len(names)
    for row in record["rows"]:
        epsilon = f"{row['epsilon']:.2f}" if "epsilon" in row else "-"
        shares = [f"{100 * row[name]:.1f}" for name in ("accuracy", "linked", "chance", "membership")]
        yield f"| {row['mixed']} | {row['sigma']} | {row['rows']:,.0f} | {epsilon} | {' | '.join(shares)} |"
    yield ""
    counts = ", ".join(f"{count:,} {name}" for name, count in record["images"].items())
    yield f"- d = {record['dimension']}; images: {counts}; means of {record['seeds']} dealings and draws of noise."


def main(private: str, public: str) -> None:
    """Measure and print."""
    started, held = time.perf_counter(), Images.read(private, public)
    vectors, rows = projected(held, DIMENSION), []
    for mixed in MIXED:
        for sigma in SIGMAS:
            draws = [measured(vectors, mixed, sigma, seed) for seed in range(SEEDS)]
            means = {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
            proved = {"epsilon": gaussian_epsilon(2 / (mixed * sigma)), "delta": DELTA} if sigma else {}
            rows.append({"mixed": mixed, "sigma": sigma, **proved, **means})
            print(rows[-1], file=sys.stderr, flush=True)
    result: dict[str, Any] = {
        "dimension": DIMENSION,
        "images": {"train": len(held.train), "test": len(held.test), "public": len(held.public)},
        "network_sha256": held.network,
        "seeds": SEEDS,
        "rows": rows,
        "processor": platform.processor() or platform.machine(),
        "seconds": time.perf_counter() - started,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--table":
        print(*table(sys.argv[2]), sep="\n")
    else:
        main(*sys.argv[1:])
