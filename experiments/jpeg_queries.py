"""Queries behind JPEG to networks that were trained on ciphertexts to the byte: what compression alone costs.

    python -m vitcrypt.run --config-dir experiments --config-name field_small field=etc_16 model=vit_micro \
        data=npz data.root=cifar10.npz names.data=cifar10
    python experiments/jpeg_queries.py cifar10.npz RUN ... > experiments/records/jpeg/queries.json

RUN: the folders of these runs. All test images of the file, encrypted by EtC under the run's key, as they are and as
JPEG (4:4:4) of four qualities.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from jpeg import ATTACKED
from torch import Tensor, nn

from vitcrypt.data import normalise, npz
from vitcrypt.encryption import EtC, ImageEncryption
from vitcrypt.encryption.compressed import Compressed
from vitcrypt.experiment.export import trained_tensors
from vitcrypt.keys import Key
from vitcrypt.models.networks import build_network


def measured(run: Path, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return the accuracies of a run's network, in percent, by quality."""
    record = json.loads((run / "result.json").read_text())
    config = record["config"]
    network = build_network(config["model"], images.shape[2], len(record["classes"]))
    network.load_state_dict(trained_tensors(run / "last.ckpt", run, record["identity"]))
    scheme, shape = EtC(config["encryption"]["block_size"]), (3, *images.shape[2:])
    whole = ImageEncryption(scheme, Key.test(record["key"]["public_test_key"]), shape).cipher
    ciphers = {"none": whole, **{str(quality): Compressed(whole, quality) for quality in ATTACKED}}
    found = {name: accuracy(network.eval(), cipher, images, labels) for name, cipher in ciphers.items()}
    return {"model": config["names"]["model"], "block": scheme.block_size, "images": len(images), "accuracy": found}


@torch.no_grad()
def accuracy(network: nn.Module, cipher: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of encrypted images that a network classifies right, in percent."""
    parts = zip(torch.split(images, 500), torch.split(labels, 500), strict=True)
    right = sum(int((network(normalise(cipher(part))).argmax(1) == truth).sum()) for part, truth in parts)
    return 100 * right / len(images)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    test = npz(sys.argv[1]).test
    held = test.batch(list(range(len(test))))
    print(json.dumps([measured(Path(run), held["image"], held["label"]) for run in sys.argv[2:]], indent=1))
