"""Queries behind JPEG to networks that were trained on ciphertexts to the byte: what compression alone costs.

    python -m vitcrypt.run --config-dir experiments --config-name field_small field=etc_16,grayscale_etc_lossless \
        data=npz data.root=cifar10.npz names.data=cifar10
    python experiments/jpeg_queries.py cifar10.npz RUN ... > experiments/records/jpeg/queries.json

RUN: the folders of these runs. All test images of the file, encrypted by the scheme of the run under its key, as they
are and as JPEG of four qualities: EtC 4:4:4, grayscale EtC by one table for its three planes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from jpeg import ATTACKED
from torch import Tensor, nn

from vitcrypt.data import normalise, npz
from vitcrypt.encryption import EtC, EtCJPEG, GrayscaleEtC, ImageEncryption, Scheme
from vitcrypt.experiment.export import trained_tensors
from vitcrypt.keys import Key
from vitcrypt.models.networks import build_network


def measured(run: Path, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return the accuracies of a run's network, in percent, by quality."""
    record = json.loads((run / "result.json").read_text())
    config, key = record["config"], Key.test(record["key"]["public_test_key"])
    block, gray = config["encryption"]["block_size"], config["names"]["encryption"] == "grayscale_etc"
    schemes: dict[str, Scheme] = {"none": GrayscaleEtC(block, quality=None) if gray else EtC(block)}
    shape = (3, *images.shape[2:])
    seen = schemes["none"].output_shape(shape)
    network = build_network(config["model"], images.shape[2], len(record["classes"]), shape=seen)
    network.load_state_dict(trained_tensors(run / "last.ckpt", run, record["identity"]))
    for quality in ATTACKED:
        schemes[str(quality)] = GrayscaleEtC(block, quality, "planes") if gray else EtCJPEG(block, quality)
    found = {}
    for name, scheme in schemes.items():
        found[name] = accuracy(network.eval(), ImageEncryption(scheme, key, shape), images, labels)
    about = {"scheme": schemes["none"].name, "model": config["names"]["model"], "block": block}
    return {**about, "images": len(images), "accuracy": found}


@torch.no_grad()
def accuracy(network: nn.Module, encryption: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of encrypted images that a network classifies right, in percent."""
    parts = zip(torch.split(images, 500), torch.split(labels, 500), strict=True)
    right = sum(int((network(normalise(encryption(part))).argmax(1) == truth).sum()) for part, truth in parts)
    return 100 * right / len(images)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    test = npz(sys.argv[1]).test
    held = test.batch(list(range(len(test))))
    print(json.dumps([measured(Path(run), held["image"], held["label"]) for run in sys.argv[2:]], indent=1))
