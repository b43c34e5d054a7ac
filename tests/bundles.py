"""Bundles of networks that were never trained: what is served matters, not how well it classifies."""

from pathlib import Path

import torch

from vitcrypt.build import build_network
from vitcrypt.keys import Key
from vitcrypt.service import Bundle

VIT = {
    "network": {
        "_target_": "timm.create_model",
        "model_name": "vit_tiny_patch16_224",
        "img_size": 16,
        "patch_size": 4,
        "embed_dim": 16,
        "depth": 1,
        "num_heads": 2,
    },
    "adaptation": "none",
    "patch_size": 4,
    "block_size": 4,
}
RESNET = {"network": {"_target_": "vitcrypt.models.ResNet18", "width": 4}, "patch_size": None, "block_size": 4}
KEY = Key.test("test-0")


def described(**changes) -> Bundle:
    """A bundle on classes 0..9 of 16 x 16 images under the proposed scheme."""
    values = {
        "model": VIT,
        "image_size": 16,
        "interpolation": "bilinear",
        "classes": [str(digit) for digit in range(10)],
        "scheme": {"name": "proposed", "block_size": 4},
        "fingerprint": KEY.fingerprint,
        "key_scope": "shared",
        "origin": {"identity": "01234567", "names": {"model": "vit_tiny"}},
    }
    return Bundle(**values | changes)


def network_of(bundle: Bundle) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(bundle.model, bundle.image_size, len(bundle.classes)).eval()


def written(folder: Path, **changes) -> Bundle:
    bundle = described(**changes)
    return bundle.write(folder, network_of(bundle))
