"""Reading the key from a network that carries it, given the public weights that it was made from.

Folding moves rows of the position embedding and columns of the patch embedding and changes signs of columns
(`vitcrypt.models.key_folding`). Who has both networks matches rows with rows and columns with columns: the assignment
of least squared distance, which is that of the greatest sum of inner products. Fine-tuning adds noise to both, and
what belongs together by the structure of a scheme (a key common to all blocks, pixels that move together) is matched
by sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vitcrypt.attacks.observation import Observation, Reconstruction, State
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme, Shape
from vitcrypt.encryption.primitives import CHANNEL_ORDERS, rotate_flip

PATCHES, POSITIONS = "patch_embed.proj.weight", "pos_embed"


@dataclass(frozen=True)
class Weights:
    """Match the weights of a network with the public ones, read the subkeys off, and decrypt with them."""

    name = "weights"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Read the key; the ciphertexts only show what it is good for."""
        observation.need(self.name, part="weights", shared=True)
        assert observation.weights is not None
        scheme, shape = observation.scheme, observation.shape
        subkeys = read_key(scheme, shape, *observation.weights)
        return Reconstruction(scheme.cipher(subkeys, shape).inverse()(observation.ciphertexts.cpu()), subkeys)


@dataclass(frozen=True)
class _Pair:
    """The embeddings of a network beside the public ones.

    Attributes:
        shape: (C, H, W) of the images.
        size: P, side of a patch.
        ours: Public kernel, float [D, S]; S as in the victim's network, so in nibbles where that has nibbles.
        theirs: The victim's, float [K, D, S].
        rows: Public rows of the position embedding, float [N, D].
        their_rows: The victim's.
    """

    shape: Shape
    size: int
    ours: Tensor
    theirs: Tensor
    rows: Tensor
    their_rows: Tensor

    def columns(self, kernel: Tensor) -> Tensor:
        """Return inner products [S, S] of a kernel's columns with the public ones."""
        return kernel.mT @ self.ours

    def blocks(self) -> Tensor:
        """Return where every patch came from, int64 [N]."""
        return _assign(self.their_rows @ self.rows.mT)


def read_key(scheme: Scheme, shape: Shape, network: State, public: State) -> dict[str, Tensor]:
    """Return the subkeys that turn the public weights into those of a network, as nearly as can be.

    Args:
        scheme: The algorithm; a block is a patch (of LE: or a part of one).
        shape: (C, H, W) of the images.
        network: Its tensors by timm's names.
        public: Those of the original, the patch embedding a convolution.

    Raises:
        ValueError: The two do not belong together, or blocks are no patches.
    """
    if type(scheme) not in METHODS:
        raise ValueError(f"the weights carry keys of {', '.join(c.__name__ for c in METHODS)}, not of {scheme}")
    for name in (PATCHES, POSITIONS):
        if name not in network or name not in public:
            raise ValueError(f"both networks must be ViTs of timm with {PATCHES} and {POSITIONS}; one has no {name}")
    ours, theirs = public[PATCHES].double(), network[PATCHES].double()
    size = ours.shape[-1]
    count, length = shape[1] * shape[2] // size**2, ours[0].numel()
    ours, theirs = ours.flatten(1), theirs if theirs.dim() == 3 else theirs.flatten(1)[None]
    if theirs.shape[2] == 2 * length and isinstance(scheme, LE):
        ours = torch.cat([ours / 17, ours * (16 / 17)], 1)  # a byte is 16 high + low
    elif theirs.shape[2] == 2 * length:
        theirs = theirs[..., :length] + 16 * theirs[..., length:]  # up to a factor
    rows, their_rows = (state[POSITIONS].double()[0] for state in (public, network))
    same = theirs.shape[1:] == ours.shape and rows.shape == their_rows.shape
    if not same or len(theirs) not in (1, count) or len(rows) < count:
        raise ValueError(
            f"the network ({list(theirs.shape)}) was not made from these public weights ({list(ours.shape)}) for "
            f"images of {shape[1]} x {shape[2]}; give the original of the same architecture and image size"
        )
    parts = type(scheme) is LE and size % scheme.block_size == 0
    if scheme.block_size != size and not parts and not isinstance(scheme, PE):
        raise ValueError(
            f"keys are read where a block is a patch, and blocks of {scheme.block_size} are no patches of {size}; "
            f"say block_size={size}"
        )
    return METHODS[type(scheme)](scheme, _Pair(shape, size, ours, theirs, rows[-count:], their_rows[-count:]))


def _assign(gain: Tensor) -> Tensor:
    """Return the permutation int64 [n] for which the sum of gain[i, permutation[i]] is greatest."""
    return torch.from_numpy(linear_sum_assignment(gain.numpy(), maximize=True)[1])


def _assign_signed(gain: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same for gains of either sign, and where the sign is negative, bool [n]."""
    found = _assign(gain.abs())
    return found, gain.gather(1, found[:, None]).squeeze(1) < 0


def _each(pair: _Pair) -> Tensor:
    """Return the kernels, one for each position; raise ValueError where there is one for all."""
    if len(pair.theirs) != len(pair.rows):
        raise ValueError(
            "the network embeds all patches alike, so no key of this scheme was folded into it (nor can be); was it "
            "trained without model.fold_key=true?"
        )
    return pair.theirs


def _proposed(scheme: Proposed, pair: _Pair) -> dict[str, Tensor]:
    half = scheme.block_size // 2
    sizes = (pair.shape[0], 2, half, 2, half)  # channel, row of quadrants, row, column of quadrants, column
    gain = pair.columns(pair.theirs.sum(0)).view(*sizes * 2)
    gain = torch.einsum("cpyqxcpYqX->yxYX", gain).reshape(half**2, half**2)
    return {"block_permutation": pair.blocks(), "pixel_permutation": _assign(gain)}


def _nibbles(scheme: LE, pair: _Pair, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Match nibbles in the order of LE (half, row, column, channel), over all blocks of a patch."""
    channels, side, blocks = pair.shape[0], scheme.block_size, pair.size // scheme.block_size
    if kernel.shape[1] != 2 * channels * pair.size**2:
        raise ValueError("the network embeds bytes, so no key that moves nibbles was folded into it (nor can be)")
    gain = pair.columns(kernel).view(*(2, channels, blocks, side, blocks, side) * 2)
    gain = torch.einsum("hciyjxHCiYjX->hyxcHYXC", gain)
    return _assign_signed(gain.reshape(*(2 * channels * side**2,) * 2))


def _le(scheme: LE, pair: _Pair) -> dict[str, Tensor]:
    permutation, inversion = _nibbles(scheme, pair, pair.theirs.sum(0))
    return {"nibble_permutation": permutation, "nibble_inversion": inversion}


def _ele(scheme: ELE, pair: _Pair) -> dict[str, Tensor]:
    found = [_nibbles(scheme, pair, kernel) for kernel in _each(pair).unbind()]
    blocks = pair.blocks()
    target = blocks.argsort()  # keys belong to the source block
    permutation, inversion = (torch.stack(part)[target] for part in zip(*found, strict=True))
    return {"nibble_permutation": permutation, "nibble_inversion": inversion, "block_permutation": blocks}


def _etc(_: EtC, pair: _Pair) -> dict[str, Tensor]:
    """Of the 48 turned and recoloured forms of a block take the one that agrees best, as it is or as a negative."""
    block = torch.arange(3 * pair.size**2).view(1, 3, pair.size, pair.size).expand(8, -1, -1, -1)
    turned = rotate_flip(block.contiguous(), torch.arange(8))
    forms = torch.stack([turned[:, order] for order in CHANNEL_ORDERS], 1).flatten(0, 1).flatten(1)  # [48, L]
    gain = torch.stack([pair.columns(kernel).T.gather(0, forms).sum(1) for kernel in _each(pair).unbind()])  # [N, 48]
    blocks = pair.blocks()
    gain = gain[blocks.argsort()]
    form = gain.abs().argmax(1)
    negation = gain.gather(1, form[:, None]).squeeze(1) < 0
    codes = {"symmetry": form // 6, "channel_permutation": form % 6}
    return {**codes, "negation": negation, "block_permutation": blocks}


def _pe(scheme: PE, pair: _Pair) -> dict[str, Tensor]:
    """Match the three values of every pixel among themselves."""
    size, kernels = pair.size, _each(pair)
    gain = torch.einsum("ndcp,dep->npce", kernels.unflatten(2, (3, -1)), pair.ours.unflatten(1, (3, -1)))
    orders = CHANNEL_ORDERS if scheme.channel_shuffle else CHANNEL_ORDERS[:1]
    at = torch.stack([gain.abs()[..., torch.arange(3), order].sum(-1) for order in orders], -1)  # [N, P*P, 6]
    codes = at.argmax(-1)
    negative = gain.gather(-1, orders[codes][..., None]).squeeze(-1) < 0
    negative = negative.gather(-1, orders[codes].argsort(-1))  # negation belongs to the source value

    def placed(values: Tensor) -> Tensor:  # [N, P*P, n] -> [n, H, W]
        grid = values.view(pair.shape[1] // size, -1, size, size, values.shape[-1])
        return grid.permute(4, 0, 2, 1, 3).flatten(3).flatten(1, 2)

    subkeys = {"negation": placed(negative)}
    return subkeys | ({"channel_permutation": placed(codes[..., None])[0]} if scheme.channel_shuffle else {})


METHODS: dict[type[Scheme], Callable[..., dict[str, Tensor]]] = {
    PE: _pe,
    LE: _le,
    ELE: _ele,
    EtC: _etc,
    Proposed: _proposed,
}
