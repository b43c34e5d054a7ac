"""From pairs of plain and encrypted images to the subkeys, for every scheme.

A symbol keeps its value or becomes its complement wherever it goes. So over n pairs it has a signature, n values up to
complement, and the permutation is found by matching signatures. The structure of a scheme (a key common to all blocks,
symbols that move together) makes signatures longer, and fewer pairs suffice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.attacks.blocks import Ints, blocks_of, channel_codes, nibbles_of
from vitcrypt.encryption import ELE, LE, PE, EtC, Plain, Proposed, Scheme, SignedPermutation
from vitcrypt.encryption.cipher import Symbols, symbols_of
from vitcrypt.encryption.permutation import FULL
from vitcrypt.encryption.primitives import CHANNEL_ORDERS, rotate_flip


@dataclass(frozen=True)
class Recovered:
    """Subkeys that turn the plain images into the ciphertexts.

    Attributes:
        subkeys: As `Scheme.cipher` takes them. Where the pairs leave a choice, one of the possible keys.
        certain: bool, for each subkey: entries that every key that fits the pairs has in common.
    """

    subkeys: dict[str, Tensor]
    certain: dict[str, Tensor]

    @property
    def exact(self) -> bool:
        """Whether the pairs leave no choice."""
        return all(bool(entries.all()) for entries in self.certain.values())


def recover_subkeys(scheme: Scheme, plain: Tensor, encrypted: Tensor) -> Recovered:
    """Find the subkeys under which `plain` becomes `encrypted`, both uint8 [n, C, H, W].

    Raises:
        ValueError: There is no such key (pairs under several keys, or of another scheme), or no method for the scheme.
    """
    if type(scheme) not in METHODS:
        raise ValueError(f"known plaintext knows {', '.join(c.__name__ for c in METHODS)}, not {scheme}")
    return METHODS[type(scheme)](scheme, plain, encrypted)


def recover_map(plain: Tensor, encrypted: Tensor) -> tuple[SignedPermutation, Tensor]:
    """Find the signed permutation, of bytes or else of nibbles, that takes `plain` to `encrypted`, of any scheme.

    Args:
        plain: uint8 [n, C, H, W].
        encrypted: The same images under one key.

    Returns:
        One that fits, and bool [S]: where every one that fits does the same.

    Raises:
        ValueError: None fits.
    """
    for bits in (8, 4):
        kind: Symbols = "bytes" if bits == 8 else "nibbles"
        one, other = (symbols_of(images, kind).T.contiguous() for images in (plain, encrypted))
        try:
            index, complemented, unique = _match_signed(one, other, FULL[bits])
        except ValueError:
            continue
        return SignedPermutation(index, complemented.to(torch.uint8) * FULL[bits], bits), unique
    raise ValueError(
        "no fixed permutation of bytes or nibbles with signs turns these plain images into these ciphertexts"
    )


def _match(plain: Ints, encrypted: Ints) -> tuple[Tensor, Tensor]:
    """Match signatures along the last dimension of int64 [..., S], the same values in two orders.

    Returns:
        index: int64 [..., S] with plain[index[j]] = encrypted[j]. Equal ones are matched in order.
        unique: bool [..., S], whether nothing else matches.
    """
    order, other = plain.argsort(-1, kind="stable"), encrypted.argsort(-1, kind="stable")
    found = np.take_along_axis(plain, order, -1)
    if not np.array_equal(found, np.take_along_axis(encrypted, other, -1)):
        raise ValueError(
            "no single key of this scheme turns these plain images into these ciphertexts: are all pairs under one key?"
        )
    edge = np.ones((*found.shape[:-1], 1), bool)
    differs = found[..., 1:] != found[..., :-1]
    alone = np.concatenate([edge, differs], -1) & np.concatenate([differs, edge], -1)
    index, unique = np.empty_like(order), np.empty_like(alone)
    np.put_along_axis(index, other, order, -1)
    np.put_along_axis(unique, other, alone, -1)
    return torch.from_numpy(index), torch.from_numpy(unique)


def _hash(values: NDArray[np.integer]) -> Ints:
    """Hash the last dimension to 64 bits: equal vectors to equal numbers, others to others (but for 2^-50 or so)."""
    weights = np.random.default_rng(values.shape[-1]).integers(-(2**62), 2**62, values.shape[-1]) * 2 + 1
    mixed = (values.astype(np.int64) + 1) @ weights
    # so that hashes of hashes do not add up linearly
    return mixed ^ (mixed >> 29)


def _hash_set(values: Ints) -> Ints:
    """Hash the last dimension regardless of its order."""
    return _hash(np.sort(values, -1))


def _signed(values: Tensor, full: int) -> tuple[Ints, Tensor]:
    """Hash vectors [..., n] up to complement; also return which were complemented for it, bool [...]."""
    flipped = values[..., 0] > full // 2
    return _hash((values ^ (flipped * full).to(torch.uint8)[..., None]).numpy()), flipped


def _match_signed(plain: Tensor, encrypted: Tensor, full: int) -> tuple[Tensor, Tensor, Tensor]:
    """Match uint8 [..., S, n] up to complement: index, complemented and unique, each [..., S]."""
    (one, one_flipped), (other, other_flipped) = _signed(plain, full), _signed(encrypted, full)
    index, unique = _match(one, other)
    return index, one_flipped.gather(-1, index) ^ other_flipped, unique


def _plain(_: Plain, plain: Tensor, encrypted: Tensor) -> Recovered:
    if not torch.equal(plain, encrypted):
        raise ValueError("the ciphertexts of `plain` are the images themselves, and these are not")
    return Recovered({}, {})


def _pe(scheme: PE, plain: Tensor, encrypted: Tensor) -> Recovered:
    """One pair, unless channels of a pixel agree: a pixel's three signatures are matched among themselves."""
    pixels, others = (images.permute(2, 3, 1, 0).contiguous() for images in (plain, encrypted))  # [H, W, 3, n]
    if not scheme.channel_shuffle:
        # every value can only have come from its own place
        negation = _match_signed(pixels[..., None, :], others[..., None, :], 255)[1].squeeze(-1).permute(2, 0, 1)
        return Recovered({"negation": negation}, {"negation": torch.ones_like(negation)})
    index, complemented, unique = _match_signed(pixels, others, 255)
    # where each source value went: negation belongs to it
    source = index.argsort(-1)
    negation, sure = (values.gather(-1, source).permute(2, 0, 1) for values in (complemented, unique))
    return Recovered(
        {"negation": negation, "channel_permutation": channel_codes(index)},
        {"negation": sure, "channel_permutation": unique.all(-1)},
    )


def _le(scheme: LE, plain: Tensor, encrypted: Tensor) -> Recovered:
    """One pair as a rule: every block of every image adds a value to the signature of a nibble."""
    one, other = (nibbles_of(images, scheme.block_size).transpose(0, 1).flatten(1) for images in (plain, encrypted))
    index, complemented, unique = _match_signed(one, other, 15)
    subkeys = {"nibble_permutation": index, "nibble_inversion": complemented}
    return Recovered(subkeys, dict.fromkeys(subkeys, unique))


def _ele(scheme: ELE, plain: Tensor, encrypted: Tensor) -> Recovered:
    """Blocks by the set of their signatures, then nibbles within a block, whose signatures have one value a pair."""
    one, other = (nibbles_of(images, scheme.block_size) for images in (plain, encrypted))
    blocks, block_unique = _match(*(_hash_set(_signed(values, 15)[0]) for values in (one, other)))
    # where each source block went: nibble keys belong to it
    target = blocks.argsort()
    index, complemented, unique = _match_signed(one, other[target], 15)
    subkeys = {"nibble_permutation": index, "nibble_inversion": complemented}
    certain = dict.fromkeys(subkeys, unique & block_unique[target, None])
    return Recovered({**subkeys, "block_permutation": blocks}, {**certain, "block_permutation": block_unique})


def _etc(scheme: EtC, plain: Tensor, encrypted: Tensor) -> Recovered:
    """A block goes to one of 8 * 2 * 6 forms. Blocks are matched by the set of their forms, then the form is read."""
    one, other = (_forms(blocks_of(images, scheme.block_size)) for images in (plain, encrypted))  # [N, 96]
    blocks, block_unique = _match(*(_hash_set(forms) for forms in (one, other)))
    target = blocks.argsort()
    # form 0 is the block itself
    fits = torch.from_numpy(one == other[target][:, :1])
    form, sure = fits.int().argmax(1), (fits.sum(1) == 1) & block_unique[target]
    subkeys = {"symmetry": form // 12, "negation": form // 6 % 2 == 1, "channel_permutation": form % 6}
    certain = dict.fromkeys(subkeys, sure)
    return Recovered({**subkeys, "block_permutation": blocks}, {**certain, "block_permutation": block_unique})


def _forms(blocks: Tensor) -> Ints:
    """Hash every block [N, n, C, B, B] in each of its 96 forms: [N, 96], numbered (symmetry * 2 + sign) * 6 + order."""
    hashes = []
    for symmetry in range(8):
        codes = torch.full((len(blocks),), symmetry)
        turned = rotate_flip(blocks.flatten(1, 2), codes).view_as(blocks)
        for sign in (0, 255):
            hashes += [_hash((turned[:, :, order] ^ sign).flatten(1).numpy()) for order in CHANNEL_ORDERS]
    return np.stack(hashes, 1)


def _proposed(scheme: Proposed, plain: Tensor, encrypted: Tensor) -> Recovered:
    """K1 by the sets of colours in the four sub-blocks; K2 by the colours at a place in all blocks matched so."""
    one, other = (_pixels(images, scheme.block_size) for images in (plain, encrypted))  # [N, 4, P]
    blocks, block_unique = _match(*(_hash(_hash_set(hashes)) for hashes in (one, other)))
    at, source = block_unique.numpy(), blocks[block_unique].numpy()
    columns = [np.moveaxis(hashes, -1, 0).reshape(one.shape[-1], -1) for hashes in (one[source], other[at])]
    pixels, pixel_unique = _match(*(_hash(column) for column in columns))
    if pixel_unique.all():
        # now blocks of the same colours are told apart by where these are
        blocks, block_unique = _match(*(_hash(h.reshape(len(h), -1)) for h in (one[..., pixels.numpy()], other)))
    return Recovered(
        {"block_permutation": blocks, "pixel_permutation": pixels},
        {"block_permutation": block_unique, "pixel_permutation": pixel_unique},
    )


def _pixels(images: Tensor, size: int) -> Ints:
    """Hash the colours of every pixel over all images: [N, 4, (B/2)^2], by block, quadrant and place."""
    rows = images.shape[-2] // size
    values = blocks_of(images, size // 2).permute(0, 3, 4, 1, 2).flatten(3).flatten(1, 2)  # [4N, P, n * C]
    hashes = _hash(values.numpy()).reshape(rows, 2, -1, 2, values.shape[1])
    return hashes.transpose(0, 2, 1, 3, 4).reshape(-1, 4, values.shape[1])


METHODS: dict[type[Scheme], Callable[..., Recovered]] = {
    Plain: _plain,
    PE: _pe,
    LE: _le,
    ELE: _ele,
    EtC: _etc,
    Proposed: _proposed,
}
