"""Trials of attacks that know nothing of the scheme, on maps drawn anew for each: SSIM up to symmetry, and exactness.

    python experiments/map_trials.py topology cifar10.npz 2000:3 500:3       # ciphertexts:trials, 5,000 public images
    python experiments/map_trials.py trilateration cifar10.npz 50:3 200:3    # known pairs:trials, 4,000 public images

Trial i takes its own images of the test set and its own map. One line of JSON a trial.
"""

import json
import sys
import time

import numpy as np
import torch
from attack_trials import cifar
from torch import Tensor

from vitcrypt.attacks import Observation, Topology, Trilateration
from vitcrypt.encryption import Plain, SignedPermutation
from vitcrypt.metrics import symmetric_ssim


def drawn(seed: int, size: int) -> SignedPermutation:
    """Draw a permutation of all bytes of an image, each complemented or not."""
    random = np.random.default_rng(seed)
    return SignedPermutation(
        torch.from_numpy(random.permutation(size)), torch.from_numpy(random.integers(0, 2, size).astype(np.uint8) * 255)
    )


def own_images(path: str, count: int, trial: int) -> Tensor:
    """Return `count` test images of a trial; sets of small trials do not overlap."""
    images = cifar(path, "test", 10000)
    start = trial * count % (len(images) - count + 1)
    return images[start : start + count]


def quartiles(images: Tensor, plain: Tensor) -> dict[str, float]:
    """Return lower quartile, median and upper quartile of the SSIM of the best versions."""
    values = symmetric_ssim(images, plain)[0]
    return {name: float(values.quantile(q)) for name, q in (("lower", 0.25), ("median", 0.5), ("upper", 0.75))}


def topology(path: str, count: int, trial: int) -> dict[str, float]:
    """A permutation of all 3,072 bytes with signs, from ciphertexts alone."""
    plain = own_images(path, count, trial)
    held = Observation(Plain(), drawn(trial, 3072)(plain), public_images=cifar(path, "train", 5000))
    return quartiles(Topology()(held).images[:200], plain[:200])


def trilateration(path: str, pairs: int, trial: int) -> dict[str, float]:
    """The same kind of map, from known pairs and public images."""
    cipher, plain = drawn(trial, 3072), own_images(path, 100, trial)
    start = 5000 + trial * pairs
    known, public = cifar(path, "train", start + pairs)[start:], cifar(path, "train", 4000)
    held = Observation(Plain(), cipher(plain), known=(known, cipher(known)), public_images=public)
    return quartiles(Trilateration()(held).images, plain)


if __name__ == "__main__":
    kinds = {"topology": topology, "trilateration": trilateration}
    if len(sys.argv) < 4 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    for case in sys.argv[3:]:
        held, trials = map(int, case.split(":"))
        for trial in range(trials):
            started = time.perf_counter()
            found = {name: round(value, 4) for name, value in kinds[sys.argv[1]](sys.argv[2], held, trial).items()}
            seconds = round(time.perf_counter() - started, 1)
            print(
                json.dumps({"attack": sys.argv[1], "held": held, "trial": trial, **found, "seconds": seconds}),
                flush=True,
            )
