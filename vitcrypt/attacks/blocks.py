"""What several attacks share: images cut into blocks and nibbles, colour codes, and decryption with a guessed key."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.encryption import Scheme
from vitcrypt.encryption.primitives import CHANNEL_ORDERS, to_blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def blocks_of(images: Tensor, size: int) -> Tensor:
    """Cut images [n, C, H, W] into blocks [N, n, C, B, B]."""
    return to_blocks(images, size).transpose(0, 1)


def nibbles_of(images: Tensor, size: int) -> Tensor:
    """Return the nibbles of every block of uint8 [n, C, H, W] in LE's order: uint8 [N, 2d, n]."""
    # (row, column, channel), then image
    values = blocks_of(images, size).permute(0, 3, 4, 2, 1).flatten(1, 3)
    return torch.cat([values & 15, values >> 4], 1)


def channel_codes(orders: Tensor) -> Tensor:
    """Return the colour code, 0..5, of each order of three channels: int64 [..., 3] to [...]."""
    return (orders[..., None, :] == CHANNEL_ORDERS).all(-1).int().argmax(-1)


def decrypt(scheme: Scheme, subkeys: dict[str, Tensor], ciphertexts: Tensor) -> Tensor:
    """Decrypt uint8 [n, C, H, W] with guessed subkeys, which `scheme.cipher` checks; on the CPU."""
    channels, height, width = ciphertexts.shape[1:]
    images: Tensor = scheme.cipher(subkeys, (channels, height, width)).inverse()(ciphertexts.cpu())
    return images
