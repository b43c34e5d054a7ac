"""The jigsaw attack on the proposed scheme: both keys from ciphertexts alone.

Block scrambling and pixel shuffling move pixels and change none, so neighbouring pixels stay alike. First K2, common to
all sub-blocks: places inside them are mapped by how alike their pixels are (`pixel_order`); which of the eight
symmetries of that map is right shows at the borders between the quadrants of a block, which do not move. Then K1: the
blocks are the pieces of a jigsaw puzzle with known orientation (`puzzle`). Costs of several ciphertexts under one key
add up. After Chuman and Kiya, "A jigsaw puzzle solver-based attack on image encryption using vision transformer",
arXiv 2211.02369 and Information 14(6):311, 2023; every step is written anew.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.jigsaw.pixel_order import map_to_grid, pixel_distances, symmetries
from vitcrypt.attacks.jigsaw.puzzle import fits, solve
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption import Proposed
from vitcrypt.encryption.primitives import to_blocks


@dataclass(frozen=True)
class Jigsaw:
    """Ciphertext-only recovery of K1 and K2, from one ciphertext upwards.

    Args:
        at_most: Look at no more than so many ciphertexts for the keys; all are decrypted. More hardly help.
    """

    at_most: int = 16
    name = "jigsaw"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Find K2, then K1, and decrypt.

        Under one key for every image each ciphertext is attacked alone, and no subkeys are returned.
        """
        observation.need(self.name, schemes=("proposed",))
        scheme = observation.scheme
        assert isinstance(scheme, Proposed)
        ciphertexts = observation.ciphertexts.cpu()
        if observation.shared_key:
            subkeys = recover(scheme, ciphertexts[: self.at_most])
            images = scheme.cipher(subkeys, observation.shape).inverse()(ciphertexts)
            return Reconstruction(images, subkeys, {"ciphertexts_used": min(self.at_most, len(ciphertexts))})
        alone = [
            scheme.cipher(recover(scheme, one[None]), observation.shape).inverse()(one) for one in ciphertexts.unbind()
        ]
        return Reconstruction(torch.stack(alone), details={"ciphertexts_used": 1})


def recover(scheme: Proposed, ciphertexts: Tensor) -> dict[str, Tensor]:
    """Return the subkeys of ciphertexts uint8 [n, C, H, W] under one key."""
    pixels = pixel_permutation(scheme, ciphertexts)
    height, width = ciphertexts.shape[-2:]
    rows, columns = height // scheme.block_size, width // scheme.block_size
    unshuffled = _without_k1(scheme, pixels, ciphertexts)
    pieces = to_blocks(unshuffled.flatten(0, 1), scheme.block_size).double().numpy()
    pieces = pieces.reshape(len(pieces), *ciphertexts.shape[:2], *pieces.shape[-2:])  # [N, n, C, B, B]
    layout = solve(*fits(pieces), rows, columns)
    return {"block_permutation": torch.from_numpy(layout.ravel()).argsort(), "pixel_permutation": pixels}


def pixel_permutation(scheme: Proposed, ciphertexts: Tensor) -> Tensor:
    """Return K2 of ciphertexts uint8 [n, C, H, W] under one key."""
    side = scheme.block_size // 2
    if side == 1:
        return torch.zeros(1, dtype=torch.int64)
    patches = to_blocks(ciphertexts.flatten(0, 1), side).double().flatten(0, 1).flatten(1)  # [patches, P]
    patches = patches - patches.mean(1, keepdim=True)
    candidates = [torch.from_numpy(p) for p in symmetries(map_to_grid(pixel_distances(patches.T.numpy()), side), side)]
    return candidates[int(np.argmin([_breaks(scheme, pixels, ciphertexts) for pixels in candidates]))]


def _without_k1(scheme: Proposed, pixels: Tensor, ciphertexts: Tensor) -> Tensor:
    """Undo pixel shuffling alone."""
    channels, height, width = ciphertexts.shape[1:]
    shape = (channels, height, width)
    unmoved = {"block_permutation": torch.arange(scheme.num_blocks(shape)), "pixel_permutation": pixels}
    return scheme.cipher(unmoved, shape).inverse()(ciphertexts)


def _breaks(scheme: Proposed, pixels: Tensor, ciphertexts: Tensor) -> float:
    """Say how rough the borders between the quadrants inside the blocks are."""
    images = _without_k1(scheme, pixels, ciphertexts).double()
    half, size = scheme.block_size // 2, scheme.block_size
    across = images[..., half::size] - images[..., half - 1 :: size]
    down = images[..., half::size, :] - images[..., half - 1 :: size, :]
    return float(across.square().log1p().sum() + down.square().log1p().sum())
