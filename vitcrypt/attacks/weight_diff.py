"""Reading the key from a network that carries it, given the public weights that it was made from.

Folding moves rows of the position embedding and columns of the patch embedding and changes signs of columns
(`vitcrypt.models.key_folding`). An attacker with both networks matches rows with rows and columns with columns: the
assignment of least squared distance, which is that of the greatest sum of inner products. Fine-tuning adds noise to
both, and what belongs together by the structure of a scheme (a key common to all blocks, pixels that move together) is
matched by sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vitcrypt.attacks.blocks import decrypt
from vitcrypt.attacks.observation import Observation, Reconstruction, State
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme, Shape
from vitcrypt.encryption.primitives import CHANNEL_ORDERS, rotate_flip

PATCHES, POSITIONS = "patch_embed.proj.weight", "pos_embed"


@dataclass(frozen=True)
class Weights:
    """Match the weights of a network with the public ones, read the subkeys off, and decrypt with them."""

    name = "weights"

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs the weights of both networks; the ciphertexts only show what the key is good for."""
        network, public = observation.need(self.name, "weights", shared=True)
        subkeys = read_key(observation.scheme, observation.shape, network, public)
        return Reconstruction(decrypt(observation.scheme, subkeys, observation.ciphertexts), subkeys)


@dataclass(frozen=True)
class _Embeddings:
    """The victim's kernels [K, D, S], one for all N positions (K = 1) or one for each, beside the public one [D, S].

    S counts bytes, or nibbles where the network has nibbles; images are (C, H, W) and patches size x size. `blocks`,
    int64 [N], is where every patch came from by the position embedding.
    """

    shape: Shape
    size: int
    public: Tensor
    kernels: Tensor
    blocks: Tensor

    @property
    def by_position(self) -> Tensor:
        """The kernels, one for each position; raise ValueError where there is one for all."""
        if len(self.kernels) != len(self.blocks):
            raise ValueError(
                "the network embeds all patches alike, so no key of this scheme was folded into it (nor can be); was "
                "it trained without model.fold_key=true?"
            )
        return self.kernels


def read_key(scheme: Scheme, shape: Shape, network: State, public: State) -> dict[str, Tensor]:
    """Return the subkeys that turn the public weights into those of a network, as nearly as can be.

    Args:
        scheme: The algorithm; a block is a patch (for LE, a patch or a part of one).
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
    original, kernels = public[PATCHES].double(), network[PATCHES].double()
    size = original.shape[-1]
    count, length = shape[1] * shape[2] // size**2, original[0].numel()
    original, kernels = original.flatten(1), kernels if kernels.dim() == 3 else kernels.flatten(1)[None]
    if kernels.shape[2] == 2 * length and isinstance(scheme, LE):
        # a byte is 16 high + low
        original = torch.cat([original / 17, original * (16 / 17)], 1)
    elif kernels.shape[2] == 2 * length:
        # up to a factor
        kernels = kernels[..., :length] + 16 * kernels[..., length:]
    rows, public_rows = network[POSITIONS].double()[0], public[POSITIONS].double()[0]
    same = kernels.shape[1:] == original.shape and rows.shape == public_rows.shape
    if not same or len(kernels) not in (1, count) or len(rows) < count:
        raise ValueError(
            f"the network ({list(kernels.shape)}) was not made from these public weights ({list(original.shape)}) for "
            f"images of {shape[1]} x {shape[2]}; give the original of the same architecture and image size"
        )
    parts = type(scheme) is LE and size % scheme.block_size == 0
    if scheme.block_size != size and not parts and not isinstance(scheme, PE):
        raise ValueError(
            f"keys are read where a block is a patch, and blocks of {scheme.block_size} are no patches of {size}; "
            f"set block_size={size}"
        )
    blocks = _assign(rows[-count:] @ public_rows[-count:].mT)
    return METHODS[type(scheme)](scheme, _Embeddings(shape, size, original, kernels, blocks))


def _assign(gain: Tensor) -> Tensor:
    """Return the permutation int64 [n] for which the sum of gain[i, permutation[i]] is greatest."""
    return torch.from_numpy(linear_sum_assignment(gain.numpy(), maximize=True)[1])


def _proposed(scheme: Proposed, found: _Embeddings) -> dict[str, Tensor]:
    half = scheme.block_size // 2
    # channel, row of quadrants, row, column of quadrants, column
    gain = (found.kernels.sum(0).mT @ found.public).view(*(found.shape[0], 2, half, 2, half) * 2)
    gain = torch.einsum("cpyqxcpYqX->yxYX", gain).reshape(half**2, half**2)
    return {"block_permutation": found.blocks, "pixel_permutation": _assign(gain)}


def _nibbles(scheme: LE, found: _Embeddings, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Match nibbles in the order of LE (half, row, column, channel), over all blocks of a patch."""
    channels, side, blocks = found.shape[0], scheme.block_size, found.size // scheme.block_size
    if kernel.shape[1] != 2 * channels * found.size**2:
        raise ValueError("the network embeds bytes, so no key that moves nibbles was folded into it (nor can be)")
    gain = (kernel.mT @ found.public).view(*(2, channels, blocks, side, blocks, side) * 2)
    gain = torch.einsum("hciyjxHCiYjX->hyxcHYXC", gain).reshape(*(2 * channels * side**2,) * 2)
    permutation = _assign(gain.abs())
    return permutation, gain.gather(1, permutation[:, None]).squeeze(1) < 0


def _le(scheme: LE, found: _Embeddings) -> dict[str, Tensor]:
    permutation, inversion = _nibbles(scheme, found, found.kernels.sum(0))
    return {"nibble_permutation": permutation, "nibble_inversion": inversion}


def _ele(scheme: ELE, found: _Embeddings) -> dict[str, Tensor]:
    each = [_nibbles(scheme, found, kernel) for kernel in found.by_position.unbind()]
    # keys belong to the source block
    target = found.blocks.argsort()
    permutation, inversion = (torch.stack(part)[target] for part in zip(*each, strict=True))
    return {"nibble_permutation": permutation, "nibble_inversion": inversion, "block_permutation": found.blocks}


def _etc(_: EtC, found: _Embeddings) -> dict[str, Tensor]:
    """Of the 48 turned and recoloured forms of a block take the one that agrees best, as it is or as a negative."""
    block = torch.arange(3 * found.size**2).view(1, 3, found.size, found.size).expand(8, -1, -1, -1)
    turned = rotate_flip(block.contiguous(), torch.arange(8))
    forms = torch.stack([turned[:, order] for order in CHANNEL_ORDERS], 1).flatten(0, 1).flatten(1)  # [48, L]
    gains = [(kernel.mT @ found.public).T.gather(0, forms).sum(1) for kernel in found.by_position.unbind()]
    gain = torch.stack(gains)[found.blocks.argsort()]  # [N, 48]
    form = gain.abs().argmax(1)
    negation = gain.gather(1, form[:, None]).squeeze(1) < 0
    codes = {"symmetry": form // 6, "channel_permutation": form % 6}
    return {**codes, "negation": negation, "block_permutation": found.blocks}


def _pe(scheme: PE, found: _Embeddings) -> dict[str, Tensor]:
    """Match the three values of every pixel among themselves."""
    size, length = found.size, found.size**2
    kernels, public = found.by_position.reshape(len(found.blocks), -1, 3, length), found.public.view(-1, 3, length)
    gain = torch.einsum("ndcp,dep->npce", kernels, public)
    orders = CHANNEL_ORDERS if scheme.channel_shuffle else CHANNEL_ORDERS[:1]
    at = torch.stack([gain.abs()[..., torch.arange(3), order].sum(-1) for order in orders], -1)  # [N, P*P, 6]
    codes = at.argmax(-1)
    negative = gain.gather(-1, orders[codes][..., None]).squeeze(-1) < 0
    # negation belongs to the source value
    negative = negative.gather(-1, orders[codes].argsort(-1))

    def placed(values: Tensor) -> Tensor:  # [N, P*P, n] -> [n, H, W]
        grid = values.view(found.shape[1] // size, -1, size, size, values.shape[-1])
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
