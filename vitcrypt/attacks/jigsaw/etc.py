"""The jigsaw attack on EtC: its key from ciphertexts alone, by the borders of its blocks.

The 96 states of the whole image are versions of one another; public images, where there are some, say which one is
likeliest, by a normal distribution of the means of blocks.
"""

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints, blocks_of, decrypt
from vitcrypt.attacks.jigsaw.turned import INVERSE, PRODUCT, STATES, borders, solve, turned
from vitcrypt.encryption import EtC
from vitcrypt.encryption.primitives import CHANNEL_ORDERS


def recover(scheme: EtC, ciphertexts: Tensor, public: Tensor | None) -> dict[str, Tensor]:
    """Return the subkeys of ciphertexts uint8 [n, C, H, W] under one key."""
    rows, columns = (side // scheme.block_size for side in ciphertexts.shape[-2:])
    layout, states = solve(borders(blocks_of(ciphertexts, scheme.block_size).double().numpy()), rows, columns)
    found = subkeys(layout, states)
    if public is None:
        return found
    restored, seen = (_means(scheme, images) for images in (decrypt(scheme, found, ciphertexts), public))
    best = likeliest(restored, seen)
    return subkeys(turned(layout, best // 12), PRODUCT[best, turned(states, best // 12)])


def likeliest(restored: Floats, public: Floats) -> int:
    """Return the state that makes images [n, 3, rows, columns] likest to public ones, by their mean and covariance."""
    mean = public.mean(0).ravel()
    spread = public.reshape(len(public), -1) - mean
    covariance = spread.T @ spread / len(public)
    inverse = np.linalg.inv(covariance + 0.01 * np.trace(covariance) / len(mean) * np.eye(len(mean)))
    least, best = np.inf, 0
    for state in range(STATES):
        view = turned(restored[:, CHANNEL_ORDERS[state % 6]], state // 12) * (-1) ** (state // 6 % 2)
        if view.shape == restored.shape:
            off = view.reshape(len(view), -1) - mean
            surprise = np.einsum("ni,ij,nj->", off, inverse, off)
            least, best = min((least, best), (surprise, state))
    return best


def subkeys(layout: Ints, states: Ints) -> dict[str, Tensor]:
    """Return what turns the plain blocks, row by row, into the pieces of a layout in their states."""
    pieces, undone = torch.from_numpy(layout.copy()).flatten(), torch.from_numpy(INVERSE[states]).flatten()
    return {
        "symmetry": undone // 12,
        "negation": undone // 6 % 2 == 1,
        "channel_permutation": undone % 6,
        "block_permutation": pieces.argsort(),
    }


def _means(scheme: EtC, images: Tensor) -> Floats:
    """Return the means of blocks less mid-grey: [n, 3, rows, columns]."""
    return torch.nn.functional.avg_pool2d(images.double() - 127.5, scheme.block_size).numpy()
