"""Noise after encryption: what it costs in accuracy, and how many known pairs undo it; as JSON.

    python experiments/laws/noise_after.py cifar10.npz le > experiments/records/laws/noise_after_le.json
    python experiments/laws/noise_after.py --table experiments/records/laws/noise_after_le.json

Ciphertexts (32 x 32, blocks of 4, one key) get Gaussian noise of `sigma`, in units of the range -1..1 of a value. The
attacker holds n pairs of an image and its noisy ciphertext, and takes for each place the pixel that it is nearest to;
of LE and ELE, which move halves of bytes, the nibble.
Fresh noise is averaged out over pairs: n grows with sigma squared, while accuracy falls.
"""

import sys
from typing import Any

import numpy as np
import torch
from places import SCHEMES, Images, accuracy, candidates, encrypted, explained, program

SIGMAS = (0.0, 0.5, 1.0, 2.0)
PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
BROKEN = 0.8
"""Of the variance of unseen ciphertexts, less their noise."""


def measured(images: Images, name: str, sigma: float) -> dict[str, Any]:
    """Return accuracy and what each number of pairs explains."""
    random = np.random.default_rng(0)
    train, test = (
        encrypted(part, SCHEMES[name], torch.zeros(len(part)).long()) for part in (images.train, images.test)
    )
    noisy, asked = (part + sigma * random.normal(size=part.shape) for part in (train, test))
    plain, unseen = candidates(images.train, name), candidates(images.test, name)
    found = {str(count): explained(plain[:count], noisy[:count], unseen, test) for count in PAIRS}
    enough = next((count for count in PAIRS if found[str(count)] >= BROKEN), None)
    right = accuracy(noisy, images.train_labels, asked, images.test_labels)
    row = {"scheme": name, "sigma": sigma, "accuracy": right, "explained": found, "pairs": enough}
    print(row, file=sys.stderr, flush=True)
    return row


def table(measured: list[dict[str, Any]]) -> None:
    """Print rows of records as a table."""
    print("| scheme | sigma | accuracy % | pairs that break it |" + "".join(f" {count} |" for count in PAIRS))
    print("|" + " --- |" * (4 + len(PAIRS)))
    for row in measured:
        cells = [row["scheme"], f"{row['sigma']:.1f}", f"{100 * row['accuracy']:.1f}", str(row["pairs"] or "> 2048")]
        cells += [f"{row['explained'][str(count)]:.2f}" for count in PAIRS]
        print(f"| {' | '.join(cells)} |")
    print("\n- Columns of numbers: the share of the variance of 2,000 unseen ciphertexts (without noise) that so many")
    print(f"  known pairs explain; broken: from {BROKEN} on. Accuracy: of a linear classifier, 5,000 images.")


if __name__ == "__main__":
    program(__doc__, measured, SIGMAS, table)
