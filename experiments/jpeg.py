"""Ciphertexts behind JPEG over the quality of the file: bytes, what decryption gives back, and attacks.

    python experiments/photographs.py photographs.npz
    python experiments/jpeg.py cifar10.npz photographs.npz > experiments/records/jpeg/jpeg.json
    python experiments/jpeg_table.py experiments/records/jpeg experiments/records/field

The .npz files hold `test_images`. Sizes and restored images (median SSIM): 200 of each file, evenly spread. `linked`:
each under a key of its own, among 2,000 candidates (photographs: the 200 themselves). `jigsaw`: median SSIM from five
ciphertexts under one key, in blocks of 8, as CIFAR has only four of 16. Ten minutes on a busy core.
"""

import json
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks import Jigsaw, Link, Observation
from vitcrypt.encryption import EtCJPEG, GrayscaleEtC, ImageEncryption, Scheme
from vitcrypt.encryption.jpeg_files import encode
from vitcrypt.keys import Key
from vitcrypt.metrics import ssim, symmetric_ssim

QUALITIES = (70, 75, 80, 85, 90, 95, 100)
ATTACKED = (70, 80, 90, 100)
KEY = Key.test("test-0")


def images_of(path: str, count: int) -> Tensor:
    """Return test images, evenly spread, uint8 [n, 3, S, S]."""
    held = np.load(path)["test_images"]
    chosen = held[np.arange(count) * len(held) // count]
    return torch.from_numpy(chosen).permute(0, 3, 1, 2).contiguous()


def measured(scheme: EtCJPEG | GrayscaleEtC, images: Tensor, gallery: Tensor) -> dict[str, Any]:
    """Return a row of the record."""
    started, quality, shape = time.perf_counter(), scheme.quality, (3, *images.shape[2:])
    assert quality is not None
    encryption = ImageEncryption(scheme, KEY, shape)
    files, plain = encryption.files(images), [encode(image, quality) for image in images]
    sizes = sum(map(len, files)), sum(map(len, plain))
    row: dict[str, Any] = {"scheme": scheme.name, "table": getattr(scheme, "table", "standard")}
    row |= {"block": scheme.block_size, "side": shape[1], "quality": quality}
    row |= {"images": len(images), "bytes": sizes[0] / len(images), "plain": sizes[1] / len(images)}
    row["restored"] = ssim(images, encryption.decrypt(encryption(images))).median().item()
    if quality in ATTACKED:
        row["linked"] = linked(scheme, images, gallery)
    if quality in ATTACKED and isinstance(scheme, EtCJPEG) and shape[1] == 32:
        small = replace(scheme, block_size=8)
        found = Jigsaw()(Observation(small, ImageEncryption(small, KEY, shape)(images[:5])))
        row["jigsaw"] = symmetric_ssim(found.images, images[:5])[0].median().item()
    return {**row, "seconds": time.perf_counter() - started}


def linked(scheme: Scheme, images: Tensor, gallery: Tensor) -> float:
    """Return the share of ciphertexts, each under its own key, whose image is the nearest candidate."""
    shape = (3, *images.shape[2:])
    ciphertexts = ImageEncryption(scheme, KEY, shape, "per_image")(images, torch.arange(len(images)))
    held = Observation(scheme, ciphertexts, shared_key=False, gallery=gallery, plain_shape=shape)
    distances = Link()(held).distances
    assert distances is not None
    nearest = gallery[distances.argmin(1)]
    return float((nearest == images).flatten(1).all(1).double().mean())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rows = []
    for path, candidates in ((sys.argv[1], 2000), (sys.argv[2], 200)):
        gallery = images_of(path, candidates)
        some = gallery[:: candidates // 200]
        for kind in (EtCJPEG, GrayscaleEtC, partial(GrayscaleEtC, table="planes")):
            for quality in QUALITIES:
                rows.append(measured(kind(quality=quality), some, gallery))
                print(rows[-1], file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=1))
