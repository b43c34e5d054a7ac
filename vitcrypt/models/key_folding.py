"""Folding a key into a ViT: the network that gives on encrypted images what the original gives on plain ones.

A cipher that keeps pixels inside patches moves patches (rows of the position embedding) and symbols inside a patch
(columns of the patch embedding), and complements some (signs of columns). So the parameters are moved as the images
are; the encoder does not know the order of its tokens. Known for block scrambling with pixel shuffling from Kiya,
Iijima, MaungMaung, Kinoshita, arXiv 2207.05366, and for fine-tuning from Nagamori, Shiota, Kiya, arXiv 2401.05126; here
for every `SignedPermutation`, and for a matrix on every block, E' = E Q^T (Aso, Chuman, Kiya, arXiv 2301.03843). The
mathematics, and what it costs: docs/key-adapted.md.

A folded network reveals the key to anyone who has the original.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitcrypt.encryption.cipher import Cipher
from vitcrypt.encryption.orthogonal import BlockMatrix
from vitcrypt.encryption.permutation import FULL, SignedPermutation
from vitcrypt.encryption.primitives import grid, to_blocks
from vitcrypt.encryption.scheme import Shape
from vitcrypt.models.patch_embedding import PATCH_EMBEDDINGS, kernels, kind_of, widen


@dataclass(frozen=True)
class PatchMoves:
    """What a cipher does, patch by patch.

    Attributes:
        patch: int64 [N], the plain patch that encrypted patch n is made of.
        place: int64 [N, S], the place in that patch from which symbol k of encrypted patch n is taken.
        sign: int64 [N, S], -1 where it is complemented.
        bits: 8 or 4, of a symbol.
    """

    patch: Tensor
    place: Tensor
    sign: Tensor
    bits: int

    @property
    def alike(self) -> bool:
        """Whether it does the same inside every patch."""
        return bool((self.place == self.place[0]).all() and (self.sign == self.sign[0]).all())


def patch_moves(cipher: Cipher, shape: Shape, patch_size: int) -> PatchMoves:
    """Read a cipher as moves of patches and moves inside them.

    Args:
        cipher: For images of `shape`.
        shape: (C, H, W).
        patch_size: P; divides H and W.

    Raises:
        ValueError: It is no signed permutation, has a key for each image, is for another size, moves pixels across the
            borders of patches, or changes a symbol otherwise than into its complement.
    """
    if not isinstance(cipher, SignedPermutation):
        raise ValueError(
            f"no key of {type(cipher).__name__} is folded here: only what moves and complements bytes or nibbles, or "
            "multiplies blocks by a matrix, is; set model.fold_key=false"
        )
    numbers, bits = grid(shape), cipher.bits
    if cipher.index.dim() == 2:
        raise ValueError(
            "every image has a key of its own, and one network cannot be folded with many keys; set key_scope=shared"
        )
    if cipher.index.numel() * bits != numbers.numel() * 8:
        raise ValueError(
            f"the cipher is for images of {cipher.index.numel() * bits // 8} bytes, the network for "
            f"{numbers.numel()} ({' x '.join(map(str, shape))}); draw the cipher for the network's image size"
        )
    index, mask = cipher.index.cpu(), cipher.mask.cpu()
    if bool(((mask != 0) & (mask != FULL[bits])).any()):
        raise ValueError(
            f"the cipher XORs symbols with other masks than 0 and {FULL[bits]}: a patch embedding is linear and can "
            "follow a complement only (a change of sign); use a scheme that complements whole bytes or nibbles"
        )
    patches = to_blocks(numbers, patch_size).flatten(1)  # [N, L], the bytes of each patch as a kernel has them
    count, length = patches.shape
    home, place = torch.empty(2, patches.numel(), dtype=torch.int64)
    home[patches] = torch.arange(count)[:, None].expand(count, length)
    place[patches] = torch.arange(length).expand(count, length)
    if bits == 4:
        patches = torch.cat([patches, patches + numbers.numel()], 1)
        home, place = home.repeat(2), torch.cat([place, place + length])
    source = index[patches]  # [N, S]
    if bool((home[source] != home[source[:, :1]]).any()):
        raise ValueError(
            f"the cipher moves pixels across the borders of the network's patches of {patch_size} x {patch_size}, and "
            "no patch embedding can follow that; encrypt in blocks of one patch "
            f"(encryption.block_size={patch_size}), or take a network whose patches are the blocks"
        )
    return PatchMoves(home[source[:, 0]], place[source], 1 - 2 * (mask[patches] > 0).long(), bits)


def fold_key(network: nn.Module, cipher: Cipher) -> nn.Module:
    """Return the network that gives on `cipher(image)` what `network` gives on `image`.

    Exact but for the rounding of sums in another order. Patch embedding and position embedding change, nothing else;
    the patch embedding becomes one per position, or on nibbles, where the cipher asks for it.
    Dropout draws for tokens in another order, so while training with it the two agree in distribution.

    Args:
        network: A timm `VisionTransformer`, its images normalised with mean and deviation 0.5. Left as it is.
        cipher: Of the network's image size.

    Raises:
        ValueError: The network has no patches, or the cipher does what no patch embedding can follow; the message says
            which, and what to do.
    """
    shape, size = _sizes(network)
    if isinstance(cipher, BlockMatrix):
        return _turned(network, cipher, shape[0], size)
    moves, kind = patch_moves(cipher, shape, size), kind_of(network)
    folded = copy.deepcopy(network)
    nibbles = moves.bits == 4 or kind.endswith("nibbles")
    each = not moves.alike or kind.startswith("per_position")
    widen(folded, PATCH_EMBEDDINGS[each + 2 * nibbles])
    if nibbles and moves.bits == 8 and isinstance(cipher, SignedPermutation):
        moves = patch_moves(cipher.lift(), shape, size)
    with torch.no_grad():
        weight = kernels(folded)
        patch, place, sign = (part.to(weight.device) for part in (moves.patch, moves.place, moves.sign))
        moved = weight[patch] if each else weight
        place, sign = place[: len(moved), None], sign[: len(moved), None]
        moved = moved.gather(2, place.expand_as(moved)) * sign
        weight.copy_(moved.view_as(weight))
        if (rows := getattr(folded, "pos_embed", None)) is not None:
            rows = rows[:, rows.shape[1] - len(patch) :]  # after the rows of class and register tokens
            rows.copy_(rows[:, patch])
    return folded


def unfold_key(network: nn.Module, cipher: Cipher) -> nn.Module:
    """Return the network that gives on `image` what `network` gives on `cipher(image)`: the way back of `fold_key`.

    A patch embedding that became richer stays so; its kernels then are equal at all positions unless it was trained.
    """
    return fold_key(network, cipher.inverse())


def rekey(network: nn.Module, old: Cipher, new: Cipher) -> nn.Module:
    """Return the network that gives on `new(image)` what `network` gives on `old(image)`; nothing is trained.

    `unfold_key` under the old key and `fold_key` under the new one; of signed permutations, in one step.
    """
    if isinstance(old, SignedPermutation) and isinstance(new, SignedPermutation):
        return fold_key(network, new @ old.inverse())
    return fold_key(unfold_key(network, old), new)


def _turned(network: nn.Module, cipher: BlockMatrix, channels: int, patch_size: int) -> nn.Module:
    """Multiply the blocks of every kernel by the cipher's matrix: e Q^T Q x = e x."""
    block = cipher.block_size
    if cipher.matrix.dim() == 3:
        raise ValueError(
            "every image has a key of its own, and one network cannot be folded with many keys; set key_scope=shared"
        )
    if patch_size % block or len(cipher.matrix) != channels * block**2:
        raise ValueError(
            f"the cipher mixes the {len(cipher.matrix)} values of blocks of {block} x {block}, and such blocks do not "
            f"fill the network's patches of {channels} x {patch_size} x {patch_size}; set encryption.block_size to "
            f"{patch_size} or a part of it"
        )
    if kind_of(network).endswith("nibbles"):
        raise ValueError(
            f"the network's patch embedding is {kind_of(network)}, and a matrix mixes whole bytes; "
            "set model.patch_embedding=shared"
        )
    folded = copy.deepcopy(network)
    with torch.no_grad():
        weight = kernels(folded)
        pictures = weight.view(-1, channels, patch_size, patch_size)
        weight.copy_(cipher.to(weight.device).turned(pictures).reshape_as(weight))
    return folded


def _sizes(network: nn.Module) -> tuple[Shape, int]:
    """Return image shape and patch size, or raise ValueError if the network cannot carry a key."""
    from timm.layers import PatchEmbed
    from timm.models.vision_transformer import VisionTransformer

    name, advice = type(network).__name__, "choose a ViT (model=vit_b16), or train on encrypted images without folding"
    embedding = getattr(network, "patch_embed", None)
    if not isinstance(network, VisionTransformer) or not isinstance(embedding, PatchEmbed):
        raise ValueError(
            f"a key can be folded into timm's VisionTransformer only, got {name}: where kernels overlap or look at "
            f"neighbouring patches, moving patches changes what they see; {advice}"
        )
    if network.dynamic_img_size or embedding.img_size is None or embedding.patch_size[0] != embedding.patch_size[1]:
        raise ValueError(
            f"a key is folded into a network of one image size with square patches; this {name} has "
            f"dynamic_img_size={network.dynamic_img_size} and patches of {embedding.patch_size}; {advice}"
        )
    height, width = embedding.img_size
    return (embedding.proj.in_channels, height, width), embedding.patch_size[0]
