"""The jigsaw attack on the proposed scheme: both keys from ciphertexts alone.

Block scrambling and pixel shuffling move pixels and change none, so neighbouring pixels stay alike. First K2, common to
all sub-blocks: places inside them are mapped by how alike their pixels are (`pixel_order`); which of the eight
symmetries of that map is right shows at the borders between the quadrants of a block, which do not move. Then K1: the
blocks are the pieces of a jigsaw puzzle with known orientation (`puzzle`). After Chuman and Kiya, "A jigsaw
puzzle solver-based attack on image encryption using vision transformer", arXiv 2211.02369 and Information 14(6):311,
2023; every step is written anew.
"""

import torch
from torch import Tensor

from vitcrypt.attacks.blocks import blocks_of, decrypt
from vitcrypt.attacks.jigsaw.pixel_order import map_to_grid, pixel_distances, symmetries
from vitcrypt.attacks.jigsaw.puzzle import fits, solve
from vitcrypt.encryption import Proposed


def recover(scheme: Proposed, ciphertexts: Tensor) -> dict[str, Tensor]:
    """Return the subkeys of ciphertexts uint8 [n, C, H, W] under one key."""
    pixels = pixel_permutation(scheme, ciphertexts)
    rows, columns = (side // scheme.block_size for side in ciphertexts.shape[-2:])
    pieces = blocks_of(_without_k1(scheme, pixels, ciphertexts), scheme.block_size)
    layout = solve(*fits(pieces.double().numpy()), rows, columns)
    return {"block_permutation": torch.from_numpy(layout.ravel()).argsort(), "pixel_permutation": pixels}


def pixel_permutation(scheme: Proposed, ciphertexts: Tensor) -> Tensor:
    """Return K2 of ciphertexts uint8 [n, C, H, W] under one key: int64 [(B/2)^2]."""
    side = scheme.block_size // 2
    if side == 1:
        return torch.zeros(1, dtype=torch.int64)
    patches = blocks_of(ciphertexts, side).double().flatten(0, 2).flatten(1)  # [patches, P]
    patches = patches - patches.mean(1, keepdim=True)
    places = map_to_grid(pixel_distances(patches.T.numpy()), side)
    candidates = [torch.from_numpy(view) for view in symmetries(places, side)]
    return min(candidates, key=lambda pixels: _roughness(scheme, pixels, ciphertexts))


def _without_k1(scheme: Proposed, pixels: Tensor, ciphertexts: Tensor) -> Tensor:
    """Undo pixel shuffling alone."""
    blocks = blocks_of(ciphertexts[:1], scheme.block_size)
    unmoved = {"block_permutation": torch.arange(len(blocks)), "pixel_permutation": pixels}
    return decrypt(scheme, unmoved, ciphertexts)


def _roughness(scheme: Proposed, pixels: Tensor, ciphertexts: Tensor) -> float:
    """Measure how rough the borders between the quadrants inside the blocks are."""
    images = _without_k1(scheme, pixels, ciphertexts).double()
    half, size = scheme.block_size // 2, scheme.block_size
    across = images[..., half::size] - images[..., half - 1 :: size]
    down = images[..., half::size, :] - images[..., half - 1 :: size, :]
    return float(across.square().log1p().sum() + down.square().log1p().sum())
