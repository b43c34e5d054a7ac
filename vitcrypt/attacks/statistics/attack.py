"""Second-order statistics over many ciphertexts under one key: what PE, LE, EtC and ELE lose to them.

Neighbouring values of natural images are strongly and positively correlated. Negation changes the sign of a
correlation and moving a value moves it; so correlations over the ciphertexts are those of plain images with rows and
columns signed and permuted, and the key is found by undoing that. Public images of the same kind supply the
correlations to be expected. This is not a published attack; it answers what the paper's attacks leave open.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vitcrypt.attacks.blocks import Floats, Ints, blocks_of, channel_codes, decrypt
from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.attacks.statistics.correlations import block_layout, brighter, centred, colour_orders, standardised
from vitcrypt.attacks.statistics.graph_matching import signs_along_tree
from vitcrypt.attacks.statistics.nibbles import ele_subkeys, le_subkeys
from vitcrypt.encryption import ELE, LE, PE, EtC, Scheme


@dataclass(frozen=True)
class Statistics:
    """Guess subkeys from correlations, and decrypt with the guess.

    Args:
        starts: Starting points of the graph matching.
    """

    starts: int = 20
    name = "statistics"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs several ciphertexts under one key, and public images."""
        schemes = tuple(scheme.__name__.lower() for scheme in METHODS)
        public: Tensor = observation.need(self.name, "public_images", schemes=schemes, shared=True)
        scheme, ciphertexts = observation.scheme, observation.ciphertexts.cpu()
        if len(ciphertexts) < 2:
            raise ValueError(f"{self.name} correlates over ciphertexts and needs at least 2, got 1")
        subkeys = METHODS[type(scheme)](scheme, ciphertexts, public.cpu(), self.starts)
        return Reconstruction(decrypt(scheme, subkeys, ciphertexts), subkeys)


def _pe(scheme: PE, ciphertexts: Tensor, public: Tensor, _: int) -> dict[str, Tensor]:
    """Signs along the tree of the strongest correlations between neighbours; colours by agreement all over."""
    series, expected = centred(ciphertexts).transpose(2, 3, 1, 0), centred(public)  # [H, W, 3, n], [m, 3, H, W]
    height, width, channels, _ = series.shape
    unit = standardised(series, 3)
    names = np.arange(height * width * channels).reshape(height, width, channels)
    pairs, values = [], []
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for one in range(channels):
            for other in range(one + 1 if (dy, dx) == (0, 0) else 0, channels):
                near, far = np.s_[: height - dy, : width - dx, one], np.s_[dy:, dx:, other]
                pairs.append(np.stack([names[near].ravel(), names[far].ravel()]))
                values.append((unit[near] * unit[far]).mean(-1).ravel())
    signs = signs_along_tree(np.concatenate(pairs, 1), np.concatenate(values), names.size).reshape(names.shape)
    signs = brighter(signs, series, expected)
    # in the ciphertext's order, [H, W, 3]
    moved = torch.from_numpy(signs < 0)
    if not scheme.channel_shuffle:
        return {"negation": moved.permute(2, 0, 1).contiguous()}
    flat = (series * signs[..., None]).reshape(-1, 3, series.shape[-1])
    source = torch.from_numpy(colour_orders(flat, expected.mean((2, 3)).T)).view(height, width, 3)
    negation = moved.gather(-1, source).permute(2, 0, 1).contiguous()
    return {"negation": negation, "channel_permutation": channel_codes(source.argsort(-1))}


def _etc(scheme: EtC, ciphertexts: Tensor, public: Tensor, starts: int) -> dict[str, Tensor]:
    """Blocks by the correlations of their means, turned so that their sides agree with the blocks beside them."""
    size, rows = scheme.block_size, ciphertexts.shape[-2] // scheme.block_size
    ours, theirs = (centred(blocks_of(images, size)) for images in (ciphertexts, public))  # [N, n, C, B, B]
    means = ours.mean((2, 3, 4))  # [N, n]
    places, signs = block_layout(means, theirs.mean((2, 3, 4)), starts)
    # the cipher block at each plain place
    at = places.argsort()
    grid = standardised(means * signs[:, None], 1)[at].reshape(rows, -1, means.shape[1])
    grey = (ours.mean(2) * signs[:, None, None, None])[at]  # [N, n, B, B]
    symmetry = torch.from_numpy(_turned_back(grey.reshape(*grid.shape, size, size), grid))
    channels = (ours.mean((3, 4)) * signs[:, None, None])[at].transpose(0, 2, 1)  # [N, 3, n]
    source = torch.from_numpy(colour_orders(channels, theirs.mean((0, 3, 4)).T))
    return {
        "symmetry": symmetry,
        "negation": torch.from_numpy(signs[at] < 0),
        "channel_permutation": channel_codes(source.argsort(-1)),
        "block_permutation": torch.from_numpy(places),
    }


def _turned_back(grey: Floats, means: Floats) -> Ints:
    """Return for each block the symmetry that it was turned by: undone, its sides agree best with the blocks beside.

    `grey` are the blocks [rows, columns, n, B, B], `means` their standardised means [rows, columns, n].
    """
    scores = np.zeros((8, *means.shape[:2]))
    for code in range(8):
        undone = np.rot90(np.flip(grey, -1) if code >= 4 else grey, -(code % 4), axes=(-2, -1))
        down = (undone[..., -1, :] - undone[..., 0, :]).mean(-1)  # [rows, columns, n]
        across = (undone[..., -1] - undone[..., 0]).mean(-1)
        for slope, score, ahead in (
            (down, scores[code], means),
            (across.swapaxes(0, 1), scores[code].swapaxes(0, 1), means.swapaxes(0, 1)),
        ):
            step = ahead[1:] - ahead[:-1]
            score[:-1] += (slope[:-1] * step).mean(-1)
            score[1:] += (slope[1:] * step).mean(-1)
    best: Ints = scores.argmax(0).ravel()
    return best


METHODS: dict[type[Scheme], Callable[..., dict[str, Tensor]]] = {PE: _pe, LE: le_subkeys, ELE: ele_subkeys, EtC: _etc}
