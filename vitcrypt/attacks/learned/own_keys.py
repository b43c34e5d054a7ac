"""Encrypting with keys of the attacker's own, another one for every image of a batch, on the device of the images.

The algorithms are public. What `vitcrypt.encryption` does for one key at a time is done here for a batch, directly on
the images, since a training needs millions of keys; tests compare the two. A scheme that is not known here goes the
slow way.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vitcrypt.encryption import ELE, LE, PE, EtC, Plain, Proposed, Scheme, Shape, SignedPermutation, primitives

Subkeys = dict[str, Tensor]


def draw(scheme: Scheme, shape: Shape, count: int, random: torch.Generator, device: str = "cpu") -> Subkeys:
    """Draw subkeys for `count` images: as the scheme takes them, with a first dimension of `count`.

    What is drawn follows from `random`, which lies on the CPU; on `device` it is sorted.
    """
    subkeys = {}
    for name, stage in scheme.stages(shape).items():
        size = (count, *stage.shape)
        if stage.kind == "permutation":
            subkeys[name] = torch.rand(size, generator=random).to(device).argsort(-1)
        else:
            drawn = torch.randint(0, stage.bound, size, generator=random)
            subkeys[name] = drawn.bool() if stage.kind == "bits" else drawn
    return subkeys


def encrypt(scheme: Scheme, images: Tensor, subkeys: Subkeys) -> Tensor:
    """Encrypt uint8 [B, C, H, W], image i under subkeys[...][i]."""
    if type(scheme) in BATCHED:
        there = {name: subkey.to(images.device) for name, subkey in subkeys.items()}
        return BATCHED[type(scheme)](images, scheme.block_size, there)
    _, channels, height, width = images.shape
    keys = [{name: subkey[i] for name, subkey in subkeys.items()} for i in range(len(images))]
    return SignedPermutation.stack([scheme.cipher(key, (channels, height, width)) for key in keys])(images)


def _blocks(images: Tensor, size: int) -> Tensor:
    """Cut [B, C, H, W] into [B, N, C, size, size]."""
    batch, channels, height, width = images.shape
    rows = images.reshape(batch, channels, height // size, size, width // size, size)
    return rows.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, size, size)


def _image(blocks: Tensor, like: Tensor) -> Tensor:
    """Put blocks together to images of the size of others."""
    batch, channels, height, width = like.shape
    size = blocks.shape[-1]
    rows = blocks.reshape(batch, height // size, width // size, channels, size, size)
    return rows.permute(0, 3, 1, 4, 2, 5).reshape(like.shape)


def _moved(blocks: Tensor, subkeys: Subkeys) -> Tensor:
    return blocks[torch.arange(len(blocks), device=blocks.device)[:, None], subkeys["block_permutation"]]


def _orders(codes: Tensor) -> Tensor:
    return primitives.CHANNEL_ORDERS.to(codes.device)[codes]


def _pe(images: Tensor, size: int, subkeys: Subkeys) -> Tensor:  # noqa: ARG001
    negated = images ^ (subkeys["negation"] * 255).to(torch.uint8)
    if "channel_permutation" not in subkeys:
        return negated
    return negated.gather(1, _orders(subkeys["channel_permutation"]).permute(0, 3, 1, 2))


def _nibbles(images: Tensor, size: int, permutation: Tensor, inversion: Tensor) -> Tensor:
    """Return the blocks of LE, under a key for each of them: [B, N, 2d] or [B, 1, 2d]."""
    blocks = _blocks(images, size).permute(0, 1, 3, 4, 2)
    values = blocks.flatten(2)
    nibbles = torch.cat([values & 15, values >> 4], 2)
    moved = nibbles.gather(2, permutation.expand_as(nibbles)) ^ (inversion * 15).to(torch.uint8)
    low, high = moved.chunk(2, 2)
    return (low | high << 4).view(blocks.shape).permute(0, 1, 4, 2, 3)


def _le(images: Tensor, size: int, subkeys: Subkeys) -> Tensor:
    permutation, inversion = (subkeys[name].unsqueeze(1) for name in ("nibble_permutation", "nibble_inversion"))
    return _image(_nibbles(images, size, permutation, inversion), images)


def _ele(images: Tensor, size: int, subkeys: Subkeys) -> Tensor:
    blocks = _nibbles(images, size, subkeys["nibble_permutation"], subkeys["nibble_inversion"])
    return _image(_moved(blocks, subkeys), images)


def _etc(images: Tensor, size: int, subkeys: Subkeys) -> Tensor:
    blocks = _blocks(images, size)
    turned = primitives.rotate_flip(blocks.flatten(0, 1), subkeys["symmetry"].flatten()).view_as(blocks)
    coloured = turned.gather(2, _orders(subkeys["channel_permutation"])[..., None, None].expand_as(turned))
    negated = coloured ^ (subkeys["negation"] * 255).to(torch.uint8)[..., None, None, None]
    return _image(_moved(negated, subkeys), images)


def _proposed(images: Tensor, size: int, subkeys: Subkeys) -> Tensor:
    scrambled = _image(_moved(_blocks(images, size), subkeys), images)
    quarters = _blocks(scrambled, size // 2)
    pixels = quarters.flatten(3)
    shuffled = pixels.gather(3, subkeys["pixel_permutation"][:, None, None].expand_as(pixels))
    return _image(shuffled.view_as(quarters), images)


BATCHED: dict[type[Scheme], Callable[[Tensor, int, Subkeys], Tensor]] = {
    Plain: lambda images, size, subkeys: images,  # noqa: ARG005
    PE: _pe,
    LE: _le,
    ELE: _ele,
    EtC: _etc,
    Proposed: _proposed,
}
