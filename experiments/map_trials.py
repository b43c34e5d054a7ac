"""Trials of attacks that know nothing of the scheme, on maps drawn anew for each: SSIM up to symmetry, and exactness.

    python experiments/map_trials.py topology cifar10.npz 2000:3 500:3       # ciphertexts:trials, 5,000 public images
    python experiments/map_trials.py isometry cifar10.npz 20:10 2000:5       # the same; 3,000 public images
    python experiments/map_trials.py trilateration cifar10.npz 50:3 200:3    # known pairs:trials, 4,000 public images

    python experiments/map_trials.py table experiments/records/maps/trials.json

Trial i takes its own images of the test set and its own map. One line of JSON a trial; `--record FILE` at the end adds
it to a list there, of which `table` prints medians and extremes over the trials.
`isometry` turns 4 x 4 blocks by a random orthogonal matrix; its `correlation` is that of restored and plain values,
`floor` the same with another matrix for each image.
"""

import itertools
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from attack_trials import cifar
from torch import Tensor

from vitcrypt.attacks import Isometry, Observation, Topology, Trilateration
from vitcrypt.encryption import Plain, Scheme, SignedPermutation
from vitcrypt.encryption.cipher import Properties
from vitcrypt.encryption.primitives import from_blocks, to_blocks
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


class Turned(Scheme):
    """Any map of blocks to floats, by a key that is not drawn here."""

    properties = Properties(dtype="float32")

    def stages(self, shape: tuple[int, int, int]) -> dict[str, Any]:
        """Name no subkeys."""
        return {}


def turned(images: Tensor, seed: int, each: bool = False) -> Tensor:
    """Turn the 4 x 4 blocks of images by a random orthogonal matrix, float32; `each` by one of its own."""
    random = np.random.default_rng(seed)
    factors, signs = np.linalg.qr(random.normal(size=(len(images) if each else 1, 48, 48)))
    matrices = torch.from_numpy(factors * np.sign(np.diagonal(signs, 0, 1, 2))[:, None]).float()
    blocks = to_blocks(images.float() / 127.5 - 1, 4)
    return from_blocks((blocks.flatten(2) @ matrices.mT).view(blocks.shape), (3, 32, 32))


def isometry(path: str, count: int, trial: int) -> dict[str, float]:
    """A random rotation of 4 x 4 blocks, from ciphertexts alone."""
    plain, public = own_images(path, count, trial), cifar(path, "train", 3000)

    def restored(ciphertexts: Tensor) -> Tensor:
        return Isometry()(Observation(Turned(4), ciphertexts, public_images=public)).images

    def correlation(images: Tensor) -> float:
        return float(np.corrcoef(images.flatten().numpy(), plain.flatten().numpy())[0, 1])

    found = restored(turned(plain, trial))
    floor = restored(turned(plain, trial, each=True))
    values = {"correlation": correlation(found), "floor": correlation(floor)}
    return values | quartiles(found[:200], plain[:200])


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print a line for each attack and number of images held: median (least to most) over the trials."""

    def over(group: list[dict[str, Any]], name: str, digits: int = 3) -> str:
        values = [row[name] for row in group if name in row]
        return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})" if values else ""

    print("| attack | holds | trials | median SSIM of a trial | correlation | with a map for each image | seconds |")
    print("|" + " --- |" * 7)
    for (attack, held), each in itertools.groupby(rows, lambda row: (row["attack"], row["held"])):
        group, kind = list(each), "known pairs" if attack == "trilateration" else "ciphertexts"
        shown = [f"`{attack}`", f"{held:,} {kind}", str(len(group)), over(group, "median")]
        shown += [over(group, "correlation"), over(group, "floor"), over(group, "seconds", 0)]
        print(f"| {' | '.join(shown)} |")


def main(kind: str, path: str, *cases: str) -> None:
    """Print a line for each trial, and add it to the record, if one is named."""
    record = Path(cases[-1]) if cases[-2:-1] == ("--record",) else None
    for case in cases[: -2 if record else None]:
        held, trials = map(int, case.split(":"))
        for trial in range(trials):
            started = time.perf_counter()
            found = {name: round(value, 4) for name, value in KINDS[kind](path, held, trial).items()}
            row = {"attack": kind, "held": held, "trial": trial, **found}
            row["seconds"] = round(time.perf_counter() - started, 1)
            print(json.dumps(row), flush=True)
            if record:
                rows = json.loads(record.read_text()) if record.exists() else []
                record.write_text(json.dumps([*rows, row], indent=1) + "\n")


KINDS = {"topology": topology, "isometry": isometry, "trilateration": trilateration}

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "table":
        print_table(sorted(json.loads(Path(sys.argv[2]).read_text()), key=lambda row: (row["attack"], row["held"])))
    elif len(sys.argv) > 3 and sys.argv[1] in KINDS:
        main(*sys.argv[1:])
    else:
        sys.exit(__doc__)
