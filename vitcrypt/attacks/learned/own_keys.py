"""Encrypting with keys of the attacker's own, another one for every image of a batch, on the device of the images."""

import torch
from torch import Tensor

from vitcrypt.encryption import Scheme, Shape

Subkeys = dict[str, Tensor]


def draw(scheme: Scheme, shape: Shape, count: int, random: torch.Generator, device: str = "cpu") -> Subkeys:
    """Draw subkeys for `count` images: as the scheme takes them, with a first dimension of `count`.

    What is drawn follows from `random`, which lies on the CPU; on `device` it is sorted.
    """
    if not (stages := scheme.stages(shape)) and scheme.properties.keyed:
        raise ValueError(f"{scheme.name} names no stages to draw keys of one's own from: write {scheme.name}.stages")
    subkeys = {}
    for name, stage in stages.items():
        size = (count, *stage.shape)
        if stage.kind == "permutation":
            subkeys[name] = torch.rand(size, generator=random).to(device).argsort(-1)
        elif stage.kind == "normal":
            subkeys[name] = torch.randn(size, generator=random, dtype=torch.float64)
        else:
            drawn = torch.randint(0, stage.bound, size, generator=random)
            subkeys[name] = drawn.bool() if stage.kind == "bits" else drawn
    return subkeys


def encrypt(scheme: Scheme, images: Tensor, subkeys: Subkeys) -> Tensor:
    """Encrypt uint8 [B, C, H, W], image i under subkeys[...][i]."""
    _, channels, height, width = images.shape
    there = {name: subkey.to(images.device) for name, subkey in subkeys.items()}
    return scheme.ciphers(there, (channels, height, width))(images)
