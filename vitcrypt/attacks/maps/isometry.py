"""Any fixed map of blocks that keeps distances, from ciphertexts alone; nothing else is known of it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vitcrypt.attacks.maps.orthogonal import estimated_isometry, moments
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.encryption.cipher import scaled
from vitcrypt.encryption.primitives import from_blocks, to_blocks


@dataclass(frozen=True)
class Isometry:
    """Undo a rotation of blocks, or a signed permutation within them, that is the same at all places and in all images.

    Args:
        most: How many leading directions of a block are restored at most.
    """

    most: int = 64
    name = "isometry"

    def __post_init__(self) -> None:
        """Check the number of directions."""
        if self.most < 1:
            raise ValueError(f"attack.method.most={self.most}: set it to at least 1")

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs ciphertexts under one key and public images.

        Raises:
            ValueError: Something is missing, or ciphertexts do not divide into blocks at the places of the plain ones.
        """
        public: Tensor = observation.need(self.name, "public_images", shared=True)
        size, shape = observation.scheme.block_size, observation.shape
        rows, columns = shape[1] // size, shape[2] // size
        ours = _cut(scaled(observation.all_ciphertexts.cpu()), rows, columns)
        plain = scaled(public.cpu())
        expected = moments(to_blocks(plain, size).flatten(2).view(len(plain), rows, columns, -1))
        power = float(ours.square().sum(-1).mean())
        # plain values are in -1..1, and floats may be of another unit
        ratio = float(expected.second.trace()) / max(power, 1e-12)
        scale = 1.0 if 0.25 < ratio < 4 else ratio**0.5
        isometry = estimated_isometry(moments(scale * ours), expected, self.most)
        blocks = scale * ours[: len(observation.ciphertexts)] @ isometry
        images = from_blocks(blocks.reshape(len(blocks), -1, shape[0], size, size), shape)
        restored = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return Reconstruction(restored, details={"ciphertexts_used": observation.count, "scale": scale})


def _cut(ciphertexts: Tensor, rows: int, columns: int) -> Tensor:
    """Cut [n, C', H', W'] into [n, rows, columns, e]."""
    count, _, height, width = ciphertexts.shape
    if min(rows, columns) < 3 or height % rows or width % columns:
        raise ValueError(
            f"isometry compares neighbours in a grid of at least 3 x 3 blocks; ciphertexts of {height} x {width} "
            f"do not make {rows} x {columns} of them"
        )
    blocks = ciphertexts.view(count, -1, rows, height // rows, columns, width // columns)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(count, rows, columns, -1)
