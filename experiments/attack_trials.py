"""Repeated trials of attacks, each with images and a key of its own, as JSON: a row for each scheme and number.

    python experiments/attack_trials.py known cifar10.npz         # 20 keys a scheme, more pairs until all are exact
    python experiments/attack_trials.py jigsaw cifar10.npz        # 100 x 1 and 30 x 2 ciphertexts, proposed, 224 / 16
    python experiments/attack_trials.py photographs               # six photographs, alone and under one key
    python experiments/attack_trials.py statistics cifar10.npz pe:50:10 pe:10:10 le:50:6 le:10:6 etc:1000:9 ele:100:10

`statistics` takes scheme:ciphertexts:trials (also ele:50:10, ele:1000:3), with 2,000 public images. Of each trial: the
least share of a subkey that was found (1: the key is exact), the median SSIM of the best version of its images (the
first 100), and seconds. Recorded in experiments/records/trials; trials_table.py prints the table of
docs/threat-model.md.

The .npz file holds `train_images` and `test_images`, uint8 [N, 32, 32, 3].
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitcrypt.attacks import Jigsaw, KnownPlaintext, Observation, Reconstruction, Statistics
from vitcrypt.data import resize
from vitcrypt.data.decode import crop_square
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import key_shares, symmetric_ssim

SMALL: dict[str, Scheme] = {"pe": PE(), "le": LE(4), "etc": EtC(4), "ele": ELE(4)}
Row = dict[str, Any]
Attack = Callable[[Scheme, Tensor, Tensor], Reconstruction]
"""From a scheme, ciphertexts and the images that are known to what was restored."""


def cifar(path: str, split: str, count: int) -> Tensor:
    """Return the first images of a split, uint8 [count, 3, 32, 32]."""
    return torch.from_numpy(np.load(path)[f"{split}_images"][:count]).permute(0, 3, 1, 2).contiguous()


def trials(method: str, scheme: Scheme, attack: Attack, sets: list[Tensor], first_key: int, images: str) -> Row:
    """Attack each set of images under a key of its own; return the row of all."""
    row: Row = {"method": method, "scheme": scheme.name, "images": images, "side": sets[0].shape[-1]}
    row |= {"block": getattr(scheme, "block_size", 1), "options": repr(scheme), "number": len(sets[0])}
    row |= {"exact": 0, "shares": [], "ssim": [], "seconds": []}
    for i, plain in enumerate(sets):
        key, shape = Key.test(f"test-{first_key + i}"), (3, *plain.shape[2:])
        ciphertexts, truth = ImageEncryption(scheme, key, shape)(plain), scheme.subkeys(key, shape)
        started = time.perf_counter()
        found = attack(scheme, ciphertexts, plain)
        row["seconds"].append(round(time.perf_counter() - started, 2))
        row["shares"].append(round(min(key_shares(found.subkeys, truth).values()), 4))
        row["exact"] += all(torch.equal(found.subkeys[name], truth[name]) for name in truth)
        shown = found.images[:100]
        row["ssim"].append(round(symmetric_ssim(shown, plain[: len(shown)])[0].median().item(), 4))
    print({name: row[name] for name in ("method", "options", "number", "exact")}, file=sys.stderr, flush=True)
    return row


def split(images: Tensor, count: int, sets: int) -> list[Tensor]:
    """Return disjoint sets of images."""
    return list(images[: count * sets].split(count))


def restore(scheme: Scheme, ciphertexts: Tensor, _: Tensor) -> Reconstruction:
    """Run the jigsaw attack."""
    return Jigsaw()(Observation(scheme, ciphertexts))


def jigsaw(path: str) -> Iterator[Row]:
    """One ciphertext under each of 100 keys, two under each of 30."""
    images = resize(cifar(path, "test", 160), 224)
    yield trials("jigsaw", Proposed(16), restore, split(images, 1, 100), 0, "CIFAR-10")
    yield trials("jigsaw", Proposed(16), restore, split(images[100:], 2, 30), 200, "CIFAR-10")


def photographs() -> Iterator[Row]:
    """Six photographs at 224 x 224, each alone, then all under one key, twice."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    arrays = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    arrays += [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    squares = [crop_square(Image.fromarray(a)).resize((224, 224), Image.Resampling.BICUBIC) for a in arrays]
    images = torch.stack([torch.from_numpy(np.array(square)).permute(2, 0, 1) for square in squares]).contiguous()
    yield trials("jigsaw", Proposed(16), restore, split(images, 1, 6), 0, "photographs")
    yield trials("jigsaw", Proposed(16), restore, [images, images], 11, "photographs")


def known(path: str) -> Iterator[Row]:
    """Known pairs under each of 20 keys, more and more until every key is exact."""

    def solve(scheme: Scheme, ciphertexts: Tensor, plain: Tensor) -> Reconstruction:
        return KnownPlaintext()(Observation(scheme, ciphertexts[:1], known=(plain, ciphertexts)))

    images = cifar(path, "test", 1000)
    cases: list[tuple[Scheme, int]] = [(PE(channel_shuffle=False), 32), *((s, 32) for s in SMALL.values())]
    for scheme, size in [*cases, (Proposed(16), 224)]:
        for count in (1, 2, 3, 5, 10, 20, 50):
            sets = [resize(part, size) for part in split(images, count, 20)]
            yield (row := trials("known_plaintext", scheme, solve, sets, 0, "CIFAR-10"))
            if row["exact"] == len(sets):
                break


def statistics(path: str, cases: list[str]) -> Iterator[Row]:
    """Disjoint sets of images, and 2,000 public ones."""
    public = cifar(path, "train", 2000)

    def guess(scheme: Scheme, ciphertexts: Tensor, _: Tensor) -> Reconstruction:
        return Statistics()(Observation(scheme, ciphertexts, public_images=public))

    for case in cases:
        name, count, repeats = case.split(":")
        sets = split(cifar(path, "test", 10000), int(count), int(repeats))
        yield trials("statistics", SMALL[name], guess, sets, 10, "CIFAR-10")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["jigsaw", path]:
            rows = jigsaw(path)
        case ["photographs"]:
            rows = photographs()
        case ["known", path]:
            rows = known(path)
        case ["statistics", path, *cases] if cases:
            rows = statistics(path, cases)
        case _:
            sys.exit(__doc__)
    print(json.dumps(list(rows), indent=1))
