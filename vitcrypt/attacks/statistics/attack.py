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

from vitcrypt.attacks.observation import Observation, Reconstruction
from vitcrypt.attacks.plaintext.recover import blocks_of
from vitcrypt.attacks.statistics.correlations import block_layout, brighter_sign, colour_orders, series_of, standardised
from vitcrypt.attacks.statistics.graph_matching import Floats, Ints, signs_along_tree
from vitcrypt.attacks.statistics.nibbles import ele_subkeys, le_subkeys
from vitcrypt.encryption import ELE, LE, PE, EtC, Scheme
from vitcrypt.encryption.primitives import CHANNEL_ORDERS

Subkeys = dict[str, Tensor]


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
        observation.need(
            self.name, part="public_images", schemes=tuple(scheme.__name__.lower() for scheme in METHODS), shared=True
        )
        assert observation.public_images is not None
        if len(observation.ciphertexts) < 2:
            raise ValueError(f"{self.name} correlates over ciphertexts and needs at least 2, got 1")
        scheme, public = observation.scheme, observation.public_images.cpu()
        subkeys = METHODS[type(scheme)](scheme, observation.ciphertexts.cpu(), public, self.starts)
        cipher = scheme.cipher(subkeys, observation.shape)
        return Reconstruction(cipher.inverse()(observation.ciphertexts.cpu()), subkeys)


def _pe(scheme: PE, ciphertexts: Tensor, public: Tensor, _: int) -> Subkeys:
    """Signs along the tree of the strongest correlations between neighbours; colours by agreement all over."""
    series = series_of(ciphertexts.numpy()).transpose(2, 3, 1, 0)  # [H, W, 3, n]
    height, width, channels, _ = series.shape
    unit = standardised(series, (3,))
    names = np.arange(height * width * channels).reshape(height, width, channels)
    pairs, values = [], []
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for one in range(channels):
            for other in range(one + 1 if (dy, dx) == (0, 0) else 0, channels):
                near, far = (
                    (slice(0, height - dy), slice(0, width - dx), one),
                    (slice(dy, None), slice(dx, None), other),
                )
                pairs.append(np.stack([names[near].ravel(), names[far].ravel()]))
                values.append((unit[near] * unit[far]).mean(-1).ravel())
    one, other = np.concatenate(pairs, 1)
    signs = signs_along_tree(one, other, np.concatenate(values), names.size).reshape(height, width, channels)
    signs *= brighter_sign(series * signs[..., None], series_of(public.numpy()))
    moved = torch.from_numpy(signs < 0)  # [H, W, 3], in the ciphertext's order
    if not scheme.channel_shuffle:
        return {"negation": moved.permute(2, 0, 1).contiguous()}
    flat = (series * signs[..., None]).reshape(-1, 3, series.shape[-1])
    source = torch.from_numpy(colour_orders(flat, series_of(public.numpy()).mean((2, 3)).T)).view(height, width, 3)
    codes = (source.argsort(-1)[..., None, :] == CHANNEL_ORDERS).all(-1).int().argmax(-1)
    return {"negation": moved.gather(-1, source).permute(2, 0, 1).contiguous(), "channel_permutation": codes}


def _etc(scheme: EtC, ciphertexts: Tensor, public: Tensor, starts: int) -> Subkeys:
    """Blocks by the correlations of their means, turned so that their sides agree with the blocks beside them."""
    size, rows = scheme.block_size, ciphertexts.shape[-2] // scheme.block_size
    ours, theirs = (series_of(blocks_of(images, size).numpy()) for images in (ciphertexts, public))  # [N, n, C, B, B]
    means = ours.mean((2, 3, 4))  # [N, n]
    places, signs = block_layout(means, theirs.mean((2, 3, 4)), starts)
    at = places.argsort()  # the cipher block at each plain place
    grid = standardised(means * signs[:, None], (1,))[at].reshape(rows, -1, means.shape[1])
    grey = (ours.mean(2) * signs[:, None, None, None])[at]  # [N, n, B, B]
    symmetry = torch.from_numpy(_turned_back(grey.reshape(*grid.shape, size, size), grid))
    channels = (ours.mean((3, 4)) * signs[:, None, None])[at].transpose(0, 2, 1)  # [N, 3, n]
    source = torch.from_numpy(colour_orders(channels, theirs.mean((0, 3, 4)).T))
    return {
        "symmetry": symmetry,
        "negation": torch.from_numpy(signs[at] < 0),
        "channel_permutation": (source.argsort(-1)[:, None] == CHANNEL_ORDERS).all(-1).int().argmax(-1),
        "block_permutation": torch.from_numpy(places),
    }


def _turned_back(grey: Floats, means: Floats) -> Ints:
    """Return for each block the symmetry that it was turned by: undone, its sides agree best with the blocks beside.

    Args:
        grey: [rows, columns, n, B, B].
        means: [rows, columns, n], standardised, of the same blocks.
    """
    rows, columns = means.shape[:2]
    scores = np.zeros((8, rows, columns))
    for code in range(8):
        undone = np.flip(grey, -1) if code >= 4 else grey
        undone = np.rot90(undone, -(code % 4), axes=(-2, -1))
        down = (undone[..., -1, :] - undone[..., 0, :]).mean(-1)  # [rows, columns, n]
        across = (undone[..., -1] - undone[..., 0]).mean(-1)
        for slope, score, ahead in (
            (down, scores[code], means),
            (across.swapaxes(0, 1), scores[code].swapaxes(0, 1), means.swapaxes(0, 1)),
        ):
            step = ahead[1:] - ahead[:-1]
            score[:-1] += (slope[:-1] * step).mean(-1)
            score[1:] += (slope[1:] * step).mean(-1)
    return scores.argmax(0).ravel()


METHODS: dict[type[Scheme], Callable[..., Subkeys]] = {PE: _pe, LE: le_subkeys, ELE: ele_subkeys, EtC: _etc}
