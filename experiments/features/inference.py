"""What one vector of private features tells of its image: attributes, pixels, and what repetition adds; as JSON.

    python experiments/features/inference.py f10.npz f100.npz cifar10.npz cifar100.npz \
        > experiments/records/features/inference.json
    python experiments/features/inference.py --table experiments/records/features/inference.json

The files are those of frontier.py. The attacker knows the projection, the clip, the size of the noise and 5,000 public
images (CIFAR-100), trains on these under the same noise, and reads vectors of the owner's test images. Attributes: an
animal or a machine (logistic regression); brighter, and redder than blue, than the public median. Pixels: a network of
one hidden layer. The control reads vectors of nothing but noise.
"""

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attacks import similarity
from mechanism import SIZE, Floats, Images, Vectors, linked, noisy, projected
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from vitcrypt.attacks.learned.decoder import fitted
from vitcrypt.encryption.privacy import gaussian_epsilon

POINTS = ((128, 0.0), (128, 0.5), (256, 0.6))
RELEASES = (1, 4, 16)
QUERIES = 2000
SHOWN = 500
MACHINES = (8, 13, 41, 48, 58, 69, 81, 85, 89, 90)
ANIMALS = (1, 3, 4, 6, 7, 14, 15, 18, 19, 21, 24, 26, 27, 29, 30, 31, 32, 34, 36, 38, 42, 43, 44, 45, 50, 55, 63, 64)
ANIMALS += (65, 66, 67, 72, 73, 74, 75, 77, 78, 79, 80, 88, 91, 93, 95, 97, 99)
"""Of the classes of CIFAR-100, which stand in the order of the alphabet."""
Bits = NDArray[np.int64]


def pixel_attributes(public: Floats, private: Floats) -> dict[str, tuple[Bits, Bits]]:
    """Return attributes of images [n, 32, 32, 3], by name, of public and private ones."""
    values = {"bright": lambda images: images.mean((1, 2, 3))}
    values["red"] = lambda images: (images[..., 0] - images[..., 2]).mean((1, 2))
    found = {}
    for name, value in values.items():
        middle = np.median(value(public))
        found[name] = ((value(public) > middle).astype(int), (value(private) > middle).astype(int))
    return found


def inferred(rows: Floats, truth: Bits, queries: dict[str, Floats], asked: Bits) -> dict[str, float]:
    """Return the balanced accuracy of a probe that is trained on public rows, on each kind of query."""
    probe = LogisticRegression(C=0.1, max_iter=300, class_weight="balanced").fit(rows, truth)
    return {name: float(balanced_accuracy_score(asked, probe.predict(given))) for name, given in queries.items()}


def restored(
    vectors: Vectors, noise: float, pixels: Floats, queries: dict[str, Floats], truth: torch.Tensor
) -> dict[str, float]:
    """Return the median SSIM of what a decoder trained on public images, under fresh noise, draws of each query."""
    torch.manual_seed(0)
    scale = vectors.public.std()
    decoder = fitted(
        lambda epoch: torch.from_numpy(noisy(vectors.public, noise, 1000 + epoch) / scale), torch.from_numpy(pixels)
    )
    with torch.inference_mode():
        drawn = {name: decoder(torch.from_numpy(given[:SHOWN] / scale).float()) for name, given in queries.items()}
    return {name: similarity(made.double().numpy(), truth) for name, made in drawn.items()}


def point(held: Images, dimension: int, sigma: float, own: Any, public: Any) -> dict[str, Any]:
    """Return what each attack reaches at one dimension and noise."""
    vectors = projected(held, dimension)
    noise = sigma * vectors.clip
    images, others = own["test_images"] / 255.0, public["train_images"][: len(held.public)] / 255.0
    labels = public["train_labels"].reshape(-1)[: len(held.public)]
    queries = {"vectors": noisy(vectors.test, noise, 7), "control": noisy(0 * vectors.test, noise or 1.0, 8)}
    rows = noisy(vectors.public, noise, 9)
    known = np.isin(labels, MACHINES + ANIMALS)
    machines = np.isin(held.test_labels, (0, 1, 8, 9)).astype(int)
    is_machine = np.isin(labels, MACHINES).astype(int)
    attributes = {"machine": inferred(rows[known], is_machine[known], queries, machines)}
    for name, (theirs, asked) in pixel_attributes(others, images).items():
        attributes[name] = inferred(rows, theirs, queries, asked)
    truth = torch.from_numpy(own["test_images"][:SHOWN]).permute(0, 3, 1, 2)
    decoded = restored(vectors, noise, others.reshape(len(others), -1), queries, truth)
    decoded["mean_image"] = similarity(np.tile(others.mean(0).reshape(1, -1), (SHOWN, 1)), truth)
    found = {"dimension": dimension, "sigma": sigma, "attributes": attributes, "restored": decoded}
    print(found, file=sys.stderr, flush=True)
    return found | ({"repeated": repeated(vectors, sigma)} if sigma else {})


def repeated(vectors: Vectors, sigma: float) -> list[dict[str, Any]]:
    """Return linkage by the mean of r queries for one image, with fresh noise and with that of key and image."""
    gallery, train, rows = vectors.train[:SIZE], vectors.train[:QUERIES], []
    for count in RELEASES:
        fresh = np.mean([noisy(train, sigma * vectors.clip, 50 + number) for number in range(count)], 0)
        fixed = np.mean([noisy(train, sigma * vectors.clip, 50) for _ in range(count)], 0)
        told = {"fresh": linked(fresh, gallery)[0], "fixed": linked(fixed, gallery)[0]}
        epsilon = {
            "epsilon_fresh": gaussian_epsilon(2 * np.sqrt(count) / sigma),
            "epsilon_fixed": gaussian_epsilon(2 / sigma),
        }
        rows.append({"queries": count, **told, **epsilon})
    return rows


def table(path: str) -> None:
    """Print the record as tables."""
    record = json.loads(Path(path).read_text())
    names = list(record["points"][0]["attributes"])
    columns = ["d", "sigma", *names, "control, at most", "SSIM of the decoder", "control", "mean image"]
    print(f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), sep="\n")
    for row in record["points"]:
        cells = [str(row["dimension"]), str(row["sigma"])]
        cells += [f"{100 * row['attributes'][name]['vectors']:.1f}" for name in names]
        cells += [f"{100 * max(row['attributes'][name]['control'] for name in names):.1f}"]
        cells += [f"{row['restored'][name]:.3f}" for name in ("vectors", "control", "mean_image")]
        print(f"| {' | '.join(cells)} |")
    print("", "| d | sigma | queries | linked, noise fixed | epsilon | linked, noise fresh | epsilon |", sep="\n")
    print("|" + " --- |" * 7)
    for row in record["points"]:
        for of in row.get("repeated", []):
            cells = [str(row["dimension"]), str(row["sigma"]), str(of["queries"])]
            for kind in ("fixed", "fresh"):
                cells += [f"{100 * of[kind]:.1f}", f"{of[f'epsilon_{kind}']:.1f}"]
            print(f"| {' | '.join(cells)} |")
    counts = record["images"]
    print(f"\n- Attributes: balanced accuracy in percent, chance 50.0; {counts['public']:,} public and ", end="")
    print(f"{counts['test']:,} private images. SSIM: median of {counts['shown']}. Linkage (%): 2,000 among 10,000.")


def main(private: str, public: str, images: str, public_images: str) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    started, held = time.perf_counter(), Images.read(private, public)
    own, other = np.load(images), np.load(public_images)
    points = [point(held, *each, own, other) for each in POINTS]
    result = {
        "images": {"test": len(held.test), "public": len(held.public), "shown": SHOWN},
        "network_sha256": held.network,
        "points": points,
        "processor": platform.processor() or platform.machine(),
        "seconds": time.perf_counter() - started,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        table(*sys.argv[2:])
    elif len(sys.argv) == 5:
        main(*sys.argv[1:])
    else:
        sys.exit(__doc__)
