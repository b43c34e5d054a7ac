"""Accuracy, linkage and bounds of private features over dimension and noise, and attacks on one point; as JSON.

    python experiments/features/extract.py lite0_128.onnx cifar10.npz f10.npz --train 10000 --test 2000
    python experiments/features/extract.py lite0_128.onnx cifar100.npz f100.npz --train 5000 --test 1
    python experiments/features/frontier.py f10.npz f100.npz cifar10.npz cifar100.npz > frontier.json

The last goes to experiments/records/features/. CIFAR-10 is the owner's, CIFAR-100 is public. Vectors are the first d
whitened principal components of the public features, clipped at the norm that a tenth of the public vectors stays
below. `sigma` is the noise in units of `clip`.

Training rows are released once. The provider takes their class means, which average the noise out, and classifies by
the nearest: noisy queries (`noisy`), or vectors without noise, where the means go back to the owner (`returned`). Then
a query is the owner's code of its class, with noise (`coded`). Linkage is by likelihood ratio with all known but the
noise: the nearest of the gallery, which no attack on one release beats if all are equally likely. `in class`: labels
known too.
"""

import json
import math
import platform
import sys
import time
from typing import Any

import attacks
import numpy as np
from mechanism import (
    SEEDS,
    SIZE,
    Images,
    Vectors,
    bounds,
    linked,
    nearest_mean,
    noisy,
    projected,
    released_codes,
)
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

DIMENSIONS = (32, 128, 256)
SIGMAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7)
CODE_SIGMAS = (0.0, 0.2, 0.3, 0.4)
CODES = (50, 100, 200, 500)
SET_ASIDE = 500
POINT = (128, 0.5)
"""Of the attacks."""


def row(vectors: Vectors, sigma: float, seed: int) -> dict[str, Any]:
    """Return what one draw of the noise gives."""
    held, noise = vectors.held, sigma * vectors.clip
    rows = noisy(vectors.train, noise, 3 * seed)
    means = np.stack([rows[held.train_labels == label].mean(0) for label in range(10)])
    queries = noisy(vectors.test, noise, 3 * seed + 1)
    gallery = np.concatenate([vectors.test, vectors.train])[:SIZE]
    owner = nearest_mean(vectors.test, means)
    rows_linked, in_class = linked(rows, vectors.train, held.train_labels)
    measured = {
        "noisy": np.mean(nearest_mean(queries, means) == held.test_labels),
        "returned": np.mean(owner == held.test_labels),
        "rows_linked": rows_linked,
        "rows_linked_in_class": in_class,
        "queries_linked": linked(queries, gallery)[0],
    }
    everyone = np.concatenate([owner, nearest_mean(vectors.train, means)])[:SIZE]
    for code_sigma in CODE_SIGMAS:
        right, found = released_codes(owner, held.test_labels, everyone, code_sigma, 3 * seed + 2)
        measured |= {f"coded_{code_sigma}": right, f"coded_{code_sigma}_linked": found}
    return {name: float(value) for name, value in measured.items()}


def frontier(held: Images) -> list[dict[str, Any]]:
    """Return a row for each dimension and noise: means over draws of the noise."""
    rows = []
    for dimension in DIMENSIONS:
        vectors = projected(held, dimension)
        for sigma in SIGMAS:
            draws = [row(vectors, sigma, seed) for seed in range(SEEDS if sigma else 1)]
            means = {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
            rows.append({"dimension": dimension, "sigma": sigma, **bounds(dimension, sigma), **means})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def codes(held: Images) -> list[dict[str, Any]]:
    """Return accuracy and linkage of nothing but the nearest of K public cluster centres: many images share one."""
    rows = []
    for count in CODES:
        centres = KMeans(count, n_init=1, random_state=0).fit(held.public)
        train, test = (centres.predict(part) for part in (held.train, held.test))
        counts = np.full((count, 10), 0.1)
        np.add.at(counts, (train, held.train_labels), 1)
        right = np.mean(counts.argmax(1)[test] == held.test_labels)
        found = len(np.unique(train[:SIZE])) / SIZE  # a code names one of its images, by chance
        rows.append({"codes": count, "accuracy": float(right), "rows_linked": found, "leakage_bits": math.log2(count)})
    return rows


def set_aside(held: Images) -> dict[str, Any]:
    """Return what owners reach who learn from a few of their own labelled images, and what they then may release."""
    own = LogisticRegression(C=3, max_iter=500).fit(held.train[:SET_ASIDE], held.train_labels[:SET_ASIDE])
    test, train = own.predict(held.test), own.predict(held.train[SET_ASIDE:])
    everyone = np.concatenate([test, train])[:SIZE]
    right, found = released_codes(test, held.test_labels, everyone, 0.2, 0)
    alone = float(np.mean(test == held.test_labels))
    return {"images": SET_ASIDE, "alone": alone, "coded_0.2": right, "coded_0.2_linked": found}


def main(private: str, public: str, images: str, public_images: str) -> None:
    """Measure and print."""
    started, held = time.perf_counter(), Images.read(private, public)
    plain = LogisticRegression(C=10, max_iter=300).fit(held.train, held.train_labels)
    result = {
        "images": {"train": len(held.train), "test": len(held.test), "public": len(held.public), "gallery": SIZE},
        "network_sha256": held.network,
        "seeds": SEEDS,
        "plain": plain.score(held.test, held.test_labels),
        "rows": frontier(held),
        "codes": codes(held),
        "set_aside": set_aside(held),
        "attacks": attacks.all_of(held, *POINT, images, public_images),
        "processor": platform.processor() or platform.machine(),
        "seconds": time.perf_counter() - started,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
