"""What encrypted images show by being used, whatever the keys: one JSON document with a row for each scheme.

    python experiments/key_from_use.py cifar10.npz > experiments/records/use/key_from_use.json

Blocks of 4 x 4, 32 x 32. `shared`: one key for all images; `fresh`: a key for each. Whoever serves sees all of it.

- again_shared, again_fresh: of two ciphertexts of one image among those of 200, how often the other one is the nearest,
  by the bytes (shared) or by `Scheme.invariants` (fresh); again_jpeg90: the second one is of a JPEG copy.
- distances: correlation of the L2 distances between 200 ciphertexts under one key with those between their images.
- size: rank correlation of the bytes of a ciphertext as PNG, under a key for each, with those of its image.
- label: accuracy of nearest neighbours (9 of 5,000 labelled public images, by invariants) on 500 ciphertexts under
  a key for each.
- seconds_black, seconds_noise: encrypting 100 black images, or 100 of white noise; median of 20 times.
"""

import json
import sys
import time
from io import BytesIO
from statistics import median

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor

from vitcrypt.data.copies import jpeg
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.encryption.image_encryption import KeyScope
from vitcrypt.keys import Key

SHAPE, FEW, TESTED, PUBLIC, NEIGHBOURS, TIMES = (3, 32, 32), 200, 500, 5000, 9, 20


def encrypted(scheme: Scheme, images: Tensor, scope: KeyScope, first: int = 0) -> Tensor:
    """Encrypt under the key test-0; `first` is the number of the first image, which decides its own key."""
    numbers = torch.arange(first, first + len(images))
    return ImageEncryption(scheme, Key.test("test-0"), SHAPE, scope)(images, numbers)


def again(one: Tensor, other: Tensor) -> float:
    """Return how often the i-th of one set is nearest to the i-th of the other, in L1."""
    return float((torch.cdist(one, other, p=1).argmin(1) == torch.arange(len(one))).double().mean())


def png_size(image: Tensor) -> int:
    """Return how many bytes it takes."""
    file = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
    return file.tell()


def seconds(scheme: Scheme, images: Tensor) -> float:
    """Return how long encryption takes, the median."""
    encryption, measured = ImageEncryption(scheme, Key.test("test-0"), SHAPE), []
    for _ in range(TIMES):
        started = time.perf_counter()
        encryption(images)
        measured.append(time.perf_counter() - started)
    return median(measured)


def label_accuracy(scheme: Scheme, test: tuple[Tensor, Tensor], public: tuple[Tensor, Tensor]) -> float:
    """Return how many classes are told from what no key changes."""
    rows = scheme.invariants(encrypted(scheme, test[0], "per_image"))
    parts = [torch.cdist(rows, scheme.invariants(part), p=1) for part in torch.split(public[0], 250)]
    nearest = public[1][torch.cat(parts, 1).topk(NEIGHBOURS, largest=False).indices]
    return float((nearest.mode(1).values == test[1]).double().mean())


def row(scheme: Scheme, test: tuple[Tensor, Tensor], public: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Measure one scheme."""
    some = test[0][:FEW]
    shared, fresh = encrypted(scheme, some, "shared"), encrypted(scheme, some, "per_image")
    later, copies = (encrypted(scheme, images, "per_image", 50_000) for images in (some, jpeg(some, 90)))
    flat = [images.flatten(1).double() for images in (some, shared)]
    apart = [torch.pdist(images).numpy() for images in flat]
    sizes = [[png_size(image) for image in images] for images in (some, fresh)]
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (100, *SHAPE), dtype=np.uint8))
    return {
        "again_shared": again(shared.flatten(1).float(), encrypted(scheme, some, "shared", 50_000).flatten(1).float()),
        "again_fresh": again(scheme.invariants(fresh), scheme.invariants(later)),
        "again_jpeg90": again(scheme.invariants(fresh), scheme.invariants(copies)),
        "distances": float(np.corrcoef(*apart)[0, 1]),
        "size": float(spearmanr(*sizes).statistic),
        "label": label_accuracy(scheme, test, public),
        "seconds_black": seconds(scheme, torch.zeros_like(noise)),
        "seconds_noise": seconds(scheme, noise),
    }


def images_of(path: str, split: str, count: int) -> tuple[Tensor, Tensor]:
    """Return the first images of a split and their labels."""
    with np.load(path) as arrays:
        images, labels = arrays[f"{split}_images"][:count], arrays[f"{split}_labels"][:count]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).flatten().long()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    held = images_of(sys.argv[1], "test", TESTED), images_of(sys.argv[1], "train", PUBLIC)
    schemes: list[Scheme] = [Plain(), LE(4), EtC(4), ELE(4), PE(), Proposed(4)]
    print(json.dumps({scheme.name: row(scheme, *held) for scheme in schemes}, indent=1))
